"""Features from the store: those that the panel's own computation gives, in the versions of their decisions."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from feature_repo.catalog import ASSET_BOOKS, BOOK_FEATURES, EVENT_TIME
from feature_repo.offline_files import publish, scan_view
from pairity.books.families import BOOK_FAMILIES
from pairity.errors import MissingDataError
from pairity.layout import Layout
from pairity.timeline import HOUR
from tests.training.published import NOW, publish_all, settings_for
from training.books.engine import run_book
from training.books.history_features import FeatureHistory
from training.books.stored_features import StoredFeatures
from training.books.stored_market import load_market, make_book_terms
from training.data.history import make_store_join
from training.data.point_in_time import DECISION_TIME, FIRST_KNOWN, add_decision_times, join_checked

NAMES = ("BTC", "ETH", "SOL", "XRP", "BNB", "DOGE", "ADA")
BARS = 2_300


def remove_rows(layout):
    for path in (layout.features / ASSET_BOOKS.name).rglob("*.parquet"):
        path.unlink()


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    settings = settings_for(tmp_path_factory.mktemp("home"), NAMES)
    publish_all(settings, bars=BARS)
    return settings


@pytest.fixture(scope="module")
def market(settings):
    return load_market(settings, NOW, None)


def test_stored_rows_have_the_bits_of_the_panels_own(market):
    stored, computed = market.history, FeatureHistory(market.history.panel)
    for hour in (100, 1_500, 2_183, 2_207, 2_299):
        assert stored.name_features(hour) == computed.name_features(hour)
        columns = ASSET_BOOKS.feature_names[1:]
        assert stored.read_columns(hour, columns).tobytes() == computed.read_columns(hour, columns).tobytes()
    assert any(one.log_returns and one.funding_per_hour for one in stored.name_features(2_299).values())


@pytest.mark.parametrize("family", ["trend_carry_book", "pair_continuation"])
def test_a_book_of_stored_rows_is_that_of_computed_ones(settings, market, family):
    terms = make_book_terms(settings)
    runs = [
        run_book(history, BOOK_FAMILIES[family], terms, market.specs, first=2_160).result
        for history in (market.history, FeatureHistory(market.history.panel))
    ]
    assert runs[0].trades.height > 0
    assert runs[0].equity.equals(runs[1].equity)
    assert runs[0].trades.equals(runs[1].trades)


def test_the_stores_own_point_in_time_join_answers_the_same(settings, market):
    panel, hour = market.history.panel, 2_207
    rows = scan_view(Layout.of(settings), ASSET_BOOKS).filter(pl.col(EVENT_TIME) == panel.close_of(hour)).collect()
    keys = rows.select("asset", EVENT_TIME, pl.col("created_timestamp").alias(FIRST_KNOWN))
    joined = join_checked(make_store_join(settings), BOOK_FEATURES, add_decision_times(keys, settings))
    assert (joined[DECISION_TIME] - joined[EVENT_TIME] == settings.features.decision_lag).all()
    ours = market.history.read_columns(hour, BOOK_FEATURES.features[1:])
    for place, name in enumerate(BOOK_FEATURES.features[1:]):
        theirs = dict(joined.select("asset", name).iter_rows())
        expected = [np.nan if theirs[asset] is None else theirs[asset] for asset in panel.names]
        np.testing.assert_array_equal(ours[place], np.array(expected, float))


def test_a_decision_sees_the_version_of_its_time_and_no_row_that_came_later(tmp_path):
    settings = settings_for(tmp_path, NAMES)
    layout = publish_all(settings, bars=400)
    panel = load_market(settings, NOW, None).history.panel
    rows = scan_view(layout, ASSET_BOOKS).collect()
    at, lag = panel.close_of(300), settings.features.decision_lag
    own = rows.filter(pl.col(EVENT_TIME) == at)
    later = {"BTC": lag, "ETH": lag + timedelta(milliseconds=1)}
    for asset, wait in later.items():
        changed = own.filter(asset=asset).with_columns(created_timestamp=at + wait, return_1d=pl.lit(9.0))
        publish(layout, ASSET_BOOKS, changed)
    known = FeatureHistory(panel, StoredFeatures(settings, NOW)).read_columns(300, ("return_1d",))[0]
    first = dict(own.select("asset", "return_1d").iter_rows())
    assert known[panel.names.index("BTC")] == 9.0  # a correction that came in time
    assert known[panel.names.index("ETH")] == first["ETH"]  # and one that did not
    early = StoredFeatures(settings, at + timedelta(milliseconds=1))
    assert FeatureHistory(panel, early).read_columns(300, ("return_1d",))[0].tolist() == [first[n] for n in panel.names]
    before = StoredFeatures(settings, at)
    assert FeatureHistory(panel, before).name_features(300) == {}


def test_a_row_of_which_no_version_came_in_time_is_not_there_and_no_older_one_stands_in(tmp_path):
    settings = settings_for(tmp_path, NAMES)
    layout = publish_all(settings, bars=400)
    panel = load_market(settings, NOW, None).history.panel
    rows = scan_view(layout, ASSET_BOOKS).collect()
    late = (pl.col(EVENT_TIME) == panel.close_of(300)) & (pl.col("asset") == "SOL")
    created = pl.when(late).then(pl.col(EVENT_TIME) + HOUR).otherwise("created_timestamp").alias("created_timestamp")
    remove_rows(layout)
    publish(layout, ASSET_BOOKS, rows.with_columns(created))
    history = FeatureHistory(panel, StoredFeatures(settings, NOW))
    assert set(NAMES) - set(history.name_features(300)) == {"SOL"}
    assert set(history.name_features(299)) == set(history.name_features(301)) == set(NAMES)


def test_a_home_without_these_features_says_how_to_get_them(tmp_path):
    settings = settings_for(tmp_path, NAMES)
    layout = publish_all(settings, bars=100)
    remove_rows(layout)
    history = load_market(settings, NOW, None).history
    with pytest.raises(MissingDataError, match=r"(?s)asset_books are stored.*pairity features"):
        history.name_features(50)
