"""Breakdown of a backtest: returns by month, profits by exit, side or pair, and the deepest drawdowns."""

from __future__ import annotations

import polars as pl

HELD_H = (pl.col("closed_at") - pl.col("opened_at")).dt.total_seconds() / 3600
"""Hours for which a trade of a log was held."""


def compute_monthly_returns(equity: pl.DataFrame, initial_equity: float) -> pl.DataFrame:
    """Return year, month and return (fraction) of each calendar month (UTC) of an hourly equity curve (time, equity).

    The first month begins at `initial_equity`; the months' (1 + return) multiply to the whole return. A month that
    begins with nothing, after a ruin, earns 0.
    """
    ends = (
        equity.sort("time")
        .group_by(year=pl.col("time").dt.year(), month=pl.col("time").dt.month(), maintain_order=True)
        .agg(end=pl.col("equity").last())
    )
    before = pl.col("end").shift(1).fill_null(initial_equity)
    earned = pl.when(before == 0.0).then(0.0).otherwise(pl.col("end") / before - 1.0)
    return ends.select("year", "month", earned.alias("return"))


def summarise_by(trades: pl.DataFrame, column: str) -> pl.DataFrame:
    """Summarise a trade log by `column` (side, asset, …), or its positions (by exit_reason, pair_id, …).

    Best net profit first. Columns: `column`, trades, win_rate (share with net profit), gross_pnl, fees, funding,
    net_pnl (USDT), average_holding_h.
    """
    return (
        trades.group_by(column)
        .agg(
            trades=pl.len().cast(pl.Int64),
            win_rate=(pl.col("net_pnl") > 0).mean(),
            gross_pnl=pl.col("gross_pnl").sum(),
            fees=pl.col("fees").sum(),
            funding=pl.col("funding").sum(),
            net_pnl=pl.col("net_pnl").sum(),
            average_holding_h=HELD_H.mean(),
        )
        .sort(["net_pnl", column], descending=[True, False])
    )


def list_worst_drawdowns(equity: pl.DataFrame, initial_equity: float, count: int = 5) -> pl.DataFrame:
    """Return the deepest falls of an equity curve (time, equity), each from a maximum to the return to it.

    Columns: start (time of the maximum; null if it is the initial equity), trough, end (null while it lasts), depth
    (positive fraction), hours (from start to end, or to the last hour). Deepest first.
    """
    peak_time, peak = None, initial_equity
    falls: list[tuple[object, object, object, float]] = []
    trough, low = None, peak
    for time, value in equity.sort("time").select("time", "equity").iter_rows():
        if value >= peak:
            if trough is not None:
                falls.append((peak_time, trough, time, 1.0 - low / peak))
            peak_time, peak, trough, low = time, value, None, value
        elif value < low:
            trough, low = time, value
    if trough is not None:
        falls.append((peak_time, trough, None, 1.0 - low / peak))
    instant = pl.Datetime("us", "UTC")
    table = pl.DataFrame(
        falls, schema={"start": instant, "trough": instant, "end": instant, "depth": pl.Float64}, orient="row"
    )
    first, last = equity["time"].min(), equity["time"].max()
    span = pl.col("end").fill_null(pl.lit(last, instant)) - pl.col("start").fill_null(pl.lit(first, instant))
    return table.with_columns(hours=span.dt.total_hours()).sort("depth", descending=True).head(count)
