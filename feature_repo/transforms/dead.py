"""Dead contracts: listed and priced, but nobody trades them (docs/formulas.md, Dead contracts)."""

from __future__ import annotations

import polars as pl


def mark_dead(after_hours: int) -> pl.Expr:
    """Return whether an hour ends `after_hours` hours or more without a trade and without a move of the price.

    For hourly bars on a whole grid, sorted by asset and time (open, high, low, close, volume_base; null where there is
    no bar). An hour is still where its volume is 0 and all its prices are the close before it. Only the hours up to
    this one count, so nothing looks ahead; a missing hour breaks the stretch: an outage is no dead contract.
    """
    close, before = pl.col("close"), pl.col("close").shift(1).over("asset")
    still = (pl.col("volume_base") == 0) & (close == before) & (pl.col("high") == close) & (pl.col("low") == close)
    count = still.fill_null(False).cast(pl.Int32).rolling_sum(after_hours).over("asset")
    return (count == after_hours).fill_null(False)
