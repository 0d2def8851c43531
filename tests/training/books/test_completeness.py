"""Hours that may be looked at once are looked at when all of the universe is stored, and not before."""

import shutil

import polars as pl
import pytest

from feature_repo.catalog import ASSET_BOOKS, ASSET_HOURLY, PAIR_BOOKS
from feature_repo.offline_files import locate_view, publish, scan_view
from pairity.books.families import BOOK_FAMILIES
from pairity.errors import ConfigError, MissingDataError
from pairity.layout import Layout
from tests.pairity_cli.test_books import HOURS, NAMES, publish_hours
from tests.training.generated import HOUR, START
from tests.training.published import NOW, settings_for
from training.books import train
from training.books.completeness import Completeness, measure_completeness
from training.books.last_look import look_at_book
from training.books.registrations import register
from training.books.stored_market import make_book_terms
from training.trials.ledger import TrialLedger

FIRST, LAST = START + (HOURS - 150) * HOUR, START + (HOURS - 20) * HOUR
TREND, PAIRS = BOOK_FAMILIES["trend_book"], BOOK_FAMILIES["pair_continuation"]
ENDED = LAST - 40 * HOUR
AT = pl.col("event_timestamp")


@pytest.fixture
def settings(tmp_path):
    found = settings_for(tmp_path / "var", NAMES)
    publish_hours(found)
    return found


def cut(settings, view, name, end):
    """Take away what is stored of a name, or of its pairs, after `end`."""
    layout = Layout.of(settings)
    rows = scan_view(layout, view).collect()
    shutil.rmtree(locate_view(layout, view))
    own = pl.col(view.entity).str.split("__").list.contains(name)
    publish(layout, view, rows.filter(~own | (end >= AT)))


def fix(settings, family):
    terms = make_book_terms(settings)
    register(settings, family, terms, first=FIRST, last=LAST, expects="x", now=NOW)


def list_looks(settings):
    return TrialLedger.of(settings).read().looks


def test_nothing_lacks_where_all_is_stored(settings):
    for family in (TREND, PAIRS):
        stored = measure_completeness(settings, family, LAST, NOW)
        assert (dict(stored.ended), dict(stored.stale), stored.list_lacks()) == ({}, {}, [])


def test_a_name_whose_bars_end_early_spends_no_look(settings):
    fix(settings, TREND)
    for view in (ASSET_HOURLY, ASSET_BOOKS, PAIR_BOOKS):
        cut(settings, view, "SOL", ENDED)
    with pytest.raises(MissingDataError) as caught:
        look_at_book(settings, TREND.name, NOW, "whatever the reason")
    assert f"bars of SOL end at {ENDED:%Y-%m-%d %H:%M} UTC" in caught.value.what
    assert "--delisted SOL" in caught.value.remedy
    assert list_looks(settings) == ()
    seen = look_at_book(settings, TREND.name, NOW, delisted=("SOL",))
    assert (seen.number, seen.delisted, len(list_looks(settings))) == (1, ("SOL",), 1)


@pytest.mark.parametrize("end", [FIRST - 400 * HOUR, START])
def test_a_name_that_ended_before_the_look_or_has_no_bars_is_named_too(settings, end):
    fix(settings, TREND)
    cut(settings, ASSET_HOURLY, "SOL", end)
    said = "no bars of SOL are stored" if end == START else f"bars of SOL end at {end:%Y-%m-%d %H:%M} UTC"
    with pytest.raises(MissingDataError, match=said):
        look_at_book(settings, TREND.name, NOW)
    assert list_looks(settings) == ()


def test_a_name_that_goes_on_is_not_delisted(settings):
    fix(settings, TREND)
    for name in ("BTC", "NONE"):
        with pytest.raises(ConfigError, match=f"{name} did not end before"):
            look_at_book(settings, TREND.name, NOW, delisted=(name,))
    assert list_looks(settings) == ()


def test_a_hole_at_the_last_hour_is_no_end(settings):
    layout = Layout.of(settings)
    rows = scan_view(layout, ASSET_HOURLY).collect()
    shutil.rmtree(locate_view(layout, ASSET_HOURLY))
    publish(layout, ASSET_HOURLY, rows.filter((pl.col("asset") != "SOL") | (AT != LAST)))
    assert measure_completeness(settings, TREND, LAST, NOW).list_lacks() == []
    assert measure_completeness(settings, TREND, LAST, LAST + HOUR / 2).list_lacks() == [
        f"bars of SOL end at {LAST - HOUR:%Y-%m-%d %H:%M} UTC"
    ]


@pytest.mark.parametrize(("view", "name"), [(ASSET_BOOKS, "XRP"), (PAIR_BOOKS, "XRP")])
def test_features_that_end_early_spend_no_look(settings, view, name):
    fix(settings, PAIRS)
    cut(settings, view, name, ENDED)
    own = scan_view(Layout.of(settings), view).filter(pl.col(view.entity).str.contains(name))
    last = own.select(AT.max()).collect().item()
    with pytest.raises(MissingDataError) as caught:
        look_at_book(settings, PAIRS.name, NOW)
    assert f"end at {last:%Y-%m-%d %H:%M} UTC" in caught.value.what
    assert "pairity features" in caught.value.remedy
    assert "--delisted" not in caught.value.remedy
    with pytest.raises(ConfigError, match="XRP did not end before"):
        look_at_book(settings, PAIRS.name, NOW, delisted=(name,))
    assert list_looks(settings) == ()
    # A book that reads no pairs does not wait for them.
    assert bool(measure_completeness(settings, TREND, LAST, NOW).stale) is (view is ASSET_BOOKS)


def test_what_ended_before_the_hours_of_a_gate_may_be_left_out(settings):
    cut(settings, ASSET_HOURLY, "SOL", FIRST - HOUR)
    cut(settings, ASSET_HOURLY, "ADA", FIRST)
    stored = measure_completeness(settings, TREND, LAST, NOW)
    assert stored.list_ended_before(FIRST) == ["SOL"]
    assert stored.list_lacks(stored.list_ended_before(FIRST)) == [f"bars of ADA end at {FIRST:%Y-%m-%d %H:%M} UTC"]
    lacks = train._list_lacks(stored, FIRST)
    assert lacks.startswith(f"bars of ADA end at {FIRST:%Y-%m-%d %H:%M} UTC (collect it")
    assert "SOL" not in lacks
    assert train._note_ended(stored, FIRST) == ["taken as delisted, their bars end before the hours of the look: SOL"]
    whole = Completeness({}, {})
    assert (train._list_lacks(whole, FIRST), train._note_ended(whole, FIRST)) == ("", [])
