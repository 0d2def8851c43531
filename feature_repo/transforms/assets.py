"""Hourly features of one asset: returns, volatility, range, funding."""

from __future__ import annotations

import polars as pl

from feature_repo.catalog import ASSET_HOURLY
from feature_repo.transforms.grid import EVENT, observed_only, with_hour_grid
from pairity.settings import FeatureSettings
from pairity.timeline import DAY, HISTORY_LAG

_FUNDING_MAX_AGE = DAY


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
    period, window = settings.atr_period_bars, settings.volatility_window_bars
    computed = (
        series.with_columns(
            (pl.col("close") / previous - 1.0).alias("return_1h"),
            pl.when(previous.is_not_null()).then(true_range).alias("true_range"),
        )
        .with_columns(
            pl.col("return_1h").rolling_std(window, min_samples=window).over("asset").alias("realized_vol_24h"),
            pl.col("true_range").rolling_mean(period, min_samples=period).over("asset").alias("atr_14"),
        )
        .with_columns((pl.col("atr_14") / pl.col("close")).alias("atr_pct"))
    )
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
            tolerance=_FUNDING_MAX_AGE,
            check_sortedness=False,  # both sides are sorted just above; Polars cannot check that within groups
        )
        .sort("asset", EVENT)
    )
