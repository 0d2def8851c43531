"""Bars of any interval of one asset, from the lake: of minutes, of the venue's own hours, of trades where neither is.

Studies read them. Published features are hourly (`feature_repo.transforms.bars`).
"""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from feature_repo.raw_datasets import find_dataset
from feature_repo.raw_files import scan_versions
from feature_repo.redenominations import read_units
from feature_repo.transforms.bars import make_bars
from feature_repo.transforms.dead import find_dead_hours, find_dead_minutes
from pairity.errors import MissingDataError
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.timeline import HOUR, MINUTE

_COLUMNS = ("open", "high", "low", "close", "volume", "known_at")
_UNIT = "__unit"


def read_interval_bars(settings: Settings, asset: str, every: timedelta, now: datetime) -> pl.DataFrame:
    """Return the closed bars of size `every`, aligned to 1970, that are known at `now`, by time.

    Columns: asset, event_timestamp (the bar's close), open, high, low, close (USDT), volume (coins), known_at, and
    source: `candles_1m`, `candles_1h`, `trade_bars_1m`, or several of them joined by `+`. Per minute a candle counts
    before trades; bars of an hour or more take an hour without minute candles from the venue's own hours, and only
    where there is none from trades. A bar without any of them has no row; one with only some of its minutes is made of
    those. What closes with a dead contract (`feature_repo.transforms.dead`) is left out. Of each row the newest version
    known at `now` counts. MissingDataError where there is nothing.
    """
    layout, venue = Layout.of(settings), settings.features.venue
    minutes, hours, trades = (
        _read(layout, venue, asset, name, now) for name in ("candles_1m", "candles_1h", "trade_bars_1m")
    )
    trades = trades.join(minutes, on="open_time", how="anti")
    if every >= HOUR:
        hours = _without_hours_of(hours, minutes)
        parts = [minutes, hours, _without_hours_of(trades, hours)]
    else:
        parts = [minutes, trades]
    units = pl.concat([part for part in parts if part.height] or parts[:1]).sort("open_time")
    dead = _find_dead(settings, asset, (minutes, hours, trades), now)
    alive = units.join(dead, on="open_time", how="anti", maintain_order="left")
    closed = alive.filter(pl.col("open_time").dt.truncate(every) + every <= now)
    if closed.is_empty():
        raise MissingDataError(
            f"no bar of {asset} at {_write(every)} can be made of what the lake holds of venue {venue}",
            "collect candles_1m, candles_1h (for an hour or more) or trade_bars_1m of it, or set features.venue",
        )
    bars = (
        closed.group_by(pl.col("open_time").dt.truncate(every).alias("event_timestamp"), maintain_order=True)
        .agg(
            pl.col("open").first(),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("close").last(),
            pl.col("volume").sum(),
            pl.col("known_at").max(),
            pl.col("source").unique(maintain_order=True).sort().str.join("+"),
        )
        .with_columns(pl.lit(asset).alias("asset"), pl.col("event_timestamp") + every)
        .select("asset", "event_timestamp", *_COLUMNS, "source")
    )
    closes = dead.select((pl.col("open_time") + MINUTE).alias("event_timestamp"))
    return bars.join(closes, on="event_timestamp", how="anti", maintain_order="left")


def _find_dead(
    settings: Settings, asset: str, parts: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame], now: datetime
) -> pl.DataFrame:
    """Return open_time of the minutes, and of the hours that are a bar of their own, whose close finds a dead contract.

    By the hourly bars that features are made of; an hour of the venue's own counts from its open on as it closes.
    """
    added = (pl.lit(asset).alias("asset"), pl.lit(None, pl.Float64).alias("volume_quote"))
    minutes, hours, trades = (part.with_columns(added) for part in parts)
    bars = make_bars(minutes.lazy(), hours.lazy(), trades.lazy())
    dead = find_dead_hours(bars, settings.features.dead_after_hours).filter(pl.col("event_timestamp") <= now)
    of_minutes = find_dead_minutes(pl.concat([minutes, trades]), dead).select("open_time")
    of_hours = hours.select("open_time").join(
        dead.select((pl.col("event_timestamp") - HOUR).alias("open_time")), on="open_time", how="semi"
    )
    return pl.concat([of_minutes, of_hours]).unique()


def _read(layout: Layout, venue: str, asset: str, name: str, now: datetime) -> pl.DataFrame:
    """Return the newest version known at `now` of each row, by time, in the newest unit of the asset."""
    kind = find_dataset(name)
    rows = scan_versions(layout, name, venue, asset).filter(pl.col("known_at") <= now).sort(kind.time, "known_at")
    newest = rows.unique(kind.time, keep="last", maintain_order=True)
    current = read_units(layout, venue).express(kind, newest, asset)
    return current.select(kind.time, *_COLUMNS, pl.lit(name).alias("source")).collect()


def _without_hours_of(rows: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of hours in which `others` have none."""
    taken = others.select(pl.col("open_time").dt.truncate("1h").alias(_UNIT)).unique()
    marked = rows.with_columns(pl.col("open_time").dt.truncate("1h").alias(_UNIT))
    return marked.join(taken, on=_UNIT, how="anti", maintain_order="left").drop(_UNIT)


def _write(every: timedelta) -> str:
    return f"{every // HOUR} h" if every >= HOUR else f"{every // MINUTE} min"
