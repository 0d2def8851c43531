"""Relative strength index with Wilder's smoothing (Wilder 1978; docs/formulas.md, RSI)."""

from __future__ import annotations

import polars as pl

from feature_repo.transforms.windows import ROUNDING

_SCRATCH = ("__change", "__segment", "__position", "__gain", "__loss")


def with_wilder_rsi(frame: pl.LazyFrame, column: str, entity: str, period: int, name: str) -> pl.LazyFrame:
    """Return `frame` with the RSI of `column` within each `entity` as `name`, in 0–100.

    Rows lie on a sorted, complete hourly grid. The first average of gains and of losses is the mean of the first
    `period` changes; later ones are (previous·(period − 1) + change)/period. The index is null until `period` changes
    are known, and starts anew after a hole (null). It is 100 where only gains were seen and 0 where only losses. It is
    null where the series has not moved since its start: there is no strength to compare (other libraries say 100 or
    50). A change within `ROUNDING` of the value counts as none.
    """
    # An average with infinite memory: its value depends on where it starts. Chunks start at one anchor for that reason.

    return (
        frame.with_columns(pl.col(column).diff().over(entity).alias("__change"))
        .with_columns(
            pl.when(pl.col("__change").abs() <= ROUNDING * pl.col(column).abs())
            .then(0.0)
            .otherwise(pl.col("__change"))
            .alias("__change")
        )
        # A null change ends a segment; averages run within one segment and never across a hole.
        .with_columns(pl.col("__change").is_null().cum_sum().over(entity).alias("__segment"))
        .with_columns(pl.col("__change").is_not_null().cum_sum().over(entity, "__segment").alias("__position"))
        .with_columns(
            _seeded(pl.col("__change").clip(lower_bound=0.0), entity, period).alias("__gain"),
            _seeded((-pl.col("__change")).clip(lower_bound=0.0), entity, period).alias("__loss"),
        )
        .with_columns(
            pl.col(side).ewm_mean(alpha=1.0 / period, adjust=False, ignore_nulls=True).over(entity, "__segment")
            for side in ("__gain", "__loss")
        )
        .with_columns(
            pl.when(pl.col("__change").is_null())
            .then(None)
            .when(pl.col("__loss") > 0)
            .then(100.0 - 100.0 / (1.0 + pl.col("__gain") / pl.col("__loss")))
            .when(pl.col("__gain") > 0)
            .then(100.0)
            .alias(name)
        )
        .drop(_SCRATCH)
    )


def _seeded(moves: pl.Expr, entity: str, period: int) -> pl.Expr:
    """Return the moves that Wilder's recursion runs over: null before `period` of them, then their mean, then each."""
    seed = moves.rolling_mean(period, min_samples=period).over(entity, "__segment")
    position = pl.col("__position")
    return pl.when(position == period).then(seed).when(position > period).then(moves)
