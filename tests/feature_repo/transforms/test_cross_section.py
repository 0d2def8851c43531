"""One asset among all: against pandas, and the panel's rule."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.catalog import ASSET_CROSS_SECTION
from feature_repo.transforms.assets import compute_asset_hourly
from feature_repo.transforms.bars import adopt_native_hours
from feature_repo.transforms.cross_section import compute_cross_section, select_panel_hours
from pairity.settings import FeatureSettings
from tests.examples import examples
from tests.feature_repo.transforms.markets import HOUR, START, bars_of, candles, settlements
from tests.oracles import microstructure_pandas

NAMES = ("A", "B", "C")
FEATURES = (
    "funding_pressure",
    "relative_volume",
    "turnover_ratio",
    "price_efficiency",
    "momentum_1h",
    "momentum_24h",
    "momentum_168h",
    "volatility_regime",
    "assets_observed",
)


def volatilities(bars, seed=0):
    values = np.random.default_rng(seed).uniform(0.001, 0.01, bars.height)
    return bars.select("asset", "event_timestamp", "created_timestamp", realized_vol_1h=pl.Series(values))


def market(seed, count, gaps):
    hours = adopt_native_hours(candles(NAMES, count, seed=seed, gaps=gaps).lazy())
    return compute_asset_hourly(hours, settlements(NAMES, count, seed=seed).lazy(), FeatureSettings()).collect()


@settings(deadline=None, max_examples=examples(12))
@given(seed=st.integers(0, 10**6), count=st.integers(1, 230), gaps=st.sampled_from([0.0, 0.02, 0.5, 0.95]))
def test_every_feature_is_that_of_pandas(seed, count, gaps):
    bars = market(seed, count, gaps)
    if bars.is_empty():
        return
    volatility = volatilities(bars, seed)
    ours = compute_cross_section(bars.lazy(), volatility.lazy()).collect()
    frame = volatility.to_pandas().set_index(["asset", "event_timestamp"])["realized_vol_1h"]
    theirs = microstructure_pandas.cross_section(bars.to_pandas(), frame)
    assert ours.columns == list(ASSET_CROSS_SECTION.columns)
    assert ours.select("asset", "event_timestamp").rows() == list(theirs.index)
    for name in FEATURES:
        mine = ours[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
        np.testing.assert_allclose(mine, theirs[name].to_numpy(dtype=float), rtol=1e-9, atol=1e-12, err_msg=name)


def hourly(paths):
    return compute_asset_hourly(bars_of(paths).lazy(), settlements((), 1).lazy(), FeatureSettings()).collect()


def test_an_hour_needs_half_of_the_assets_that_are_listed_then():
    paths = {"A": [1.0] * 40, "B": [1.0] * 5 + [None] * 35, "C": [1.0] * 5 + [None] * 35, "D": [None] * 38 + [1.0] * 2}
    hours = select_panel_hours(hourly(paths).lazy()).collect()
    counted = dict(zip(hours["event_timestamp"], hours["assets_observed"], strict=True))
    assert [counted.get(START + k * HOUR) for k in range(5)] == [3] * 5
    # B and C are gone, which nobody knows for 24 hours: one of three is too few.
    assert not any(START + k * HOUR in counted for k in range(5, 28))
    assert [counted.get(START + k * HOUR) for k in range(28, 40)] == [1] * 10 + [2] * 2


def test_a_coin_that_is_not_listed_yet_is_not_counted_and_one_that_left_stays_in_the_past():
    early = {"A": [1.0] * 30, "B": [None] * 10 + [2.0] * 20}
    rows = compute_cross_section(hourly(early).lazy(), volatilities(hourly(early)).lazy()).collect()
    assert rows.filter(pl.col("asset") == "A")["assets_observed"].to_list() == [1] * 10 + [2] * 20
    assert rows.filter(pl.col("asset") == "B").height == 20


def test_volumes_are_compared_in_quote_units():
    bars = hourly({"A": [100.0] * 3, "B": [1.0] * 3})  # the same number of coins traded of both
    rows = compute_cross_section(bars.lazy(), volatilities(bars).lazy()).collect()
    ratio = rows.group_by("asset").agg(pl.col("relative_volume").first()).sort("asset")["relative_volume"].to_list()
    assert ratio == [pytest.approx(200 / 101), pytest.approx(2 / 101)]


def test_a_row_is_known_when_all_assets_of_its_hour_are():
    bars = market(1, 50, 0.0).with_columns(
        pl.when(pl.col("asset") == "C")
        .then(pl.col("created_timestamp") + timedelta(seconds=7))
        .otherwise(pl.col("created_timestamp"))
        .alias("created_timestamp")
    )
    rows = compute_cross_section(bars.lazy(), volatilities(bars).lazy()).collect()
    late = rows["created_timestamp"] - rows["event_timestamp"]
    assert late.unique().to_list() == [timedelta(seconds=7, milliseconds=1)]


def test_what_comes_later_changes_nothing():
    bars, cut = market(5, 200, 0.05), START + 150 * HOUR
    volatility = volatilities(bars)
    whole = compute_cross_section(bars.lazy(), volatility.lazy()).filter(pl.col("event_timestamp") <= cut).collect()
    until = (frame.lazy().filter(pl.col("event_timestamp") <= cut) for frame in (bars, volatility))
    assert compute_cross_section(*until).collect().equals(whole, null_equal=True)
