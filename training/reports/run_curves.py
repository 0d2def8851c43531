"""Equity and drawdown of a backtest as curves of its run: few enough points that the tracking UI draws all of them."""

from __future__ import annotations

from training.backtest.performance import compute_drawdown
from training.backtest.records import BacktestResult
from training.run_records import Curve

EQUITY_CURVE, DRAWDOWN_CURVE = "model_equity_usdt", "model_drawdown"
"""Metrics of every run that traded: USDT, and equity / running maximum − 1 (0 or negative)."""
MOST_POINTS = 250
"""The tracking UI draws 320 points of a curve at most, and chooses them by itself where there are more."""


def draw_curves(result: BacktestResult) -> tuple[Curve, ...]:
    """Return equity and drawdown at the closes of the same bars, `MOST_POINTS` at most.

    These are every n-th bar counted back from the last one, the first bar, and the bar of the deepest drawdown: start,
    end and `max_drawdown` are exact. The same backtest gives the same points.
    """
    equity, drawdown = result.equity["equity"], compute_drawdown(result.equity["equity"], result.initial_equity)
    rows = _choose_rows(len(equity), int(drawdown.arg_min() or 0))
    times = result.equity["time"].gather(rows).to_list()
    return tuple(
        Curve(name, times, values.gather(rows).to_list())
        for name, values in ((EQUITY_CURVE, equity), (DRAWDOWN_CURVE, drawdown))
    )


def _choose_rows(count: int, deepest: int) -> list[int]:
    """Return row numbers, ascending; two of `MOST_POINTS` are for the first and the deepest row."""
    stride = -(-count // (MOST_POINTS - 2))
    return sorted({*range(count - 1, -1, -stride), 0, deepest}) if count else []
