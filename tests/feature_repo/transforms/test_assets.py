import math
from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.catalog import ASSET_HOURLY
from feature_repo.transforms.assets import compute_asset_hourly
from feature_repo.transforms.bars import adopt_native_hours
from pairity.settings import FeatureSettings
from tests.examples import examples
from tests.feature_repo.transforms.markets import (
    DAY,
    HOUR,
    LAG,
    MINUTE,
    SHORT,
    START,
    assert_close,
    bars_of,
    build_hourly_bars,
    candles,
    funding_of,
    inflow_of,
    inflows,
    recorded_candles,
    recorded_funding,
    settlements,
)
from tests.oracles import features_pandas

KEYS = ["asset", "event_timestamp"]


def compute(bars, funding=None, windows=SHORT, inflow=None):
    funding = funding if funding is not None else funding_of()
    frame = compute_asset_hourly(
        bars.lazy(), funding.lazy(), windows, None if inflow is None else inflow.lazy()
    ).collect()
    assert frame.columns == list(ASSET_HOURLY.columns)
    return frame


def assert_equals_pandas(bars, funding, windows, inflow=None):
    expected = features_pandas.asset_features(
        bars.to_pandas(),
        funding.to_pandas(),
        windows.volatility_window_bars,
        windows.atr_period_bars,
        None if inflow is None else inflow.to_pandas(),
    )
    actual = compute(bars, funding, windows, inflow)
    assert_close(actual.drop("return_1h", "realized_vol_24h"), expected, keys=KEYS)
    # Returns are differences from 1: their rounding is that of 1.
    assert_close(actual.select(*KEYS, "return_1h", "realized_vol_24h"), expected, keys=KEYS, atol=1e-15)


@settings(deadline=None, max_examples=examples(15))
@given(
    seed=st.integers(0, 10**6),
    count=st.sampled_from([1, 2, 5, 40, 130]),
    gaps=st.sampled_from([0.0, 0.1, 0.6]),
    level=st.sampled_from([100.0, 1e9, 1e-8]),
    missing=st.sampled_from([0.0, 0.7]),
)
def test_equals_pandas_on_random_gaps_and_levels(seed, count, gaps, level, missing):
    bars = adopt_native_hours(candles(("B", "A"), count, seed=seed, gaps=gaps, level=level).lazy()).collect()
    if bars.height:
        inflow = inflows(("A",), count, seed=seed, missing=missing)
        assert_equals_pandas(bars, settlements(("A", "B"), count, seed=seed, missing=missing), SHORT, inflow)


@pytest.mark.slow
@pytest.mark.recorded
def test_equals_pandas_on_thirty_recorded_days():
    assets = ("BTC", "ETH", "SOL", "XRP", "BNB", "DOGE", "ADA", "TON", "TRX")
    bars = build_hourly_bars(recorded_candles("1m_20250318_20250417", assets, MINUTE).lazy()).collect()
    first, last = bars["event_timestamp"].min(), bars["event_timestamp"].max()
    funding = recorded_funding(assets).filter(pl.col("funding_time").is_between(first - DAY, last))
    assert_equals_pandas(bars, funding, FeatureSettings())


def test_a_return_across_a_hole_is_null_not_a_two_hour_return():
    rows = compute(bars_of({"A": [100.0, 101.0, None, 103.0, 104.0]}))
    assert rows["event_timestamp"].to_list() == [START + step * HOUR for step in (0, 1, 3, 4)]
    assert rows["return_1h"].to_list() == [None, 101.0 / 100.0 - 1, None, 104.0 / 103.0 - 1]


def test_windows_are_null_until_full_and_again_after_a_hole():
    path = [100.0 + step % 3 for step in range(12)]
    path[6] = None
    rows = compute(bars_of({"A": path + [101.0 + step % 2 for step in range(8)]}))
    seen = dict(zip(rows["event_timestamp"], rows["realized_vol_24h"].is_not_null(), strict=True))
    # Five returns need six closes in a row: hours 5, then from 12 on (7…12).
    assert [step for step in range(20) if seen.get(START + step * HOUR)] == [5, *range(12, 20)]
    atr = dict(zip(rows["event_timestamp"], rows["atr_14"].is_not_null(), strict=True))
    assert [step for step in range(20) if atr.get(START + step * HOUR)] == [4, 5, *range(11, 20)]


def test_a_flat_asset_has_volatility_zero_and_its_range():
    rows = compute(bars_of({"A": [100.0] * 10}))
    assert rows["realized_vol_24h"].to_list() == [None] * 5 + [0.0] * 5
    assert rows["atr_14"][-1] == pytest.approx(2.0)
    assert rows["atr_pct"][-1] == pytest.approx(0.02)


def test_the_true_range_reaches_from_the_previous_close():
    bars = bars_of({"A": [100.0, 150.0]}).with_columns(high=pl.Series([101.0, 151.0]), low=pl.Series([99.0, 149.0]))
    windows = FeatureSettings(atr_period_bars=2)
    assert compute(bars, windows=windows)["atr_14"].to_list() == [None, None]
    three = bars_of({"A": [100.0, 150.0, 150.0]}).with_columns(
        high=pl.Series([101.0, 151.0, 151.0]), low=pl.Series([99.0, 149.0, 149.0])
    )
    assert compute(three, windows=windows)["atr_14"][-1] == (51.0 + 2.0) / 2


def test_trap_11_missing_funding_is_null_never_zero():
    bars = bars_of({"A": [100.0] * 60, "B": [100.0] * 60})
    funding = funding_of([("A", START + 8 * HOUR, 0.0003), ("A", START + 16 * HOUR, 0.0)])
    rates = {a: rows["funding_rate"].to_list() for (a,), rows in compute(bars, funding).group_by("asset")}
    assert rates["B"] == [None] * 60
    assert rates["A"][:8] == [None] * 8  # before the first settlement
    assert rates["A"][8:16] == [0.0003] * 8
    assert rates["A"][16:41] == [0.0] * 25  # a rate of zero is a rate, until it is older than 24 h
    assert rates["A"][41:] == [None] * 19


def test_trap_7_history_keeps_the_rate_that_was_settled_then():
    bars = bars_of({"A": [100.0] * 24})
    early = funding_of([("A", START, 0.0001)])
    both = funding_of([("A", START, 0.0001), ("A", START + 12 * HOUR, 0.0009)])
    assert compute(bars, both)["funding_rate"][:12].to_list() == compute(bars, early)["funding_rate"][:12].to_list()


def test_a_settlement_at_the_close_is_known_with_the_close():
    bars = bars_of({"A": [100.0] * 2})
    rows = compute(bars, funding_of([("A", START + HOUR, 0.0002)]))
    assert rows["funding_rate"].to_list() == [None, 0.0002]
    assert (rows["created_timestamp"] - rows["event_timestamp"]).to_list() == [LAG, LAG]


def test_created_is_when_everything_since_the_chunks_start_was_known():
    late = START + 1 * HOUR + timedelta(minutes=90)
    bars = bars_of({"A": [100.0] * 5}).with_columns(
        pl.when(pl.col("event_timestamp") == START + HOUR).then(late).otherwise(pl.col("known_at")).alias("known_at")
    )
    close = [START + step * HOUR for step in range(5)]
    assert compute(bars)["created_timestamp"].to_list() == [close[0] + LAG, late, late, close[3] + LAG, close[4] + LAG]


def test_a_row_is_not_known_before_its_settlement_was():
    arrived = START + 3 * HOUR
    funding = funding_of([("A", START + HOUR, 0.0002)]).with_columns(
        pl.lit(arrived, pl.Datetime("us", "UTC")).alias("known_at")
    )
    created = compute(bars_of({"A": [100.0] * 5}), funding)["created_timestamp"].to_list()
    assert created == [START + LAG, arrived, arrived, arrived + LAG, START + 4 * HOUR + LAG]


def test_inflow_is_that_of_the_last_complete_day_and_lasts_two_more():
    bars = bars_of({"A": [100.0] * 130, "B": [100.0] * 130})
    inflow = inflow_of([("A", START - DAY, 5.0), ("A", START, 0.0)])
    found = {a: rows["inflow"].to_list() for (a,), rows in compute(bars, inflow=inflow).group_by("asset")}
    assert found["B"] == [None] * 130  # no source is null, never 0
    # Hours 0–23 know the day before; hour 24 is the first that knows the day that began with hour 0.
    assert found["A"] == [5.0] * 24 + [0.0] * 49 + [None] * 57
    assert compute(bars)["inflow"].null_count() == 260


def test_a_row_is_not_known_before_its_inflow_was():
    arrived = START + 3 * HOUR
    late = inflow_of([("A", START - DAY, 5.0)]).with_columns(
        pl.lit(arrived, pl.Datetime("us", "UTC")).alias("known_at")
    )
    created = compute(bars_of({"A": [100.0] * 5}), inflow=late)["created_timestamp"].to_list()
    assert created == [arrived] * 3 + [arrived + LAG, START + 4 * HOUR + LAG]


def test_created_never_lies_before_the_close():
    bars = bars_of({"A": [1.0, 2.0]}).with_columns(pl.lit(START, pl.Datetime("us", "UTC")).alias("known_at"))
    assert compute(bars)["created_timestamp"].to_list() == [START + LAG, START + HOUR + LAG]


def test_nothing_in_nothing_out():
    assert compute(bars_of({"A": [1.0]}).clear()).shape == (0, len(ASSET_HOURLY.columns))


def test_types_are_those_of_the_catalogue():
    schema = compute(bars_of({"A": [1.0]})).schema
    for feature in ASSET_HOURLY.features:
        assert schema[feature.name] == {"float64": pl.Float64, "int64": pl.Int64}[feature.dtype], feature.name


def test_every_value_lies_within_the_catalogues_bounds():
    bars = adopt_native_hours(candles(("A",), 500, gaps=0.1).lazy()).collect()
    rows = compute(bars, settlements(("A",), 500), inflow=inflows(("A",), 500))
    for feature in ASSET_HOURLY.features:
        values = rows[feature.name].drop_nulls()
        assert values.len() > 0
        assert feature.lower is None or values.min() >= feature.lower, feature.name
        assert feature.upper is None or values.max() <= feature.upper, feature.name
        assert all(math.isfinite(value) for value in values), feature.name
