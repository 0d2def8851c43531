"""Curves of a run: few points, and start, end and deepest fall exact."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from tests.training import synthetic_run
from training.backtest.performance import measure_performance
from training.reports.run_curves import DRAWDOWN_CURVE, EQUITY_CURVE, MOST_POINTS, draw_curves


@pytest.fixture(scope="module")
def backtest():
    return synthetic_run.run("base", 400)


def stretched(backtest, count, equity=None):
    """The same account over `count` hours, its equity a walk (or as given)."""
    rng = np.random.default_rng(3)
    walk = 1000.0 + rng.normal(0, 2, count).cumsum() if equity is None else equity
    first = backtest.equity["time"][0]
    times = pl.datetime_range(first, first + pl.duration(hours=count - 1), "1h", eager=True, time_zone="UTC")
    return replace(backtest, equity=pl.DataFrame({"time": times, "equity": walk}))


@pytest.mark.parametrize("count", [1, 2, 3, MOST_POINTS - 3, MOST_POINTS - 2, MOST_POINTS + 1, 8760, 26_281])
def test_start_end_and_deepest_fall_are_exact_whatever_the_length(backtest, count):
    whole = stretched(backtest, count)
    equity, drawdown = draw_curves(whole)
    rows = dict(zip(whole.equity["time"].to_list(), whole.equity["equity"].to_list(), strict=True))
    assert len(equity.times) <= MOST_POINTS
    assert len(equity.times) == count or len(equity.times) > MOST_POINTS // 2 - 2
    assert list(equity.times) == sorted(set(equity.times)) == list(drawdown.times)
    assert all(rows[time] == value for time, value in zip(equity.times, equity.values, strict=True))
    assert (equity.times[0], equity.times[-1]) == (whole.equity["time"][0], whole.equity["time"][-1])
    peak, deepest = whole.initial_equity, 0.0
    for value in whole.equity["equity"]:
        peak = max(peak, value)
        deepest = min(deepest, value / peak - 1.0)
    assert min(drawdown.values) == pytest.approx(deepest, abs=1e-15)
    assert draw_curves(whole) == (equity, drawdown)


@pytest.mark.parametrize(
    "values", [[1000.0] * 600, list(np.linspace(1000, 1500, 600)), list(np.linspace(1000, 1, 600))]
)
def test_flat_rising_and_ruined_accounts_have_curves(backtest, values):
    equity, drawdown = draw_curves(stretched(backtest, 600, values))
    assert equity.values[-1] == values[-1]
    assert max(drawdown.values) <= 0.0


def test_the_curve_of_a_backtest_ends_where_its_measures_say(backtest):
    equity, drawdown = draw_curves(backtest)
    measures = measure_performance(backtest)
    assert (equity.name, drawdown.name) == (EQUITY_CURVE, DRAWDOWN_CURVE)
    assert equity.values[-1] == measures["final_equity_usdt"]
    assert -min(drawdown.values) == measures["max_drawdown"]
