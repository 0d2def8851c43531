"""Anomalies of real markets that are no fault of the data: outages, deviations of the mark price, short bars.

Frames hold the columns of the raw datasets with `asset`. Each function returns one row per finding.
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from feature_repo.transforms.dead import find_dead_hours
from feature_repo.transforms.grid import EVENT
from pairity.timeline import HOUR
from validation.sequence_rules import MAX_ABS_LOG_RETURN

SILENT_SHARE = 0.85
"""Share of instruments that must be silent in an outage: with nine, eight of them."""
NEIGHBOURS = 25
"""Bars of the running median: a day of hours around a bar, odd so that the bar stands in the middle."""
_PRICES = ("open", "high", "low", "close")


def find_market_outages(
    bars: pl.DataFrame, every: timedelta, *, min_assets: int = 3, min_bars: int = 2
) -> pl.DataFrame:
    """Return stretches of `min_bars` bars or more in which nearly no instrument traded: the venue was down.

    `bars`: asset, open_time, volume. One row per outage: first (open of its first bar), last (open of its last), bars,
    assets_silent (fewest in any bar), assets (most listed in any bar). A single quiet instrument is no outage.
    """
    counted = (
        bars.group_by("open_time")
        .agg((pl.col("volume") == 0).sum().alias("silent"), pl.len().alias("listed"))
        .filter((pl.col("silent") >= SILENT_SHARE * pl.col("listed")) & (pl.col("listed") >= min_assets))
        .sort("open_time")
    )
    stretch = (pl.col("open_time").diff() != every).fill_null(True).cum_sum().alias("stretch")
    outages = counted.group_by(stretch, maintain_order=True).agg(
        first=pl.col("open_time").min(),
        last=pl.col("open_time").max(),
        bars=pl.len(),
        assets_silent=pl.col("silent").min(),
        assets=pl.col("listed").max(),
    )
    return outages.filter(pl.col("bars") >= min_bars).drop("stretch")


def find_dead_contracts(bars: pl.LazyFrame, after_hours: int) -> pl.DataFrame:
    """Return the stretches of hours whose end is dead (`feature_repo.transforms.dead`): nothing is computed of them.

    `bars`: hourly bars (`feature_repo.transforms.bars.COLUMNS`). One row per stretch, by asset and time: asset, first
    (open of its first still hour, `after_hours` before it is dead), last (close of its last dead hour), price.
    """
    dead = find_dead_hours(bars, after_hours)
    goes_on = (pl.col(EVENT).diff().over("asset") == HOUR).fill_null(False)
    return (
        dead.with_columns((~goes_on).cum_sum().alias("_stretch"))
        .group_by("asset", "_stretch", maintain_order=True)
        .agg(
            (pl.col(EVENT).min() - after_hours * HOUR).alias("first"),
            pl.col(EVENT).max().alias("last"),
            pl.col("close").last().alias("price"),
        )
        .drop("_stretch")
    )


def find_mark_deviations(marks: pl.DataFrame, traded: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return mark or index bars with a price beyond 4.5 times, or below 1/4.5 of, the prices around it.

    The reference is the traded close of the same hour (`traded`: asset, open_time, close) where there is one, else the
    median close of the 25 bars around. One row per bar: asset, open_time, price (the farthest of the four), reference.
    """
    around = pl.col("close").rolling_median(NEIGHBOURS, center=True, min_samples=1).over("asset")
    beside = marks.sort("asset", "open_time").with_columns(around.alias("reference"))
    if traded is not None:
        closes = traded.select("asset", "open_time", pl.col("close").alias("_traded"))
        beside = beside.join(closes, on=["asset", "open_time"], how="left", maintain_order="left").with_columns(
            pl.coalesce("_traded", "reference").alias("reference")
        )
    farthest = pl.max_horizontal((pl.col(name).log() - pl.col("reference").log()).abs() for name in _PRICES)
    price = pl.coalesce(
        pl.when((pl.col(name).log() - pl.col("reference").log()).abs() == farthest).then(pl.col(name))
        for name in _PRICES
    )
    deviating = beside.with_columns(farthest.alias("_far"), price.alias("price")).filter(
        pl.col("_far") > MAX_ABS_LOG_RETURN
    )
    return deviating.select("asset", "open_time", "price", "reference")


def find_short_bars(bars: pl.DataFrame, every: timedelta, length: timedelta) -> pl.DataFrame:
    """Return the bars of `length` that hold fewer bars of `every` than they should, and why.

    `bars`: asset, open_time. One row per short bar: asset, open_time, bars, expected, reason: `recording begins`,
    `recording ends` or `hole`.
    """
    expected = length // every
    counted = (
        bars.sort("asset", "open_time")
        .group_by("asset", pl.col("open_time").dt.truncate(length), maintain_order=True)
        .agg(pl.len().alias("bars"))
        .with_columns(pl.lit(expected).alias("expected"))
    )
    first, last = (edge.over("asset") for edge in (pl.col("open_time").min(), pl.col("open_time").max()))
    reason = (
        pl.when(pl.col("open_time") == first)
        .then(pl.lit("recording begins"))
        .when(pl.col("open_time") == last)
        .then(pl.lit("recording ends"))
        .otherwise(pl.lit("hole"))
    )
    return counted.with_columns(reason.alias("reason")).filter(pl.col("bars") < expected)
