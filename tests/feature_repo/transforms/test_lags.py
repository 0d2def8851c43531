"""Lagged returns, for bars of any size: by time, not by row."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from feature_repo.catalog import ASSET_LAGS
from feature_repo.transforms.assets import compute_asset_hourly
from feature_repo.transforms.lags import compute_asset_lags, compute_lagged_returns
from pairity.settings import FeatureSettings
from tests.feature_repo.transforms.markets import HOUR, START, UTC_US, bars_of, settlements


def bars(closes, every=HOUR):
    times = [START + k * every for k, close in enumerate(closes) if close is not None]
    return pl.DataFrame(
        {"asset": "A", "event_timestamp": times, "close": [c for c in closes if c is not None]},
        schema_overrides={"event_timestamp": UTC_US},
    ).lazy()


@pytest.mark.parametrize("every", [HOUR, timedelta(minutes=5), timedelta(days=1)])
@pytest.mark.parametrize("horizon", [1, 3])
def test_lags_are_shifts_of_the_logarithms(every, horizon):
    closes = list(np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.02, 60))))
    rows = compute_lagged_returns(bars(closes, every), every=every, horizon_bars=horizon, lags=5).collect()
    series = pl.Series(np.log(closes))
    expected = (series - series.shift(horizon)).to_list()
    for lag, name in enumerate(("log_return", *(f"log_return_lag_{k}" for k in range(1, 6)))):
        shifted = [None] * lag + expected[: 60 - lag]
        assert [v if v is None else pytest.approx(v, abs=1e-12) for v in shifted] == rows[name].to_list()


def test_a_hole_is_not_stepped_over():
    rows = compute_lagged_returns(bars([1.0, 2.0, None, 8.0, 16.0]), every=HOUR, horizon_bars=1, lags=2).collect()
    two = pytest.approx(np.log(2))
    assert rows["log_return"].to_list() == [None, two, None, two]
    assert rows["log_return_lag_1"].to_list() == [None, None, None, None]
    assert rows["log_return_lag_2"].to_list() == [None, None, two, None]


def test_the_view_has_the_columns_of_the_catalogue():
    hourly = compute_asset_hourly(
        bars_of({"A": [1.0, 2.0], "B": [3.0, None, 3.0]}).lazy(), settlements((), 1).lazy(), FeatureSettings()
    )
    rows = compute_asset_lags(hourly).collect()
    assert rows.columns == list(ASSET_LAGS.columns)
    assert rows["log_return"].to_list() == [None, pytest.approx(np.log(2)), None, None]
