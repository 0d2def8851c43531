"""Each statistic of the tear sheet against a second implementation, and what it lacks where there is none."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pairity.errors import DataError
from pairity.measures import MEASURES
from tests.training.evaluation.curves import START, curve, noise, times
from training.evaluation.tear_sheet import compute_daily_returns, compute_returns, measure_tear_sheet

HOURS = 24 * 90
YEAR = 8760
KEYS = {
    *("volatility", "sortino", "calmar", "value_at_risk", "expected_shortfall"),
    *("best_day", "worst_day", "skew", "kurtosis", "beta"),
}


@pytest.fixture(scope="module")
def returns():
    return noise(HOURS)


def daily_by_pandas(equity, start):
    """Daily returns from closing prices of days, as pandas resamples them."""
    frame = pd.Series(equity["equity"].to_numpy(), index=pd.DatetimeIndex(equity["time"].to_list()))
    closes = frame.resample("1D", closed="right", label="left").last()
    before = closes.shift(1)
    before.iloc[0] = start
    return closes / before - 1.0


def test_days_are_those_of_resampled_closes(returns):
    equity = curve(returns)
    own = compute_daily_returns(equity, 1000.0)
    other = daily_by_pandas(equity, 1000.0)
    assert own["return"].to_numpy() == pytest.approx(other.to_numpy(), rel=1e-9)
    assert own["day"].to_list() == [stamp.date() for stamp in other.index]


def test_a_day_that_is_not_whole_does_not_count(returns):
    equity = curve(returns[:60], first=START.replace(hour=5))
    assert compute_daily_returns(equity, 1000.0).height == 1  # 19 hours, a day, 17 hours


def test_statistics_against_pandas_and_scipy(returns):
    holding = noise(HOURS, seed=8) + 0.3 * returns
    found = {name: item.value for name, item in measure_tear_sheet(curve(returns), 1000.0, holding).items()}
    days = daily_by_pandas(curve(returns), 1000.0)
    series = pd.Series(returns)
    assert set(found) == KEYS
    assert found["volatility"] == pytest.approx(series.std() * math.sqrt(YEAR))
    assert found["sortino"] == pytest.approx(series.mean() / math.sqrt((series.clip(upper=0) ** 2).mean()) * YEAR**0.5)
    worth = pd.Series([1000.0, *curve(returns)["equity"]])
    fall = (1 - worth / worth.cummax()).max()
    assert found["calmar"] == pytest.approx(((worth.iloc[-1] / 1000.0) ** (YEAR / HOURS) - 1) / fall)
    assert found["value_at_risk"] == pytest.approx(-days.quantile(0.05))
    assert found["expected_shortfall"] == pytest.approx(-days[days <= days.quantile(0.05)].mean())
    assert (found["best_day"], found["worst_day"]) == pytest.approx((days.max(), days.min()))
    assert found["skew"] == pytest.approx(stats.skew(days))
    assert found["kurtosis"] == pytest.approx(stats.kurtosis(days, fisher=False))
    assert found["beta"] == pytest.approx(stats.linregress(holding, returns).slope)
    assert found["expected_shortfall"] >= found["value_at_risk"]


def test_by_hand():
    # 40 days: each earns 1% in its first hour, but four that lose 2%
    lost = {3, 11, 12, 30}
    hourly = np.zeros(40 * 24)
    hourly[::24] = [-0.02 if day in lost else 0.01 for day in range(40)]
    found = {name: item.value for name, item in measure_tear_sheet(curve(hourly), 1000.0).items()}
    # Quantile 0.05 of 40 values lies at place 1.95: both neighbours are −2%
    assert found["value_at_risk"] == pytest.approx(0.02)
    assert found["expected_shortfall"] == pytest.approx(0.02)
    assert (found["best_day"], found["worst_day"]) == pytest.approx((0.01, -0.02))
    # Days 11 and 12 are the deepest fall: 1 − 0.98²
    assert found["calmar"] == pytest.approx(((1.01**36 * 0.98**4) ** (365 / 40) - 1) / (1 - 0.98**2))
    assert found["sortino"] == pytest.approx((0.36 - 0.08) / 960 / math.sqrt(4 * 0.02**2 / 960) * math.sqrt(YEAR))


def lacking(returns, holding=None):
    return {name: item.lacks for name, item in measure_tear_sheet(curve(returns), 1000.0, holding).items()}


def test_nothing_at_all_lacks_everything():
    said = lacking([])
    assert all(said[name] for name in KEYS)
    assert said["volatility"] == "30 days are needed, 0 are there"
    assert said["value_at_risk"] == "20 whole days are needed, 0 are there"


def test_a_short_span_is_not_scaled_to_a_year():
    said = lacking(noise(24 * 29))
    for name in ("volatility", "sortino", "calmar"):
        assert said[name] == "30 days are needed, 29 are there"
    assert said["value_at_risk"] == ""
    assert lacking(noise(24 * 19))["expected_shortfall"] == "20 whole days are needed, 19 are there"


def test_what_never_moves_has_no_ratio():
    found = measure_tear_sheet(curve(np.zeros(HOURS)), 1000.0, np.zeros(HOURS))
    assert found["volatility"].value == 0.0
    assert (found["value_at_risk"].value, found["expected_shortfall"].value) == (0.0, 0.0)
    assert found["sortino"].lacks == "no hour lost anything"
    assert found["calmar"].lacks == "there was no drawdown"
    assert found["skew"].lacks == found["kurtosis"].lacks == "all days are the same"
    assert found["beta"].lacks == "holding the coin does not move"


def test_constant_gains_have_neither_downside_nor_drawdown():
    said = lacking(np.full(HOURS, 0.001))
    assert (said["sortino"], said["calmar"]) == ("no hour lost anything", "there was no drawdown")
    assert said["skew"] == "all days are the same"


def test_losing_every_hour_is_measured():
    found = measure_tear_sheet(curve(np.full(HOURS, -0.001)), 1000.0, noise(HOURS))
    assert found["sortino"].value == pytest.approx(-math.sqrt(YEAR))
    assert found["calmar"].value == pytest.approx((0.999**YEAR - 1) / (1 - 0.999**HOURS))
    assert found["value_at_risk"].value == pytest.approx(1 - 0.999**24)
    assert found["beta"].value == pytest.approx(0.0, abs=1e-9)


def test_after_a_ruin_nothing_is_earned():
    hourly = np.r_[noise(24 * 40), -1.0, np.zeros(24 * 20 - 1)]
    found = measure_tear_sheet(curve(hourly), 1000.0)
    assert found["calmar"].value == pytest.approx(-1.0)
    assert found["worst_day"].value == -1.0
    assert compute_returns(curve(hourly), 1000.0)[-1] == 0.0


def test_beta_says_what_it_lacks():
    assert lacking(noise(HOURS))["beta"] == "the run has no line that holds the coin"
    assert lacking(noise(HOURS), noise(10))["beta"] == "2160 hours, and 10 of holding the coin"
    assert lacking(noise(50), noise(50))["beta"] == "72 hours are needed, 50 are there"


def test_equity_that_is_no_number_is_refused(returns):
    import polars as pl

    broken = curve(returns).with_columns(equity=pl.when(pl.col("time") == times(5)[-1]).then(None).otherwise("equity"))
    with pytest.raises(DataError, match="no numbers"):
        compute_returns(broken, 1000.0)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([-1.0, -0.5, -1e-9, 0.0, 1e-9, 0.01, 0.5]), max_size=80), st.integers(0, 900))
def test_no_value_is_ever_nan_and_what_is_missing_is_named(shape, repeats):
    hourly = np.resize(shape, len(shape) + repeats) if shape else []
    for name, item in measure_tear_sheet(curve(hourly), 1000.0, np.asarray(hourly)).items():
        assert (item.value is None) == bool(item.lacks), name
        assert item.value is None or math.isfinite(item.value), name


def test_every_statistic_has_a_name_of_its_own():
    assert set(MEASURES) >= KEYS
    titles = [measure.title.strip() for measure in MEASURES.values()]
    assert len(titles) == len(set(titles))
