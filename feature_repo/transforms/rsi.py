"""Relative strength index with Wilder's smoothing (Wilder, 1978)."""

from __future__ import annotations

import polars as pl

from feature_repo.transforms.windows import ROUNDING

_SCRATCH = ("__change", "__segment", "__position", "__gain", "__loss")


def with_wilder_rsi(frame: pl.LazyFrame, column: str, entity: str, period: int, name: str) -> pl.LazyFrame:
    """`frame` with RSI of `column` within each `entity` as `name`, 0–100; rows lie on a sorted, complete hourly grid.

    The first average of gains and losses is the mean of the first `period` changes; later ones are
    (previous·(period − 1) + change)/period. Null until `period` changes are known; a hole (null) starts anew after it.
    100 where only gains were seen, 0 where only losses, null where the series has not moved since its start: there is
    no strength to compare (other libraries say 100 or 50). A change within `ROUNDING` of the value counts as none.
    """
    return (
        frame.with_columns(pl.col(column).diff().over(entity).alias("__change"))
        .with_columns(
            pl.when(pl.col("__change").abs() <= ROUNDING * pl.col(column).abs())
            .then(0.0)
            .otherwise(pl.col("__change"))
            .alias("__change")
        )
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
    """The moves from which Wilder's recursion runs: nothing before `period` of them, then their mean, then each."""
    seed = moves.rolling_mean(period, min_samples=period).over(entity, "__segment")
    position = pl.col("__position")
    return pl.when(position == period).then(seed).when(position > period).then(moves)
