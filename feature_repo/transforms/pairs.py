"""Hourly features of a pair: a = base asset, b = quote asset, spread = close_a / close_b (SPEC: pair features)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from feature_repo.catalog import PAIR_HOURLY
from feature_repo.transforms import windows
from feature_repo.transforms.grid import EVENT, observed_only, with_hour_grid
from feature_repo.transforms.rsi import with_wilder_rsi
from pairity.settings import FeatureSettings
from pairity.universe import Pair

_TAKEN = ("close", "volume_quote", "return_1h", "realized_vol_24h", "atr_14", "atr_pct", "funding_rate")
_WINDOWED = ("correlation_168h", "hedge_ratio", "half_life_h")


def pair_hourly(
    assets: pl.LazyFrame, pairs: Sequence[Pair], settings: FeatureSettings, min_aligned_bars: int
) -> pl.LazyFrame:
    """Exactly the columns of `catalog.PAIR_HOURLY`, one row per pair and hour that both assets have.

    `assets`: rows of `catalog.ASSET_HOURLY`. Rows appear once a pair has `min_aligned_bars` common hours since the
    chunk's start, this one included. Null policy: see the catalogue; nothing is filled.
    """
    aligned = align(assets, pairs).with_columns(pl.int_range(1, pl.len() + 1).over("pair_id").alias("aligned_bars"))
    series = with_hour_grid(aligned, "pair_id")
    computed = (
        _with_windows(_with_rsi(_with_rolling(series, settings), settings), settings)
        .with_columns(_averages())
        .with_columns(pl.col("created_timestamp").cum_max().over("pair_id"))
    )
    return observed_only(computed).filter(pl.col("aligned_bars") >= min_aligned_bars).select(PAIR_HOURLY.columns)


def pair_coverage(assets: pl.LazyFrame, pairs: Sequence[Pair]) -> pl.DataFrame:
    """pair_id, aligned_bars: how many hours both assets of each pair have in common (0 where none)."""
    listed = pl.LazyFrame({"pair_id": [pair.pair_id for pair in pairs]}, schema={"pair_id": pl.String})
    counts = align(assets, pairs).group_by("pair_id").agg(pl.len().cast(pl.Int64).alias("aligned_bars"))
    joined = listed.join(counts, on="pair_id", how="left", maintain_order="left")
    return joined.with_columns(pl.col("aligned_bars").fill_null(0)).collect()


def align(assets: pl.LazyFrame, pairs: Sequence[Pair]) -> pl.LazyFrame:
    """Both assets side by side (`…_a`, `…_b`) at the hours that both have; sorted by pair_id and time.

    `created_timestamp` is the later of the two.
    """
    listed = pl.LazyFrame(
        [(pair.pair_id, pair.base, pair.quote) for pair in pairs],
        schema={"pair_id": pl.String, "base_asset": pl.String, "quote_asset": pl.String},
        orient="row",
    )
    return (
        listed.join(_side(assets, "a"), left_on="base_asset", right_on="asset")
        .join(_side(assets, "b"), left_on=["quote_asset", EVENT], right_on=["asset", EVENT])
        .with_columns(pl.max_horizontal("created_a", "created_b").alias("created_timestamp"))
        .drop("created_a", "created_b")
        .sort("pair_id", EVENT)
    )


def _side(assets: pl.LazyFrame, suffix: str) -> pl.LazyFrame:
    renamed = [pl.col(name).alias(f"{name}_{suffix}") for name in _TAKEN]
    return assets.select("asset", EVENT, pl.col("created_timestamp").alias(f"created_{suffix}"), *renamed)


def _with_rolling(series: pl.LazyFrame, settings: FeatureSettings) -> pl.LazyFrame:
    z, mean_bars = settings.z_window_bars, settings.volume_mean_bars
    spread, ratio = pl.col("spread"), pl.col("vol_ratio")
    return (
        series.with_columns(
            (pl.col("close_a") / pl.col("close_b")).alias("spread"),
            pl.when(pl.col("volume_quote_b") > 0)
            .then(pl.col("volume_quote_a") / pl.col("volume_quote_b"))
            .alias("vol_ratio"),
            pl.when(pl.col("realized_vol_24h_b") > 0)
            .then(pl.col("realized_vol_24h_a") / pl.col("realized_vol_24h_b"))
            .alias("vol_diff_ratio"),
        )
        .with_columns(
            spread.rolling_mean(z, min_samples=z).over("pair_id").alias("spread_mean"),
            spread.rolling_std(z, min_samples=z).over("pair_id").alias("spread_std"),
            # Rolling variances of a constant leave rounding noise behind; extremes do not.
            (spread.rolling_max(z, min_samples=z) > spread.rolling_min(z, min_samples=z))
            .over("pair_id")
            .alias("moves"),
            (100.0 * (spread / spread.shift(settings.roc_bars).over("pair_id") - 1.0)).alias("spread_roc"),
            (spread / spread.shift(1).over("pair_id") - 1.0).alias("spread_change_1h"),
            (ratio / ratio.rolling_mean(mean_bars, min_samples=mean_bars).over("pair_id")).alias("vol_ratio_rel"),
        )
        .with_columns(
            pl.when(pl.col("moves") & (pl.col("spread_std") > 0))
            .then((spread - pl.col("spread_mean")) / pl.col("spread_std"))
            .alias("z_score")
        )
    )


def _with_rsi(series: pl.LazyFrame, settings: FeatureSettings) -> pl.LazyFrame:
    return with_wilder_rsi(series, "spread", "pair_id", settings.rsi_period_bars, "spread_rsi")


def _averages() -> list[pl.Expr]:
    def mean(name: str) -> pl.Expr:
        return (pl.col(f"{name}_a") + pl.col(f"{name}_b")) / 2.0

    return [
        pl.col("realized_vol_24h_a").alias("realized_vol_base"),
        pl.col("realized_vol_24h_b").alias("realized_vol_quote"),
        mean("realized_vol_24h").alias("realized_vol_avg"),
        pl.col("atr_14_a").alias("atr_base"),
        pl.col("atr_14_b").alias("atr_quote"),
        pl.col("atr_pct_a").alias("atr_pct_base"),
        pl.col("atr_pct_b").alias("atr_pct_quote"),
        mean("atr_pct").alias("atr_pct_avg"),
        pl.col("funding_rate_a").alias("base_funding"),
        pl.col("funding_rate_b").alias("quote_funding"),
        (pl.col("funding_rate_a") - pl.col("funding_rate_b")).alias("funding_diff"),
        mean("funding_rate").alias("funding_avg"),
    ]


def _with_windows(series: pl.LazyFrame, settings: FeatureSettings) -> pl.LazyFrame:
    def add(frame: pl.DataFrame) -> pl.DataFrame:
        parts = [_windowed(part, settings) for part in frame.partition_by("pair_id", maintain_order=True)]
        return pl.concat(parts) if parts else _windowed(frame, settings)

    schema = series.collect_schema() | pl.Schema(dict.fromkeys(_WINDOWED, pl.Float64))
    return series.map_batches(add, schema=pl.Schema(schema))


def _windowed(part: pl.DataFrame, settings: FeatureSettings) -> pl.DataFrame:
    """One pair: correlation of returns, hedge ratio and half-life, each over its window of hours."""

    def values(name: str) -> windows.Floats:
        return part[name].fill_null(np.nan).to_numpy().astype(np.float64)

    with np.errstate(invalid="ignore", divide="ignore"):
        log_a, log_b = np.log(values("close_a")), np.log(values("close_b"))
    hedge, half_life = windows.hedge_and_half_life(log_a, log_b, settings.hedge_window_bars)
    related = windows.correlation(values("return_1h_a"), values("return_1h_b"), settings.correlation_window_bars)
    columns = zip(_WINDOWED, (related, hedge, half_life), strict=True)
    return part.with_columns(pl.Series(name, data, dtype=pl.Float64).fill_nan(None) for name, data in columns)
