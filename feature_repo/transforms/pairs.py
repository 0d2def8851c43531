"""Hourly features of a pair: a = base asset, b = quote asset, spread = close_a / close_b.

Formulas: docs/formulas.md, Pair features.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from feature_repo.catalog import PAIR_HOURLY
from feature_repo.knowledge_time import inputs_known_at
from feature_repo.transforms.grid import EVENT, GridColumns, drop_unobserved, with_computed, with_hour_grid
from feature_repo.transforms.rsi import with_wilder_rsi
from feature_repo.transforms.windows import Floats, hedge_and_half_life, rolling_correlation, rolling_mean, rolling_std
from pairity.settings import FeatureSettings
from pairity.universe import Pair

_TAKEN = ("close", "volume_quote", "return_1h", "realized_vol_24h", "atr_14", "atr_pct", "funding_rate", "inflow")
_WINDOWED = ("z_score", "vol_ratio_rel", "correlation_168h", "hedge_ratio", "half_life_h")


def compute_pair_hourly(
    assets: pl.LazyFrame, pairs: Sequence[Pair], settings: FeatureSettings, min_aligned_bars: int
) -> pl.LazyFrame:
    """Return the columns of `catalog.PAIR_HOURLY`: one row per pair and hour that both assets have, sorted by both.

    `assets`: rows of `catalog.ASSET_HOURLY`. A pair has rows once it has `min_aligned_bars` common hours since the
    chunk's start, this one included. `event_timestamp` is the close of the hour, `created_timestamp` the later of both
    assets'. Units and null policies: the catalogue; nothing is carried forward.
    """
    aligned = align(assets, pairs).with_columns(pl.int_range(1, pl.len() + 1).over("pair_id").alias("aligned_bars"))
    series = with_hour_grid(aligned, "pair_id")
    windowed = _with_windows(_with_rsi(_with_ratios(series, settings), settings), settings)
    computed = windowed.with_columns(_averages())
    return drop_unobserved(computed).filter(pl.col("aligned_bars") >= min_aligned_bars).select(PAIR_HOURLY.columns)


def count_aligned_bars(assets: pl.LazyFrame, pairs: Sequence[Pair]) -> pl.DataFrame:
    """Return pair_id and aligned_bars: hours that both assets of a pair have (0 where none), in order of `pairs`."""
    listed = pl.LazyFrame({"pair_id": [pair.pair_id for pair in pairs]}, schema={"pair_id": pl.String})
    counts = align(assets, pairs).group_by("pair_id").agg(pl.len().cast(pl.Int64).alias("aligned_bars"))
    joined = listed.join(counts, on="pair_id", how="left", maintain_order="left")
    return joined.with_columns(pl.col("aligned_bars").fill_null(0)).collect()


def align(assets: pl.LazyFrame, pairs: Sequence[Pair]) -> pl.LazyFrame:
    """Return both assets side by side (`…_a`, `…_b`) at the hours that both have; sorted by pair_id and time.

    `created_timestamp` is the later of the two. Neither goes back within a chunk, so the later one does not either.
    """
    listed = pl.LazyFrame(
        [(pair.pair_id, pair.base, pair.quote) for pair in pairs],
        schema={"pair_id": pl.String, "base_asset": pl.String, "quote_asset": pl.String},
        orient="row",
    )
    return (
        listed.sort("pair_id")
        .join(
            _side(assets.sort("asset", EVENT), "a"),
            left_on="base_asset",
            right_on="asset",
            maintain_order="left_right",  # by pair, then by time; the next join keeps it
        )
        .join(
            _side(assets, "b"),
            left_on=["quote_asset", EVENT],
            right_on=["asset", EVENT],
            maintain_order="left",
        )
        .with_columns(inputs_known_at("created_a", "created_b").alias("created_timestamp"))
        .drop("created_a", "created_b")
    )


def _side(assets: pl.LazyFrame, suffix: str) -> pl.LazyFrame:
    renamed = [pl.col(name).alias(f"{name}_{suffix}") for name in _TAKEN]
    return assets.select("asset", EVENT, pl.col("created_timestamp").alias(f"created_{suffix}"), *renamed)


def _with_ratios(series: pl.LazyFrame, settings: FeatureSettings) -> pl.LazyFrame:
    spread = pl.col("spread")
    return series.with_columns(
        (pl.col("close_a") / pl.col("close_b")).alias("spread"),
        pl.col("close_a").log().alias("log_a"),
        pl.col("close_b").log().alias("log_b"),
        pl.when(pl.col("volume_quote_b") > 0)
        .then(pl.col("volume_quote_a") / pl.col("volume_quote_b"))
        .alias("vol_ratio"),
        pl.when(pl.col("realized_vol_24h_b") > 0)
        .then(pl.col("realized_vol_24h_a") / pl.col("realized_vol_24h_b"))
        .alias("vol_diff_ratio"),
    ).with_columns(
        (100.0 * (spread / spread.shift(settings.roc_bars).over("pair_id") - 1.0)).alias("spread_roc"),
        (spread / spread.shift(1).over("pair_id") - 1.0).alias("spread_change_1h"),
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
        pl.col("inflow_a").alias("base_inflow"),
        pl.col("inflow_b").alias("quote_inflow"),
        pl.when(pl.col("inflow_b") > 0).then(pl.col("inflow_a") / pl.col("inflow_b")).alias("inflow_ratio"),
    ]


def _with_windows(series: pl.LazyFrame, settings: FeatureSettings) -> pl.LazyFrame:
    def windowed(pair: GridColumns) -> dict[str, Floats]:
        hedge, half_life = hedge_and_half_life(pair["log_a"], pair["log_b"], settings.hedge_window_bars)
        return {
            "z_score": _z_score(pair["spread"], settings.z_window_bars),
            "vol_ratio_rel": _relative(pair["vol_ratio"], settings.volume_mean_bars),
            "correlation_168h": rolling_correlation(
                pair["return_1h_a"], pair["return_1h_b"], settings.correlation_window_bars
            ),
            "hedge_ratio": hedge,
            "half_life_h": half_life,
        }

    return with_computed(series, "pair_id", _WINDOWED, windowed)


def _z_score(spread: Floats, window: int) -> Floats:
    mean, std = rolling_mean(spread, window), rolling_std(spread, window)
    # rolling_std is exactly 0 for a spread that is constant to rounding: noise over noise is no score.
    score: Floats = np.divide(spread - mean, std, out=np.full(len(spread), np.nan), where=std > 0)
    return score


def _relative(ratio: Floats, window: int) -> Floats:
    mean = rolling_mean(ratio, window)
    relative: Floats = np.divide(ratio, mean, out=np.full(len(ratio), np.nan), where=mean > 0)
    return relative
