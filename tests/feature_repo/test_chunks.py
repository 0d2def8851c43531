"""The anchored chunk driver: backfill and live give the same bits."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.catalog import ASSET_HOURLY, EVENT_TIME, PAIR_HOURLY, VIEWS
from feature_repo.chunks import compute_views
from feature_repo.raw_datasets import BAR_SOURCES, DATASETS
from feature_repo.transforms.assets import compute_asset_hourly
from feature_repo.transforms.bars import adopt_native_hours
from feature_repo.transforms.pairs import compute_pair_hourly
from feature_repo.transforms.view_transforms import MAX_REACH
from pairity.errors import ConfigError, TimeRangeError
from pairity.settings import FeatureSettings, VwapSettings
from tests.examples import examples
from tests.feature_repo.transforms.markets import (
    DAY,
    HOUR,
    LAG,
    MINUTE,
    assert_same_bits,
    candles,
    reader,
    recorded_candles,
    recorded_funding,
    settlements,
)
from tests.feature_repo.transforms.markets import settings as settings_for

APRIL, MAY, JUNE = (datetime(2025, month, 1, tzinfo=UTC) for month in (4, 5, 6))
LOOKBACK, LONG_LOOKBACK = 400 * HOUR, 2_400 * HOUR
NAMES = ("BTC", "ETH", "SOL")
MINUTES_FROM = MAY + 12 * DAY


def generated(seed=3, until=JUNE, gaps=0.01, names=NAMES):
    """April and May: the venue's hours, and from `MINUTES_FROM` on minutes beside them for the first two assets."""
    start = APRIL - LOOKBACK
    count = int((until - start) / HOUR)
    hours = candles(names, count, start=start, seed=seed, gaps=gaps)
    minutes = candles(names[:2], 60 * 72, bar=MINUTE, start=MINUTES_FROM, seed=seed, gaps=0.3, volatility=0.001)
    return minutes, hours, settlements(names, count, start=start, seed=seed, missing=0.1)


@pytest.fixture(scope="module")
def market():
    return generated()


def last_rows(frames, close):
    return {name: frame.filter(pl.col(EVENT_TIME) == close) for name, frame in frames.items()}


def assert_hour_by_hour(read, month, closes, config):
    """Each hour's newest rows, computed live, are the rows of the whole month's backfill."""
    whole = compute_views(read, month, closes[-1], config)
    compared = 0
    for close in closes:
        live = last_rows(compute_views(read, month, close, config), close)
        for name, rows in last_rows(whole, close).items():
            assert_same_bits(live[name], rows)
            compared += rows.height
    return compared


@pytest.mark.slow
def test_backfill_of_a_month_equals_hour_by_hour(market):
    closes = [MAY + step * HOUR for step in range(1, 745, 5)]
    compared = assert_hour_by_hour(reader(*market), MAY, closes, settings_for(NAMES))
    assert compared > 5 * len(closes)


@pytest.mark.slow
@settings(deadline=None, max_examples=examples(8))
@given(seed=st.integers(0, 10**6), gaps=st.sampled_from([0.0, 0.02, 0.2]), first=st.integers(1, 740))
def test_any_hour_of_any_market_is_the_same_live_and_later(seed, gaps, first):
    read = reader(*generated(seed, gaps=gaps))
    assert_hour_by_hour(read, MAY, [MAY + first * HOUR, MAY + (first + 1) * HOUR, JUNE], settings_for(NAMES))


@pytest.mark.recorded
@pytest.mark.parametrize(("every", "until"), [(120, 122), pytest.param(17, 400, marks=pytest.mark.slow)])
def test_backfill_equals_hour_by_hour_on_recorded_minutes(every, until):
    names = ("BTC", "ETH", "SOL", "XRP", "BNB", "DOGE", "ADA", "TON", "TRX")
    minutes = recorded_candles("1m_20250318_20250417", names, MINUTE)
    read = reader(minutes, minutes.clear(), recorded_funding(names))
    closes = [APRIL + step * HOUR for step in range(1, until, every)]
    hourly = [view for view in VIEWS.values() if view.every == HOUR]
    per_hour = sum({"asset": 9, "pair_id": 36, "venue": 1}[view.entity] for view in hourly)
    assert assert_hour_by_hour(read, APRIL, closes, settings_for(names)) >= len(closes) * per_hour


def test_what_is_known_later_than_the_last_close_is_not_looked_at(market):
    minutes, hours, funding = market
    close = MINUTES_FROM + 30 * HOUR
    poison = {"high": 1e12, "close": float("nan"), "volume": 1e12}
    later = [
        frame.with_columns(
            pl.when(pl.col("open_time") >= close).then(value).otherwise(pl.col(name)).alias(name)
            for name, value in poison.items()
        )
        for frame in (minutes, hours)
    ]
    rates = funding.with_columns(
        pl.when(pl.col("funding_time") > close).then(0.04).otherwise(pl.col("funding_rate")).alias("funding_rate")
    )
    half_an_hour = close + timedelta(minutes=30)
    expected = compute_views(reader(*market), MAY, close, settings_for(NAMES))
    actual = compute_views(reader(*later, rates), MAY, half_an_hour, settings_for(NAMES))
    for name in expected:
        assert_same_bits(actual[name], expected[name])
        if VIEWS[name].every == HOUR and expected[name].height:
            assert expected[name][EVENT_TIME].max() == close
    assert {name for name, rows in expected.items() if rows.height} >= {"asset_hourly", "pair_hourly"}


def test_rows_are_those_after_the_months_start_up_to_the_next(market):
    frames = compute_views(reader(*market), APRIL, JUNE, settings_for(NAMES))
    for view in (ASSET_HOURLY, PAIR_HOURLY):
        frame = frames[view.name]
        assert tuple(frame.columns) == view.columns
        assert frame[EVENT_TIME].min() == APRIL + HOUR
        assert frame[EVENT_TIME].max() == MAY
        assert not frame.select(view.entity, EVENT_TIME).is_duplicated().any()


def test_two_months_meet_without_gap_or_overlap(market):
    april, may = (compute_views(reader(*market), month, JUNE, settings_for(NAMES)) for month in (APRIL, MAY))
    early = compute_views(reader(*market), APRIL, MAY, settings_for(NAMES))
    for name in april:
        assert_same_bits(april[name], early[name])
        if VIEWS[name].every == HOUR and april[name].height and VIEWS[name].entity == "pair_id":
            assert april[name][EVENT_TIME].max() == MAY < may[name][EVENT_TIME].min() == MAY + HOUR


def test_two_chunks_agree_to_the_bit_on_every_hour_that_both_compute(market):
    """All but what remembers a chunk's start: the recursive RSI, which then differs by less than its rounding shows."""
    _, hours, funding = market
    config = settings_for(NAMES)
    april = compute_views(reader(hours.clear(), hours, funding), APRIL, MAY, config)["pair_hourly"]
    inputs = hours.filter(pl.col("open_time") >= MAY - LOOKBACK)
    assets = compute_asset_hourly(adopt_native_hours(inputs.lazy()), funding.lazy(), config.features).collect()
    on_the_way = compute_pair_hourly(assets.lazy(), config.universe.pairs, config.features, 200).collect()
    shared = on_the_way.filter(pl.col(EVENT_TIME) <= MAY)
    rows = shared.select("pair_id", EVENT_TIME).join(april, on=["pair_id", EVENT_TIME], maintain_order="left")
    assert rows.height == shared.height > 400
    assert_same_bits(rows.select(april.columns).drop("spread_rsi"), shared.drop("spread_rsi"))
    assert (rows["spread_rsi"] - shared["spread_rsi"]).abs().max() < 1e-3


def test_reads_from_the_anchor_minus_the_lookback_and_never_after_the_close(market):
    read = reader(*market)
    until = MAY + 100 * HOUR + timedelta(minutes=59)
    compute_views(read, MAY, until, settings_for(NAMES))
    start, long_start = MAY - LOOKBACK, MAY - LONG_LOOKBACK
    early = [(dataset, since, to) for dataset, since, to in read.asked if to <= start]
    for dataset, since, to in set(read.asked) - set(early):
        every = DATASETS[dataset].every
        lasts = every is None or every > HOUR  # a settlement, a sample, a day's inflow
        assert timedelta() <= start - since <= (MAX_REACH if lasts else timedelta())
        # What is complete at the close counts: a settlement of that instant, the bar that closes then, no later one.
        assert to == MAY + 100 * HOUR - DATASETS[dataset].known_after + timedelta(microseconds=1)
    spans = {dataset: sorted((since, to) for name, since, to in early if name == dataset) for dataset, *_ in early}
    assert spans.pop("funding") == [(long_start - MAX_REACH, start - MAX_REACH)]
    assert set(spans) == set(BAR_SOURCES)
    for parts in spans.values():  # one after the other, without a hole between them
        assert [long_start, *(to for _, to in parts)] == [*(since for since, _ in parts), start]


def test_minutes_win_and_hours_fill_in(market):
    minutes, _, _ = market
    rows = compute_views(reader(*market), MAY, JUNE, settings_for(NAMES))["asset_hourly"]
    observed = rows.filter(pl.col(EVENT_TIME).is_between(MINUTES_FROM + HOUR, MINUTES_FROM + 72 * HOUR))
    counts = dict(observed.group_by("asset").agg(pl.col("minutes_observed").mean()).iter_rows())
    assert counts["SOL"] == 60.0
    assert counts["BTC"] < 50.0
    close = MINUTES_FROM + 5 * HOUR
    last = minutes.filter((pl.col("asset") == "BTC") & (pl.col("open_time") < close))["close"][-1]
    assert rows.filter((pl.col("asset") == "BTC") & (pl.col(EVENT_TIME) == close))["close"].item() == last


def test_history_is_known_one_millisecond_after_its_close(market):
    for frame in compute_views(reader(*market), MAY, JUNE, settings_for(NAMES)).values():
        assert (frame["created_timestamp"] - frame[EVENT_TIME] == LAG).all()


def test_bars_that_arrive_live_are_known_at_their_arrival():
    minutes, hours, funding = generated(gaps=0.0)
    arrival = timedelta(seconds=2.5)
    live = hours.with_columns(
        pl.when(pl.col("open_time") >= MAY)
        .then(pl.col("open_time") + HOUR + arrival)
        .otherwise("known_at")
        .alias("known_at")
    )
    frames = compute_views(reader(minutes.clear(), live, funding), MAY, MAY + 5 * HOUR, settings_for(NAMES))
    for frame in frames.values():
        assert (frame["created_timestamp"] - frame[EVENT_TIME] == arrival).all()


def test_a_young_pair_appears_once_it_has_enough_bars_in_common():
    minutes, hours, funding = generated(gaps=0.0)
    listed = MAY + 10 * HOUR
    young = hours.filter((pl.col("asset") != "SOL") | (pl.col("open_time") >= listed))
    rows = compute_views(reader(minutes.clear(), young, funding), MAY, JUNE, settings_for(NAMES))["pair_hourly"]
    first = dict(rows.group_by("pair_id").agg(pl.col(EVENT_TIME).min()).iter_rows())
    assert first == {"BTC__ETH": MAY + HOUR, "BTC__SOL": listed + 200 * HOUR, "ETH__SOL": listed + 200 * HOUR}


def test_an_empty_lake_gives_empty_views_of_the_right_shape():
    nothing = [frame.clear() for frame in generated()]
    frames = compute_views(reader(*nothing), MAY, JUNE, settings_for(NAMES))
    assert {name: frame.shape for name, frame in frames.items()} == {
        name: (0, len(view.columns)) for name, view in VIEWS.items()
    }


def test_nothing_is_closed_yet_at_the_months_first_instant(market):
    assert all(f.is_empty() for f in compute_views(reader(*market), MAY, MAY, settings_for(NAMES)).values())


def test_a_chunk_starts_at_a_months_first_instant(market):
    with pytest.raises(TimeRangeError, match="2025-05-01 01:00 UTC"):
        compute_views(reader(*market), MAY + HOUR, JUNE, settings_for(NAMES))


def test_a_window_longer_than_the_lookback_is_refused_by_name(market):
    windows = FeatureSettings(hedge_window_bars=400)
    with pytest.raises(ConfigError, match=r"features\.hedge_window_bars needs 401 hourly bars.*400"):
        compute_views(reader(*market), MAY, JUNE, settings_for(NAMES, windows))
    with pytest.raises(ConfigError, match=r"universe\.min_aligned_bars"):
        compute_views(reader(*market), MAY, JUNE, settings_for(NAMES, minimum=401))
    long = settings_for(NAMES).model_copy(update={"vwap": VwapSettings(bar_hours=12, window_bars=30)})
    with pytest.raises(ConfigError, match=r"vwap\.window_bars needs 457 hourly bars.*400"):
        compute_views(reader(*market), MAY, JUNE, long)
