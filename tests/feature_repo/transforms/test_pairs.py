import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.catalog import PAIR_FOREST_FEATURES, PAIR_HOURLY
from feature_repo.transforms.assets import compute_asset_hourly
from feature_repo.transforms.bars import adopt_native_hours
from feature_repo.transforms.pairs import compute_pair_hourly, count_aligned_bars
from pairity.settings import FeatureSettings
from pairity.universe import Pair, pairs_of
from tests.examples import examples
from tests.feature_repo.transforms.markets import (
    DAY,
    HOUR,
    MINUTE,
    SHORT,
    START,
    assert_close,
    assert_same_bits,
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
from tests.oracles.indicators import rate_of_change, strength_index
from tests.oracles.reversion_lstsq import reversion

KEYS = ["pair_id", "event_timestamp"]
REVERSION = ("hedge_ratio", "half_life_h")
# Differences of numbers near 1 carry the rounding of 1.
NEAR_ONE = ("spread_roc", "spread_change_1h", "z_score", "correlation_168h", "spread_rsi")
PAIR = (Pair("A", "B"),)


def compute(bars, pairs=PAIR, funding=None, windows=SHORT, minimum=1, inflow=None):
    funding = funding if funding is not None else funding_of()
    inflow = inflow if inflow is not None else inflow_of()
    assets = compute_asset_hourly(bars.lazy(), funding.lazy(), windows, inflow.lazy()).collect()
    frame = compute_pair_hourly(assets.lazy(), pairs, windows, minimum).collect()
    assert frame.columns == list(PAIR_HOURLY.columns)
    return frame


def assert_equals_pandas(bars, pairs, funding, windows, minimum, atol=1e-9, inflow=None):
    assets = features_pandas.asset_features(
        bars.to_pandas(),
        funding.to_pandas(),
        windows.volatility_window_bars,
        windows.atr_period_bars,
        None if inflow is None else inflow.to_pandas(),
    )
    sizes = {
        "z": windows.z_window_bars,
        "rsi": windows.rsi_period_bars,
        "roc": windows.roc_bars,
        "volume": windows.volume_mean_bars,
        "correlation": windows.correlation_window_bars,
    }
    parts = [features_pandas.pair_features(assets, p.base, p.quote, sizes, minimum) for p in pairs]
    actual = compute(bars, pairs, funding, windows, minimum, inflow)
    parts = [part for part in parts if len(part)]
    if not parts:
        assert actual.is_empty()
        return
    expected = pd.concat(parts, ignore_index=True).sort_values(KEYS, ignore_index=True)
    exact = [name for name in actual.columns if name not in (*REVERSION, *NEAR_ONE, "realized_vol_base")]
    assert_close(actual.select(exact), expected, keys=KEYS, rtol=1e-8)
    assert_close(actual.select(*KEYS, *NEAR_ONE), expected, keys=KEYS, atol=atol)


@settings(deadline=None, max_examples=examples(12))
@given(
    seed=st.integers(0, 10**6),
    count=st.sampled_from([1, 2, 12, 70]),
    gaps=st.sampled_from([0.0, 0.05, 0.4]),
    level=st.sampled_from([100.0, 1e9, 1e-8]),
    minimum=st.sampled_from([1, 15]),
)
def test_equals_pandas_on_random_gaps_and_levels(seed, count, gaps, level, minimum):
    names = ("A", "B", "C")
    bars = adopt_native_hours(candles(names, count, seed=seed, gaps=gaps, level=level).lazy()).collect()
    if bars.height:
        funding = settlements(names[:2], count, seed=seed, missing=0.3)
        inflow = inflows(names, count, seed=seed, missing=0.3)
        assert_equals_pandas(bars, pairs_of(names), funding, SHORT, minimum, inflow=inflow)


@pytest.fixture(scope="module")
def recorded():
    assets = ("BTC", "ETH", "SOL", "XRP", "BNB", "DOGE", "ADA", "TON", "TRX")
    bars = build_hourly_bars(recorded_candles("1m_20250318_20250417", assets, MINUTE).lazy()).collect()
    first, last = bars["event_timestamp"].min(), bars["event_timestamp"].max()
    funding = recorded_funding(assets).filter(pl.col("funding_time").is_between(first - DAY, last))
    return bars, pairs_of(assets), funding


@pytest.mark.slow
@pytest.mark.recorded
def test_equals_pandas_on_recorded_days(recorded):
    bars, pairs, funding = recorded
    assert len(pairs) == 36
    assert_equals_pandas(bars, pairs[::3], funding, FeatureSettings(), 200)


@pytest.mark.recorded
def test_hedge_ratio_and_half_life_equal_least_squares_on_recorded_days(recorded):
    bars, pairs, funding = recorded
    rows = compute(bars, pairs, funding, FeatureSettings(), 200)
    closes = bars.pivot(on="asset", index="event_timestamp", values="close").sort("event_timestamp")
    checked = 0
    for (pair_id,), part in rows.group_by("pair_id", maintain_order=True):
        pair = Pair.from_id(pair_id)
        a, b = closes[pair.base].to_numpy(), closes[pair.quote].to_numpy()
        at = {time: row for row, time in enumerate(closes["event_timestamp"])}
        for row in part.select("event_timestamp", *REVERSION).gather_every(23).iter_rows():
            end = at[row[0]] + 1
            found = tuple(math.nan if value is None else value for value in row[1:])
            assert found == pytest.approx(reversion(a[:end], b[:end], 168), rel=1e-9, nan_ok=True), (pair_id, row[0])
            checked += 1
    assert checked > 700


def test_a_row_exists_only_where_both_assets_have_a_bar():
    rows = compute(bars_of({"A": [1.0, 2.0, None, 4.0, 5.0], "B": [None, 3.0, 3.0, 3.0, None]}))
    assert rows["event_timestamp"].to_list() == [START + HOUR, START + 3 * HOUR]
    assert rows["spread"].to_list() == [2.0 / 3.0, 4.0 / 3.0]


def test_nothing_reaches_across_a_hole():
    path = [100.0 + step % 7 for step in range(40)]
    holed = [50.0 + step % 5 if step != 20 else None for step in range(40)]
    rows = compute(bars_of({"A": path, "B": holed}))
    hours = {
        name: [int((t - START) / HOUR) for t in rows.filter(pl.col(name).is_null())["event_timestamp"]]
        for name in ("spread_change_1h", "spread_roc", "z_score", "spread_rsi", "vol_ratio_rel")
    }
    assert hours["spread_change_1h"] == [0, 21]
    assert hours["spread_roc"] == [0, 1, 2, 23]
    assert hours["z_score"] == [*range(5), *range(21, 26)]
    assert hours["spread_rsi"] == [*range(4), *range(21, 25)]
    assert hours["vol_ratio_rel"] == [*range(3), *range(21, 24)]
    assert 20 not in [int((t - START) / HOUR) for t in rows["event_timestamp"]]


@pytest.mark.parametrize("quote", [100.0, 0.7, 1e9, 1e-8])
def test_a_constant_spread_has_no_z_score_no_strength_no_half_life(quote):
    rng = np.random.default_rng(0)
    path = quote * np.exp(np.cumsum(rng.normal(0, 0.01, 60)))
    rows = compute(bars_of({"A": [3.1 * price for price in path], "B": list(path)}))
    for name in ("z_score", "spread_rsi", "half_life_h"):
        assert rows[name].null_count() == 60, name
    assert rows["hedge_ratio"][-1] == pytest.approx(1.0, rel=1e-9)
    assert rows["correlation_168h"][-1] == pytest.approx(1.0, rel=1e-9)


def test_flat_assets_give_nulls_not_garbage():
    rows = compute(bars_of({"A": [5.0 + 0.1 * (step % 3) for step in range(60)], "B": [7.0] * 60}))
    assert rows["vol_diff_ratio"].null_count() == 60
    assert rows["correlation_168h"].null_count() == 60
    assert rows["hedge_ratio"].null_count() == 60
    assert rows["realized_vol_quote"][-1] == 0.0


def test_trap_10_volumes_are_compared_in_quote_units_and_nothing_traded_is_null():
    bars = bars_of({"A": [100.0] * 8, "B": [0.01] * 8})
    assert compute(bars)["vol_ratio"].to_list() == [10_000.0] * 8  # 10 coins each: the ratio of coins would be 1
    b_silent = bars.with_columns(
        pl.when(pl.col("asset") == "A").then("volume_quote").otherwise(0.0).alias("volume_quote")
    )
    assert compute(b_silent)["vol_ratio"].null_count() == 8
    a_silent = bars.with_columns(
        pl.when(pl.col("asset") == "B").then("volume_quote").otherwise(0.0).alias("volume_quote")
    )
    assert compute(a_silent)["vol_ratio"].to_list() == [0.0] * 8
    assert compute(a_silent)["vol_ratio_rel"].null_count() == 8


def test_trap_11_funding_of_one_side_missing_is_null_never_zero():
    rows = compute(bars_of({"A": [100.0] * 4, "B": [99.0] * 4}), funding=funding_of([("A", START, 0.0005)]))
    assert rows["base_funding"].to_list() == [0.0005] * 4
    for name in ("quote_funding", "funding_diff", "funding_avg"):
        assert rows[name].null_count() == 4, name


def test_a_ratio_of_inflows_needs_both_and_a_quote_that_is_positive():
    bars = bars_of({"A": [100.0] * 4, "B": [99.0] * 4})
    day = START - DAY
    for coins, ratio in (((6.0, 2.0), 3.0), ((0.0, 2.0), 0.0), ((6.0, 0.0), None), ((6.0, -1.0), None)):
        rows = compute(bars, inflow=inflow_of([("A", day, coins[0]), ("B", day, coins[1])]))
        assert rows.select("base_inflow", "quote_inflow", "inflow_ratio").unique().rows() == [(*coins, ratio)]
    rows = compute(bars, inflow=inflow_of([("A", day, 6.0)]))
    assert rows.select("base_inflow", "quote_inflow", "inflow_ratio").unique().rows() == [(6.0, None, None)]


def test_inflow_is_no_input_of_the_forest():
    assert not [name for name in PAIR_FOREST_FEATURES.features if "inflow" in name]


@pytest.mark.parametrize("window", [3, 24, 399])
def test_the_largest_z_score_of_any_window_lies_within_the_catalogues_bound(window):
    rows = compute(
        bars_of({"A": [100.0] * 399 + [101.0], "B": [1.0] * 400}), windows=FeatureSettings(z_window_bars=window)
    )
    bound = next(feature.upper for feature in PAIR_HOURLY.features if feature.name == "z_score")
    assert rows["z_score"][-1] == pytest.approx((window - 1) / window**0.5)
    assert rows["z_score"].max() < bound


def test_trap_9_the_z_score_of_a_jump_stands_at_the_jump():
    path = [100.0 + 0.01 * (step % 2) for step in range(30)]
    path[17] = 110.0
    rows = compute(bars_of({"A": path, "B": [100.0] * 30}))
    assert rows["z_score"].arg_max() == 17


def test_a_pair_appears_with_its_two_hundredth_aligned_bar():
    rows = compute(adopt_native_hours(candles(("A", "B"), 230).lazy()).collect(), minimum=200)
    assert rows["event_timestamp"].to_list() == [START + step * HOUR for step in range(200, 231)]
    holed = adopt_native_hours(candles(("A", "B"), 230, gaps=0.02, seed=4).lazy()).collect()
    aligned = count_aligned_bars(compute_asset_hourly(holed.lazy(), funding_of().lazy(), SHORT), PAIR)[
        "aligned_bars"
    ].item()
    assert 200 < aligned < 230
    assert compute(holed, minimum=200).height == aligned - 199


def test_coverage_counts_common_hours_and_lists_pairs_without_any():
    bars = bars_of({"A": [1.0, 2.0, None], "B": [1.0, None, 1.0]})
    assets = compute_asset_hourly(bars.lazy(), funding_of().lazy(), SHORT)
    found = count_aligned_bars(assets, (Pair("A", "B"), Pair("A", "NONE")))
    assert found.rows() == [("A__B", 1), ("A__NONE", 0)]


def test_the_base_is_the_numerator_and_the_roles_follow_the_pair():
    bars = bars_of({"A": [10.0] * 3, "B": [2.0] * 3})
    rows = compute(bars, (Pair("B", "A"),))
    assert rows.select("pair_id", "base_asset", "quote_asset", "spread").row(0) == ("B__A", "B", "A", 0.2)


def test_created_is_the_later_of_both_and_never_goes_back():
    late = START + timedelta(hours=9)
    bars = bars_of({"A": [10.0 + step for step in range(5)], "B": [2.0] * 5}).with_columns(
        pl.when((pl.col("asset") == "B") & (pl.col("event_timestamp") == START + 2 * HOUR))
        .then(late)
        .otherwise(pl.col("known_at"))
        .alias("known_at")
    )
    created = compute(bars)["created_timestamp"].to_list()
    assert created[:2] == [START + timedelta(milliseconds=1), START + HOUR + timedelta(milliseconds=1)]
    assert created[2:] == [late] * 3


def test_selecting_or_filtering_the_lazy_result_changes_nothing():
    bars = adopt_native_hours(candles(("A", "B", "C"), 80, gaps=0.05).lazy()).collect()
    assets = compute_asset_hourly(bars.lazy(), funding_of().lazy(), SHORT).collect()
    lazy = compute_pair_hourly(assets.lazy(), pairs_of(("A", "B", "C")), SHORT, 1)
    whole = lazy.collect()
    since = START + 50 * HOUR
    assert_same_bits(
        lazy.filter(pl.col("event_timestamp") > since).collect(), whole.filter(pl.col("event_timestamp") > since)
    )
    assert_same_bits(lazy.select("pair_id", "z_score").collect(), whole.select("pair_id", "z_score"))
    assert_same_bits(lazy.tail(3).collect(), whole.tail(3))


def test_nothing_in_nothing_out():
    assert compute(bars_of({"A": [1.0]}).clear()).shape == (0, len(PAIR_HOURLY.columns))
    assert compute(bars_of({"A": [1.0]}), ()).shape == (0, len(PAIR_HOURLY.columns))


def test_every_value_lies_within_the_catalogues_bounds_and_types():
    names = ("A", "B")
    rows = compute(
        adopt_native_hours(candles(names, 900, gaps=0.01).lazy()).collect(),
        PAIR,
        settlements(names, 900),
        FeatureSettings(),
        inflow=inflows(names, 900),
    )
    for feature in PAIR_HOURLY.features:
        column = rows[feature.name]
        assert column.dtype == {"float64": pl.Float64, "string": pl.String}[feature.dtype]
        assert column.drop_nulls().len() > 0, feature.name
        if feature.dtype == "float64":
            assert column.drop_nulls().is_finite().all(), feature.name
            assert feature.lower is None or column.min() >= feature.lower, feature.name
            assert feature.upper is None or column.max() <= feature.upper, feature.name


@pytest.fixture(scope="module")
def recorded_hours():
    """A quarter of native hourly bars of four majors, as the features of all six pairs."""
    assets = ("BTC", "ETH", "SOL", "DOGE")
    span = pl.col("open_time").is_between(datetime(2025, 2, 1, tzinfo=UTC), datetime(2025, 4, 30, 23, tzinfo=UTC))
    bars = adopt_native_hours(recorded_candles("1h", assets, HOUR).filter(span).lazy()).collect()
    funding = recorded_funding(assets).filter(pl.col("funding_time") >= bars["event_timestamp"].min() - DAY)
    return bars, compute(bars, pairs_of(assets), funding, FeatureSettings(), 200)


@pytest.mark.recorded
def test_recorded_hours_are_complete_and_null_only_where_something_is_missing(recorded_hours):
    bars, rows = recorded_hours
    assert bars.height == 4 * 89 * 24
    assert rows.group_by("pair_id").len()["len"].to_list() == [89 * 24 - 199] * 6
    nulls = {name: count / rows.height for name, count in rows.null_count().row(0, named=True).items() if count}
    # Nobody recorded inflow; a half-life needs a residual that reverts, which nearly all of them do.
    assert {name for name in nulls if "inflow" in name} == {"base_inflow", "quote_inflow", "inflow_ratio"}
    assert set(nulls) <= {"base_inflow", "quote_inflow", "inflow_ratio", "half_life_h"}
    assert nulls["base_inflow"] == nulls["quote_inflow"] == nulls["inflow_ratio"] == 1.0
    assert nulls.get("half_life_h", 0.0) < 0.02


@pytest.mark.recorded
def test_strength_and_change_of_recorded_hours_are_those_by_the_book(recorded_hours):
    bars, rows = recorded_hours
    closes = bars.pivot(on="asset", index="event_timestamp", values="close").sort("event_timestamp").to_pandas()
    for (pair_id,), part in rows.group_by("pair_id"):
        pair = Pair.from_id(pair_id)
        spread = closes[pair.base] / closes[pair.quote]
        # The oracle starts from the first change, not from the mean of fourteen: after 400 bars nothing is left of it.
        strength = strength_index(spread.tolist(), 14)
        np.testing.assert_allclose(part["spread_rsi"].to_numpy()[201:], strength[400:], rtol=0, atol=1e-9)
        change = rate_of_change(spread.tolist(), 5)
        np.testing.assert_allclose(part["spread_roc"].to_numpy(), change[199:], rtol=0, atol=1e-9)


@pytest.mark.recorded
def test_hedge_ratios_of_recorded_hours_are_those_of_statsmodels(recorded_hours):
    from statsmodels.regression.rolling import RollingOLS
    from statsmodels.tools import add_constant

    bars, rows = recorded_hours
    logs = np.log(
        bars.pivot(on="asset", index="event_timestamp", values="close")
        .sort("event_timestamp")
        .drop("event_timestamp")
        .to_pandas()
    )
    for (pair_id,), part in rows.group_by("pair_id"):
        pair = Pair.from_id(pair_id)
        fitted = RollingOLS(logs[pair.base], add_constant(logs[pair.quote]), window=168).fit()
        theirs = fitted.params[pair.quote].to_numpy()[199:]
        np.testing.assert_allclose(part["hedge_ratio"].to_numpy(), theirs, rtol=1e-6, atol=1e-6)
