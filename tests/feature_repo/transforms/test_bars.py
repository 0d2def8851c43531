from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.transforms.bars import COLUMNS, adopt_native_hours, prefer_bars
from tests.examples import examples
from tests.feature_repo.transforms.markets import (
    HOUR,
    MINUTE,
    START,
    assert_same_bits,
    build_hourly_bars,
    candles,
    recorded_candles,
)
from tests.oracles import hourly_bars_sql

RECORDED = ("BTC", "ETH", "SOL", "XRP", "BNB", "DOGE", "ADA", "TON", "TRX")


def assert_equals_sql(minutes):
    ours = build_hourly_bars(minutes.lazy()).collect()
    theirs = hourly_bars_sql.hourly_bars(minutes)
    assert ours["asset"].to_list() == theirs["asset"].to_list()
    assert ours["event_timestamp"].dt.epoch("us").to_list() == theirs["close_us"].to_list()
    assert ours["known_at"].dt.epoch("us").to_list() == theirs["known_us"].to_list()
    for exact in ("open", "high", "low", "close", "minutes_observed"):
        assert ours[exact].to_list() == theirs[exact].to_list(), exact
    for summed in ("volume_base", "volume_quote"):  # SQL sums in any order
        assert ours[summed].to_list() == pytest.approx(theirs[summed].to_list(), rel=1e-12, abs=0), summed


@settings(deadline=None, max_examples=examples(25))
@given(
    seed=st.integers(0, 10**6),
    gaps=st.sampled_from([0.0, 0.3, 0.97]),
    offset=st.integers(0, 59),
    count=st.sampled_from([1, 2, 59, 200]),
)
def test_bars_equal_sql(seed, gaps, offset, count):
    minutes = candles(("B", "A"), count, bar=MINUTE, start=START + offset * MINUTE, seed=seed, gaps=gaps)
    if minutes.height:
        assert_equals_sql(minutes)


@pytest.mark.recorded
def test_bars_equal_sql_on_thirty_recorded_days():
    minutes = recorded_candles("1m_20250318_20250417", RECORDED, MINUTE)
    assert minutes.height > 9 * 43_000
    assert_equals_sql(minutes)


@pytest.mark.parametrize("level", [1e9, 1e-8])
def test_extreme_price_levels(level):
    assert_equals_sql(candles(("A",), 150, bar=MINUTE, level=level))


def test_trap_14_a_bar_is_stamped_with_its_close_not_its_open():
    minutes = candles(("A",), 60, bar=MINUTE)
    (row,) = build_hourly_bars(minutes.lazy()).collect().iter_rows(named=True)
    assert row["event_timestamp"] == minutes["open_time"].max() + MINUTE == START + HOUR
    assert row["known_at"] > row["event_timestamp"]
    native = adopt_native_hours(candles(("A",), 1).lazy()).collect()
    assert native["event_timestamp"].item() == START + HOUR


def test_an_hour_without_minutes_has_no_row_and_its_neighbours_say_what_they_saw():
    minutes = candles(("A",), 180, bar=MINUTE).filter(
        ~pl.col("open_time").is_between(START + 50 * MINUTE, START + 130 * MINUTE, closed="left")
    )
    bars = build_hourly_bars(minutes.lazy()).collect()
    assert bars["event_timestamp"].to_list() == [START + HOUR, START + 3 * HOUR]
    assert bars["minutes_observed"].to_list() == [50, 50]


def test_trap_10_quote_volume_is_the_venues_or_typical_price_times_volume_minute_by_minute():
    minutes = candles(("A",), 2, bar=MINUTE).with_columns(
        high=pl.Series([12.0, 24.0]),
        low=pl.Series([6.0, 12.0]),
        close=pl.Series([9.0, 18.0]),
        volume=pl.Series([2.0, 5.0]),
        volume_quote=pl.Series([None, 77.0]),
    )
    (row,) = build_hourly_bars(minutes.lazy()).collect().iter_rows(named=True)
    assert (row["volume_base"], row["volume_quote"]) == (7.0, 9.0 * 2.0 + 77.0)


def test_rows_in_any_order_and_other_assets_change_no_bit():
    minutes = candles(("A", "B", "C"), 600, bar=MINUTE, gaps=0.2)
    bars = build_hourly_bars(minutes.lazy()).collect()
    assert_same_bits(build_hourly_bars(minutes.sample(fraction=1, shuffle=True, seed=3).lazy()).collect(), bars)
    alone = build_hourly_bars(minutes.filter(pl.col("asset") == "B").lazy()).collect()
    assert_same_bits(alone, bars.filter(pl.col("asset") == "B"))


def test_minutes_win_over_the_venues_hour_and_the_venues_hour_fills_in():
    minutes = candles(("A",), 90, bar=MINUTE, seed=1)
    hours = candles(("A", "B"), 3, seed=2)
    merged = prefer_bars(build_hourly_bars(minutes.lazy()), adopt_native_hours(hours.lazy())).collect()
    assert merged.columns == list(COLUMNS)
    seen = merged.select("asset", "event_timestamp", "minutes_observed").rows()
    assert seen == [
        ("A", START + HOUR, 60),
        ("A", START + 2 * HOUR, 30),
        ("A", START + 3 * HOUR, 60),
        *(("B", START + step * HOUR, 60) for step in (1, 2, 3)),
    ]
    assert merged["close"][1] == minutes["close"][-1]
    assert merged["close"][2] == hours["close"][2]


def test_known_when_the_last_minute_was_known():
    minutes = candles(("A",), 60, bar=MINUTE).with_columns(
        pl.when(pl.int_range(pl.len()) == 7)
        .then(pl.col("known_at") + timedelta(days=2))
        .otherwise(pl.col("known_at"))
        .alias("known_at")
    )
    assert build_hourly_bars(minutes.lazy()).collect()["known_at"].item() == minutes["known_at"][7]


def test_nothing_in_nothing_out():
    empty = candles(("A",), 1, bar=MINUTE).clear()
    assert build_hourly_bars(empty.lazy()).collect().shape == (0, len(COLUMNS))
    assert adopt_native_hours(empty.lazy()).collect().shape == (0, len(COLUMNS))
