"""Hourly features of one asset: returns, volatility, range, funding, inflow."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from feature_repo.catalog import ASSET_HOURLY
from feature_repo.knowledge_time import feature_created_at, inputs_known_at
from feature_repo.raw_datasets import dataset
from feature_repo.transforms.grid import EVENT, GridColumns, observed_only, with_computed, with_hour_grid
from feature_repo.transforms.windows import Floats, rolling_mean, rolling_std
from pairity.settings import FeatureSettings
from pairity.timeline import DAY

FUNDING_MAX_AGE = DAY
_INFLOW = dataset("inflow")
_INFLOW_MAX_AGE = 2 * DAY
INFLOW_REACH = _INFLOW.known_after + _INFLOW_MAX_AGE
"""How long before a close the day may have begun whose inflow is still used."""


def asset_hourly(
    bars: pl.LazyFrame, funding: pl.LazyFrame, settings: FeatureSettings, inflow: pl.LazyFrame | None = None
) -> pl.LazyFrame:
    """Exactly the columns of `catalog.ASSET_HOURLY`.

    `bars`: see `bars.COLUMNS`. `funding`: asset, funding_time, funding_rate, known_at. `inflow` (None: there
    is no source): asset, time (a day's start), inflow, known_at. One output row per observed hour. `created_timestamp`
    is the instant from which the whole row could be computed: the latest `known_at` of everything since the chunk's
    start, never before close + 1 ms. Settled funding older than 24 h is null, never 0; so is the inflow of a day that
    ended more than 2 days before the close.
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

    def windowed(asset: GridColumns) -> dict[str, Floats]:
        atr = rolling_mean(asset["true_range"], settings.atr_period_bars)
        volatility = rolling_std(asset["return_1h"], settings.volatility_window_bars, scale=1.0)
        return {"realized_vol_24h": volatility, "atr_14": atr, "atr_pct": atr / asset["close"]}

    computed = with_computed(moved, "asset", ("realized_vol_24h", "atr_14", "atr_pct"), windowed)
    settled = _with_newest(observed_only(computed), funding, "funding", FUNDING_MAX_AGE)
    days = _INFLOW.empty().lazy().with_columns(asset=pl.lit(None, pl.String)) if inflow is None else inflow
    complete = _with_newest(settled, days, "inflow", _INFLOW_MAX_AGE)
    known = inputs_known_at("known_at", "funding_known_at", "inflow_known_at").cum_max().over("asset")
    return complete.with_columns(feature_created_at(known)).select(ASSET_HOURLY.columns)


def _with_newest(bars: pl.LazyFrame, rows: pl.LazyFrame, name: str, max_age: timedelta) -> pl.LazyFrame:
    """The newest row of a raw dataset that was complete at or before each close; null where it is older than that."""
    kind = dataset(name)
    complete = (pl.col(kind.time) + kind.known_after).alias("__complete")
    known = pl.col("known_at").alias(f"{name}_known_at")
    return (
        bars.sort(EVENT)
        .join_asof(
            rows.select("asset", complete, *kind.values, known).sort("__complete"),
            left_on=EVENT,
            right_on="__complete",
            by="asset",
            strategy="backward",
            tolerance=max_age,
            check_sortedness=False,  # both sides are sorted just above; Polars cannot check that within groups
        )
        .drop("__complete")
        .sort("asset", EVENT)
    )
