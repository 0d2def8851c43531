"""Hourly features of one asset: returns, volatility, range, funding."""

from __future__ import annotations

import polars as pl

from feature_repo.catalog import ASSET_HOURLY
from feature_repo.transforms.grid import EVENT, Columns, observed_only, with_computed, with_hour_grid
from feature_repo.transforms.windows import Floats, rolling_mean, rolling_std
from pairity.settings import FeatureSettings
from pairity.timeline import DAY, HISTORY_LAG

FUNDING_MAX_AGE = DAY


def asset_hourly(bars: pl.LazyFrame, funding: pl.LazyFrame, settings: FeatureSettings) -> pl.LazyFrame:
    """Exactly the columns of `catalog.ASSET_HOURLY`.

    `bars`: see `bars.COLUMNS`. `funding`: asset, funding_time, funding_rate, known_at. One output row per observed
    hour. `created_timestamp` is the instant from which the whole row could be computed: the latest `known_at` of
    everything since the chunk's start, never before close + 1 ms. Settled funding older than 24 h is null, never 0.
    """
    series = with_hour_grid(bars, "asset")
    previous = pl.col("close").shift(1).over("asset")
    true_range = pl.max_horizontal(
        pl.col("high") - pl.col("low"), (pl.col("high") - previous).abs(), (pl.col("low") - previous).abs()
    )
    moved = series.with_columns(
        (pl.col("close") / previous - 1.0).alias("return_1h"),
        pl.when(previous.is_not_null()).then(true_range).alias("true_range"),
    )

    def windowed(asset: Columns) -> dict[str, Floats]:
        atr = rolling_mean(asset["true_range"], settings.atr_period_bars)
        volatility = rolling_std(asset["return_1h"], settings.volatility_window_bars, scale=1.0)
        return {"realized_vol_24h": volatility, "atr_14": atr, "atr_pct": atr / asset["close"]}

    computed = with_computed(moved, "asset", ("realized_vol_24h", "atr_14", "atr_pct"), windowed)
    settled = _with_funding(observed_only(computed), funding)
    known = pl.max_horizontal("known_at", "funding_known_at").cum_max().over("asset")
    return settled.with_columns(
        pl.max_horizontal(known, pl.col(EVENT) + HISTORY_LAG).alias("created_timestamp")
    ).select(ASSET_HOURLY.columns)


def _with_funding(bars: pl.LazyFrame, funding: pl.LazyFrame) -> pl.LazyFrame:
    """The newest settlement at or before each close; null where there is none within 24 h."""
    rates = funding.select("asset", "funding_time", "funding_rate", pl.col("known_at").alias("funding_known_at")).sort(
        "funding_time"
    )
    return (
        bars.sort(EVENT)
        .join_asof(
            rates,
            left_on=EVENT,
            right_on="funding_time",
            by="asset",
            strategy="backward",
            tolerance=FUNDING_MAX_AGE,
            check_sortedness=False,  # both sides are sorted just above; Polars cannot check that within groups
        )
        .sort("asset", EVENT)
    )
