"""Cost stress: what would be left of a result with other fees and slippage.

Source: docs/formulas.md, Measures.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

FACTORS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0)

STRESS_SCHEMA: dict[str, pl.DataType] = {
    "factor": pl.Float64(),
    "cost_bps_per_side": pl.Float64(),
    "net_return": pl.Float64(),
}


def compound_at_costs(equity: pl.DataFrame, initial_equity: float, factor: float, *, funding: bool) -> float:
    """Return what an account had made at `factor` times its fees and slippage, as a fraction of `initial_equity`.

    `equity`: hourly equity, and costs (fees and slippage) and funding paid so far, in USDT. Each hour earns the same
    fraction of equity before costs: what other costs leave goes on earning, or does not. Without `funding` that is not
    paid either. What comes after a ruin counts for nothing.
    """
    worth, costs, paid = (
        np.concatenate([[first], equity[name].to_numpy()])
        for name, first in (("equity", initial_equity), ("costs", 0.0), ("funding", 0.0))
    )
    back = (1.0 - factor) * np.diff(costs) + (0.0 if funding else 1.0) * np.diff(paid)
    alive = np.minimum.accumulate(worth[:-1]) > 0.0
    growth = 1.0 + (np.diff(worth) + back)[alive] / worth[:-1][alive]
    return float(np.prod(np.maximum(growth, 0.0))) - 1.0


def stress_costs(
    trades: pl.DataFrame, equity: pl.DataFrame, initial_equity: float, factors: Sequence[float] = FACTORS
) -> pl.DataFrame:
    """Return the net return (fraction) if fees and slippage had been `factor` times as high; columns of STRESS_SCHEMA.

    `trades`: fees, slippage, traded_notional in USDT; `equity`: see `compound_at_costs`. The trades stay as they are,
    in proportion to equity. This is an approximation: stops that follow from fill prices would differ a little. Funding
    is not a cost of trading and stays. `cost_bps_per_side` is the mean over the traded notional, null where nothing was
    traded.
    """
    fees, slippage, notional = (float(trades[name].sum()) for name in ("fees", "slippage", "traded_notional"))
    paid = fees + slippage
    rows = [
        (
            factor,
            factor * paid / notional * 1e4 if notional else None,
            compound_at_costs(equity, initial_equity, factor, funding=True),
        )
        for factor in factors
    ]
    return pl.DataFrame(rows, schema=STRESS_SCHEMA, orient="row")
