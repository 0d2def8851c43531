"""Moves of the whole market between two bars: what most instruments do at one time is no wrong price of each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

LEAST_INSTRUMENTS = 4
"""Fewer are no market: each is judged by itself."""
MAX_MARKET_MOVE = math.log(20)
"""Largest |ln| of a move that a market can make between two bars; more than that is a change of units in the data."""


def take_market_moves_out(
    rows: pl.DataFrame,
    time: str,
    levels: NDArray[np.float64],
    closes_before: Mapping[str, float],
    *,
    least: float,
    spike: timedelta,
) -> NDArray[np.float64]:
    """Return `levels` (ln of closes) as if the market had not made its large moves.

    `rows`: `asset` and the time column, sorted by both, one line per level. The market moves at an instant where the
    median step of at least `LEAST_INSTRUMENTS` instruments, each from its own bar before (or from its close in
    `closes_before`), is between `least` and `MAX_MARKET_MOVE`. It is taken out of the instruments that make it, within
    `least`: one that moves alone, or otherwise, keeps its step. Two moves within `spike` that undo each other are none:
    wrong prices of a source come and go like that. Only instants up to a row are used for its own step.
    """
    before = pl.Series(
        [math.log(close) if 0 < close < math.inf else None for close in closes_before.values()], dtype=pl.Float64
    )
    firsts = pl.DataFrame({"asset": pl.Series(list(closes_before), dtype=pl.String), "_before": before})
    steps = (
        rows.select("asset", time)
        .with_columns(_level=levels)
        .join(firsts, on="asset", how="left", maintain_order="left")
        .with_columns(_step=pl.col("_level") - pl.col("_level").shift(1).over("asset").fill_null(pl.col("_before")))
    )
    market = (
        steps.drop_nulls("_step")
        .group_by(time)
        .agg(pl.col("_step").median().alias("_market"), pl.len().alias("_count"))
        .filter(
            pl.col("_count") >= LEAST_INSTRUMENTS, pl.col("_market").abs().is_between(least, MAX_MARKET_MOVE, "right")
        )
        .sort(time)
    )
    undone = (pl.col("_market") + pl.col("_market").shift(1)).abs() <= least
    is_end = (undone & (pl.col(time) - pl.col(time).shift(1) <= spike)).fill_null(False)
    market = market.with_columns(_end=is_end).filter(~pl.col("_end") & ~pl.col("_end").shift(-1, fill_value=False))
    if market.is_empty():
        return levels
    joined = steps.join(market.select(time, "_market"), on=time, how="left", maintain_order="left")
    takes_part = (pl.col("_step").abs() > least) & ((pl.col("_step") - pl.col("_market")).abs() <= least)
    moved = pl.when(takes_part).then(pl.col("_market")).otherwise(0.0).fill_null(0.0)
    return joined.select(pl.col("_level") - moved.cum_sum().over("asset")).to_series().to_numpy()
