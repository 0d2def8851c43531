"""Costs of a backtest as shares of what it earned before them, and capital that it turned over, by month.

Source: docs/formulas.md, Tear sheet.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

PARTS = ("gross_pnl", "slippage", "fees", "funding", "net_pnl")
"""Profit before costs, what reduces it, and what is left: gross_pnl − slippage − fees − funding = net_pnl."""


@dataclass(frozen=True, slots=True)
class CostShares:
    """Sums of a trade log in USDT, and their shares of the gross profit.

    `shares` is empty where there is nothing to take a share of, and `lacks` says why.
    """

    usdt: dict[str, float]
    shares: dict[str, float]
    lacks: str = ""


def share_costs(trades: pl.DataFrame) -> CostShares:
    """Return the costs of a trade log (gross_pnl, slippage, fees, funding, net_pnl in USDT, costs > 0 were paid).

    Profits count when a trade is closed. Of a gross profit that is not positive nothing is a share.
    """
    usdt = {name: float(trades[name].sum()) for name in PARTS}
    if trades.is_empty():
        return CostShares(usdt, {}, "no trade was closed")
    gross = usdt["gross_pnl"]
    if gross <= 0.0:
        return CostShares(usdt, {}, "there is no gross profit: it was lost before costs")
    return CostShares(usdt, {name: value / gross for name, value in usdt.items()})


def tabulate_turnover(trades: pl.DataFrame, equity: pl.DataFrame) -> pl.DataFrame:
    """Return month (its first day) and turnover: notional that was traded over the mean equity of the month.

    `trades`: closed_at, traded_notional (USDT; entry and exit count in the month of the exit); `equity`: time, equity.
    Every month of the equity curve has a row, one without trades 0; null where the mean equity is not positive.
    """
    months = equity.group_by(month=pl.col("time").dt.date().dt.month_start(), maintain_order=True).agg(
        pl.col("equity").mean()
    )
    traded = trades.group_by(month=pl.col("closed_at").dt.date().dt.month_start()).agg(pl.col("traded_notional").sum())
    turnover = pl.col("traded_notional").fill_null(0.0) / pl.when(pl.col("equity") > 0).then(pl.col("equity"))
    return months.join(traded, on="month", how="left").select("month", turnover.alias("turnover")).sort("month")
