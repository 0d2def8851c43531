"""Hourly features of one asset: returns, volatility, range, funding, inflow.

Formulas: docs/formulas.md, Hourly bars and asset features.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from feature_repo.catalog import ASSET_HOURLY
from feature_repo.knowledge_time import feature_created_at, inputs_known_at
from feature_repo.raw_datasets import find_dataset
from feature_repo.transforms.dead import mark_dead
from feature_repo.transforms.grid import EVENT, GridColumns, drop_unobserved, only_after, with_computed, with_hour_grid
from feature_repo.transforms.settlements import INTERVALS_H, MISSED_SETTLEMENTS, with_intervals
from feature_repo.transforms.windows import Floats, rolling_mean, rolling_std
from pairity.settings import FeatureSettings
from pairity.timeline import DAY, HOUR

FUNDING_MAX_AGE = DAY
"""Three settlements of 8 h: one that is missing is waited for, a venue that stopped settling is not."""
FUNDING_REACH = FUNDING_MAX_AGE + max(INTERVALS_H) * HOUR
"""How long before a close the settlement before the one in force may lie, whose distance is the interval."""
_INFLOW = find_dataset("inflow")
_INFLOW_MAX_AGE = 2 * DAY
INFLOW_REACH = _INFLOW.known_after + _INFLOW_MAX_AGE
"""How long before a close a day may have begun for its inflow still to be used."""


def compute_asset_hourly(
    bars: pl.LazyFrame,
    funding: pl.LazyFrame,
    settings: FeatureSettings,
    inflow: pl.LazyFrame | None = None,
    *,
    after: datetime | None = None,
) -> pl.LazyFrame:
    """Return the columns of `catalog.ASSET_HOURLY`: one row per asset and observed hour, sorted by asset and time.

    An hour of a dead contract (`dead.mark_dead`) has no row.
    Only rows later than `after` are returned; `bars` need to reach a window before it.

    `bars`: the columns `bars.COLUMNS`, prices in USDT. `funding`: asset, funding_time, funding_rate (fraction per
    interval), known_at. `inflow`: asset, time (a day's start), inflow (coins), known_at; None where there is no source.

    `event_timestamp` is the hour's close. `created_timestamp` is the instant from which the whole row could be
    computed: the latest `known_at` of everything since the chunk's start, never before close + 1 ms. A window is null
    unless all its hours were observed. Settled funding older than 24 h, or than three of its intervals, is null,
    never 0, and so is its interval (`settlements.with_intervals`); so is the inflow of a day that ended more than 2
    days before the close.
    """
    series = with_hour_grid(bars, "asset")
    previous = pl.col("close").shift(1).over("asset")
    # max_horizontal ignores nulls: without the guard below, an asset's first hour would have the range high − low.
    true_range = pl.max_horizontal(
        pl.col("high") - pl.col("low"), (pl.col("high") - previous).abs(), (pl.col("low") - previous).abs()
    )
    moved = series.with_columns(
        (pl.col("close") / previous - 1.0).alias("return_1h"),
        pl.when(previous.is_not_null()).then(true_range).alias("true_range"),
        mark_dead(settings.dead_after_hours).alias("__dead"),
    )

    def windowed(asset: GridColumns) -> dict[str, Floats]:
        atr = rolling_mean(asset["true_range"], settings.atr_period_bars, begin=asset.begin)
        # scale=1: a return is a difference of ratios near 1, so its rounding is that of 1, however small the return.
        volatility = rolling_std(asset["return_1h"], settings.volatility_window_bars, scale=1.0, begin=asset.begin)
        return {"realized_vol_24h": volatility, "atr_14": atr, "atr_pct": atr / asset["close"]}

    computed = with_computed(moved, "asset", ("realized_vol_24h", "atr_14", "atr_pct"), windowed, after=after)
    hours = only_after(drop_unobserved(computed).filter(~pl.col("__dead")), after)
    settled = _without_missed(
        _with_newest(hours, with_intervals(funding), "funding", FUNDING_MAX_AGE, "funding_interval_h", "funding_time")
    )
    days = _INFLOW.empty().lazy().with_columns(asset=pl.lit(None, pl.String)) if inflow is None else inflow
    complete = _with_newest(settled, days, "inflow", _INFLOW_MAX_AGE)
    # cum_max: a row's windows reach back, so it is known no earlier than any row before it.
    known = inputs_known_at("known_at", "funding_known_at", "inflow_known_at").cum_max().over("asset")
    return complete.with_columns(feature_created_at(known)).select(ASSET_HOURLY.columns)


def _without_missed(bars: pl.LazyFrame) -> pl.LazyFrame:
    """Return bars without rates after which `MISSED_SETTLEMENTS` are missing: another one is in force by now."""
    lasts = pl.col("funding_interval_h") * (MISSED_SETTLEMENTS * 3600.0)
    over = ((pl.col(EVENT) - pl.col("funding_time")).dt.total_seconds() > lasts).fill_null(False)
    return bars.with_columns(
        pl.when(~over).then(name).alias(name) for name in ("funding_rate", "funding_interval_h")
    ).drop("funding_time")


def _with_newest(bars: pl.LazyFrame, rows: pl.LazyFrame, name: str, max_age: timedelta, *derived: str) -> pl.LazyFrame:
    """Add to each bar the newest row of a raw dataset that was complete at its close; null if older than `max_age`.

    `derived` are columns besides the dataset's values.
    """
    dataset = find_dataset(name)
    complete = (pl.col(dataset.time) + dataset.known_after).alias("__complete")
    known = pl.col("known_at").alias(f"{name}_known_at")
    return (
        bars.sort(EVENT)
        .join_asof(
            rows.select("asset", complete, *dataset.values, *derived, known).sort("__complete"),
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
