"""Cost stress: what would be left of a result with other fees and slippage.

Source: docs/formulas.md, Measures.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

FACTORS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0)

STRESS_SCHEMA: dict[str, pl.DataType] = {
    "factor": pl.Float64(),
    "cost_bps_per_side": pl.Float64(),
    "net_return": pl.Float64(),
}


def stress_costs(trades: pl.DataFrame, initial_equity: float, factors: Sequence[float] = FACTORS) -> pl.DataFrame:
    """Return the net return (fraction) if fees and slippage had been `factor` times as high; columns of STRESS_SCHEMA.

    `trades`: gross_pnl (at prices before slippage), fees, slippage, funding, traded_notional, all in USDT. The trades
    stay as they are. This is an approximation: with other costs, balances and hence sizes would differ a little, and so
    would stops that follow from fill prices. Funding is not a cost of trading and stays. `cost_bps_per_side` is the
    mean over the traded notional, null where nothing was traded.
    """
    gross, fees, slippage, funding, notional = (
        float(trades[name].sum()) for name in ("gross_pnl", "fees", "slippage", "funding", "traded_notional")
    )
    paid = fees + slippage
    rows = [
        (
            factor,
            factor * paid / notional * 1e4 if notional else None,
            (gross - factor * paid - funding) / initial_equity,
        )
        for factor in factors
    ]
    return pl.DataFrame(rows, schema=STRESS_SCHEMA, orient="row")
