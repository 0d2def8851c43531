"""The strength index as window functions over a long frame: another way to the same bits."""

import polars as pl

_SCRATCH = ("__change", "__segment", "__position", "__gain", "__loss")


def with_wilder_rsi(frame, column, entity, period, name):
    return (
        frame.with_columns(pl.col(column).diff().over(entity).alias("__change"))
        .with_columns(
            pl.when(pl.col("__change").abs() <= 1e-12 * pl.col(column).abs())
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


def _seeded(moves, entity, period):
    """Return the moves that Wilder's recursion runs over: null before `period` of them, then their mean, then each."""
    seed = moves.rolling_mean(period, min_samples=period).over(entity, "__segment")
    position = pl.col("__position")
    return pl.when(position == period).then(seed).when(position > period).then(moves)
