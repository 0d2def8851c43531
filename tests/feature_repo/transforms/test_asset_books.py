"""Slow features of names: against loops over plain lists, in every chunk and step."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from feature_repo.catalog import ASSET_BOOKS, ASSET_UNIVERSE, EVENT_TIME, VIEWS
from feature_repo.catalog.policies import LONG_LOOKBACK
from feature_repo.chunks import Chunk, compute_views
from pairity.settings import FeatureSettings
from tests.feature_repo.transforms.markets import (
    DAY,
    HOUR,
    LAG,
    MINUTE,
    assert_same_bits,
    build_hourly_bars,
    candles,
    funding_of,
    reader,
    settings,
)
from tests.oracles.book_features import describe, universe
from validation.lookahead import prove

NAMES = ("A", "B", "C", "D")
MAY, JUNE = (datetime(2025, month, 1, tzinfo=UTC) for month in (5, 6))
START = MAY - LONG_LOOKBACK - 5 * DAY
HOURS = int((JUNE - START) / HOUR)
BOOKS = (ASSET_BOOKS.name, ASSET_UNIVERSE.name)


def make_market(seed=1, hours=HOURS):
    """Hours with holes; B has less than ninety days, C a hole of six, D no funding and a week without a trade."""
    rng = np.random.default_rng(seed)
    rows = candles(NAMES, hours, start=START, seed=seed, gaps=0.01)
    at, asset = pl.col("open_time"), pl.col("asset")
    rows = rows.filter(~((asset == "B") & (at < MAY - 75 * DAY)))
    rows = rows.filter(~((asset == "C") & at.is_between(MAY - 60 * DAY, MAY - 54 * DAY)))
    quiet = (asset == "D") & at.is_between(MAY + 2 * DAY, MAY + 9 * DAY)
    rows = rows.with_columns(pl.when(quiet).then(0.0).otherwise(pl.col("volume")).alias("volume"))
    paid = []
    for name, every in (("A", 8), ("B", 4), ("C", 8)):
        times = [START + step * HOUR for step in range(0, hours, every)]
        if name == "A":  # from eight hours to four, and back
            times = sorted({*times, *(t + 4 * HOUR for t in times if MAY + 5 * DAY < t < MAY + 9 * DAY)})
        paid += [(name, t, float(rng.choice([1e-4, -2e-5, 7e-5]))) for t in times if rng.random() > 0.01]
    return rows, funding_of(paid)


@pytest.fixture(scope="module")
def market():
    return make_market()


@pytest.fixture(scope="module")
def read(market):
    rows, paid = market
    return reader(rows.clear(), rows, paid)


@pytest.fixture(scope="module")
def whole(read):
    return compute_views(read, MAY, JUNE, settings(NAMES), BOOKS)


def plain(market, name):
    rows, paid = market
    hour = {t: int((t - START) / HOUR) for t in (START + step * HOUR for step in range(HOURS + 1))}
    bars = {
        hour[t + HOUR]: (close, volume)
        for t, close, volume in rows.filter(asset=name).select("open_time", "close", "volume").iter_rows()
    }
    return bars, {hour[t]: r for t, r in paid.filter(asset=name).select("funding_time", "funding_rate").iter_rows()}


@pytest.mark.parametrize("name", NAMES)
def test_every_column_is_that_of_loops(market, whole, name):
    bars, rates = plain(market, name)
    rows = whole[ASSET_BOOKS.name].filter(asset=name)
    assert rows.columns == list(ASSET_BOOKS.columns)
    assert rows[EVENT_TIME].to_list() == [START + at * HOUR for at in sorted(bars) if START + at * HOUR > MAY]
    measured = dict.fromkeys(ASSET_BOOKS.feature_names, 0)
    for row in rows[::23].iter_rows(named=True):
        expected = describe(bars, rates, int((row[EVENT_TIME] - START) / HOUR))
        assert set(expected) == set(ASSET_BOOKS.feature_names)
        for column, value in expected.items():
            if value is None:
                assert row[column] is None, (row[EVENT_TIME], column)
            else:
                assert row[column] == pytest.approx(value, rel=1e-9, abs=1e-13), (row[EVENT_TIME], column)
                measured[column] += 1
    without = {column for column, count in measured.items() if not count}
    assert without == ({f"funding_{days}d" for days in (3, 7, 30)} if name == "D" else set())


def test_the_universe_is_that_of_loops(market, whole):
    books, ranks = whole[ASSET_BOOKS.name], whole[ASSET_UNIVERSE.name]
    assert ranks.columns == list(ASSET_UNIVERSE.columns)
    assert ranks.select("asset", EVENT_TIME).equals(books.select("asset", EVENT_TIME))
    sizes = set()
    for at in books[EVENT_TIME].unique().sort()[::11]:
        now = books.filter(pl.col(EVENT_TIME) == at)
        known = {name: values for name, *values in now.select("asset", "bars", "notional", "volatility").iter_rows()}
        expected = universe(known)
        own = ranks.filter(pl.col(EVENT_TIME) == at)
        assert dict(own.select("asset", "universe_rank").iter_rows()) == expected
        count = sum(place is not None for place in expected.values())
        assert own["assets_in_universe"].to_list() == [count] * own.height
        sizes.add(count)
    assert sizes == {2, 3, 4}  # C's hole falls out of the hundred days, B comes of age within the month


def test_names_that_paid_the_same_share_every_bit(market):
    rows, _ = market
    rates = [1e-4, 3e-4, 7e-5, 2e-4, 1e-4, 1.1e-4, 9e-4]
    times = [START + step * HOUR for step in range(0, HOURS, 8)]
    paid = [("A", t, rates[step % 7]) for step, t in enumerate(times)]
    paid += [("C", t, rates[(step + 3) % 7]) for step, t in enumerate(times)]
    paid += [("D", t + more, rates[step % 7] / 2) for step, t in enumerate(times) for more in (timedelta(), -4 * HOUR)]
    found = compute_views(reader(rows.clear(), rows, funding_of(paid)), MAY, JUNE, settings(NAMES), BOOKS)
    midnights = pl.col(EVENT_TIME).dt.hour() == 0, pl.col(EVENT_TIME) < JUNE, pl.col("asset") != "B"
    values = found[ASSET_BOOKS.name].filter(*midnights).group_by(EVENT_TIME).agg(pl.col("funding_7d").n_unique())
    assert values["funding_7d"].to_list() == [1] * 30


def test_a_row_is_known_when_all_of_its_inputs_were(market):
    """A bar of sixty days ago that came yesterday makes everything since then known only from yesterday on."""
    rows, paid = market
    arrival = MAY + 10 * DAY
    old = rows.filter(pl.col("asset") == "A", pl.col("open_time") < MAY - 60 * DAY)["open_time"].max()
    late = rows.with_columns(
        pl.when((pl.col("asset") == "A") & (pl.col("open_time") == old))
        .then(arrival)
        .otherwise("known_at")
        .alias("known_at")
    )
    found = compute_views(reader(rows.clear(), late, paid), MAY, JUNE, settings(NAMES), BOOKS)
    event, created = pl.col(EVENT_TIME), pl.col("created_timestamp")
    books = found[ASSET_BOOKS.name]
    before = (pl.col("asset") == "A") & (event < arrival)
    assert books.filter(before)["created_timestamp"].unique().to_list() == [arrival]
    assert (books.filter(~before)["created_timestamp"] - books.filter(~before)[EVENT_TIME] == LAG).all()
    ranks = found[ASSET_UNIVERSE.name]
    assert ranks.filter(event < arrival)["created_timestamp"].unique().to_list() == [arrival]
    assert ranks.filter(event >= arrival).select((created - event == LAG).all()).item()
    chunk = Chunk(MAY, settings(NAMES), BOOKS)
    live = [chunk.advance(reader(rows.clear(), late, paid), MAY + step * HOUR) for step in range(4)]
    for name in BOOKS:
        now = pl.concat([part[name] for part in live]).sort("asset", EVENT_TIME)
        assert_same_bits(now, found[name].filter(event <= MAY + 3 * HOUR))


def test_hour_by_hour_gives_the_bits_of_the_whole_month(read, whole):
    chunk = Chunk(MAY, settings(NAMES), BOOKS)
    steps = [0, 1, 2, 30, 31, 200, 201, 743, 744]
    parts = [chunk.advance(read, MAY + step * HOUR) for step in steps]
    for name in BOOKS:
        assert_same_bits(pl.concat([part[name] for part in parts]).sort("asset", EVENT_TIME), whole[name])


def test_a_late_settlement_and_a_late_bar_are_computed_again_from_there(market, read):
    rows, paid = market
    at = MAY + 20 * DAY
    lacking = reader(
        rows.clear(),
        rows.filter(~((pl.col("asset") == "A") & (pl.col("open_time") == at - HOUR))),
        paid.filter(pl.col("funding_time") != at),
    )
    chunk = Chunk(MAY, settings(NAMES), BOOKS)
    chunk.advance(lacking, at + 2 * HOUR)
    again = chunk.advance(read, at + 3 * HOUR, changed_at=at)
    expected = compute_views(read, MAY, at + 3 * HOUR, settings(NAMES), BOOKS)
    for name in BOOKS:
        assert_same_bits(again[name].sort("asset", EVENT_TIME), expected[name].filter(pl.col(EVENT_TIME) >= at))


def test_another_months_chunk_gives_the_same_bits(read, whole):
    """Windows lie within the lookback: a row does not depend on where its chunk began."""
    rows = compute_views(read, MAY, JUNE, settings(NAMES), ["asset_hourly"])
    assert rows["asset_hourly"].height == whole[ASSET_BOOKS.name].height
    shifted = {}
    for since in (0, 3):
        cut = MAY + since * DAY - LONG_LOOKBACK

        def shorter(name, start, end, cut=cut):
            time = "funding_time" if name == "funding" else "open_time"
            found = read(name, start, end)
            return found.filter(pl.col(time) >= cut) if name in {"candles_1h", "funding"} else found

        shifted[since] = compute_views(shorter, MAY, JUNE, settings(NAMES), [ASSET_BOOKS.name])[ASSET_BOOKS.name]
    later = pl.col(EVENT_TIME) > MAY + 3 * DAY
    assert_same_bits(shifted[3].filter(later), shifted[0].filter(later))


def test_refused_hours_are_no_inputs_before_the_common_lookback_either(read, whole):
    def accept(view, rows):
        return rows.filter(pl.col(EVENT_TIME) != MAY - 80 * DAY) if view.name == "asset_hourly" else rows

    found = compute_views(read, MAY, MAY + 15 * DAY, settings(NAMES), BOOKS, accept=accept)[ASSET_BOOKS.name]
    same = whole[ASSET_BOOKS.name].filter(pl.col(EVENT_TIME) <= MAY + 15 * DAY)
    gone = found.filter(pl.col(EVENT_TIME) == MAY + 10 * DAY, pl.col("asset") == "A")
    assert gone["return_90d"].to_list() == [None]
    assert same.filter(pl.col(EVENT_TIME) == MAY + 10 * DAY, pl.col("asset") == "A")["return_90d"].to_list() != [None]
    assert (found["bars"] < same["bars"]).sum() > 500


def test_minutes_make_the_same_bars_as_hours_do():
    """Twenty days of minutes at a time are in memory: their hours meet without a gap."""
    start, names = MAY - 45 * DAY, ("A", "B")
    minutes = candles(names[:1], 60 * 24 * 46, bar=MINUTE, start=start, seed=4, gaps=0.02, volatility=0.0005)
    hours = build_hourly_bars(minutes.lazy()).collect()
    native = hours.select(
        "asset", (pl.col("event_timestamp") - HOUR).alias("open_time"), "open", "high", "low", "close",
        pl.col("volume_base").alias("volume"), "volume_quote", "known_at",
    )  # fmt: skip
    ours = compute_views(reader(minutes, native.clear(), funding_of()), MAY, MAY + DAY, settings(names), BOOKS)
    theirs = compute_views(reader(minutes.clear(), native, funding_of()), MAY, MAY + DAY, settings(names), BOOKS)
    for name in BOOKS:
        assert ours[name].height == 24
        assert_same_bits(ours[name], theirs[name])


def test_no_column_looks_ahead(read):
    instants = [MAY + 5 * HOUR, MAY + 8 * DAY + 8 * HOUR]
    report = prove(read, MAY, MAY + 10 * DAY, settings(NAMES), instants, views=BOOKS)
    assert report.leaks == ()
    assert report.unproven == ()


def test_short_windows_of_others_do_not_move_slow_ones(read, whole):
    short = settings(NAMES, FeatureSettings(atr_period_bars=4, volatility_window_bars=5))
    found = compute_views(read, MAY, JUNE, short, BOOKS)
    for name in BOOKS:
        assert_same_bits(found[name], whole[name])


def test_slow_views_say_how_far_they_look_back():
    slow = [view for view in VIEWS.values() if view.lookback == LONG_LOOKBACK]
    assert {view.name for view in slow} == {*BOOKS, "pair_books", "pair_outcomes", "pair_spreads"}
    for view in slow:
        assert max(feature.lookback_bars for feature in view.features) * view.every <= LONG_LOOKBACK
