"""Statistics of the lines of a comparison: those of the tear sheet, and how far the rolling beta went.

A run keeps them as metrics under the keys of `pairity.measures`, by which its page calls them too.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from training.backtest.comparison import Contender
from training.evaluation.rolling import explain_no_window, roll
from training.evaluation.tear_sheet import Floats, Statistic, compute_returns, measure_tear_sheet

HOLDING = "btc"
"""Key of the line that holds the coin."""


def measure_line(equity: pl.DataFrame, initial_equity: float, holding: Floats | None) -> dict[str, Statistic]:
    """Return `measure_tear_sheet`, whose arguments these are, and `beta_lowest` and `beta_highest`.

    These are the extremes of the beta over windows of 30 days (`rolling.roll`).
    """
    returns = compute_returns(equity, initial_equity)
    statistics = measure_tear_sheet(equity, initial_equity, holding)
    betas = roll(equity["time"], returns, holding)["beta"].drop_nulls()
    if betas.is_empty():
        lacking = Statistic(None, explain_no_window(len(returns)) or statistics["beta"].lacks or "no window has a beta")
        return statistics | {"beta_lowest": lacking, "beta_highest": lacking}
    low, high = betas.sort().gather([0, len(betas) - 1]).to_list()
    return statistics | {"beta_lowest": Statistic(low), "beta_highest": Statistic(high)}


def list_statistics(contenders: Sequence[Contender]) -> dict[str, dict[str, float | None]]:
    """Return the statistics of each contender by its key; None where one is not defined."""
    holds = next((one.result for one in contenders if one.key == HOLDING), None)
    holding = None if holds is None else compute_returns(holds.equity, holds.initial_equity)
    return {
        one.key: {
            name: found.value
            for name, found in measure_line(one.result.equity, one.result.initial_equity, holding).items()
        }
        for one in contenders
    }
