"""Hourly notionals of an instrument in all versions, each with the time during which it was the one to know.

What a universe was at a date may depend only on what was known then: bars that came late count from their arrival on,
and a correction replaces a bar only from the correction on.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from feature_repo.knowledge_time import unasked_known_at
from feature_repo.raw_datasets import INSTANT, KNOWN_AT
from pairity.timeline import HOUR

_HOUR = "bar_close"
FOREVER = "replaced_at"
COLUMNS = (_HOUR, KNOWN_AT, FOREVER, "notional", "close")


def make_hour_versions(minutes: pl.DataFrame, native: pl.DataFrame) -> pl.DataFrame:
    """Return bar_close, known_at, replaced_at (null: never), notional and close (USDT) of one instrument.

    Sorted by both times.

    `minutes` and `native`: all versions of its rows of `candles_1m` and `candles_1h`. notional = close · volume of the
    hour. An hour of minutes is made of those that are known: one that comes later makes a new version. Where minutes
    are known, they win over the venue's own hour. At an instant at or after the hour's close at most one version of it
    has known_at <= instant < replaced_at.
    """
    versions = pl.concat([_of_native(native), _of_minutes(minutes)]).sort(
        _HOUR, KNOWN_AT, "of_minutes", maintain_order=True
    )
    # A native bar that comes after the minutes changes nothing.
    seen = pl.col("of_minutes").cast(pl.Int8).cum_max().over(_HOUR)
    useful = versions.filter(pl.col("of_minutes").cast(pl.Int8) == seen)
    latest = useful.unique([_HOUR, KNOWN_AT], keep="last", maintain_order=True)
    return latest.with_columns(pl.col(KNOWN_AT).shift(-1).over(_HOUR).alias(FOREVER)).select(COLUMNS)


def select_known(versions: pl.DataFrame, known_by: datetime) -> pl.DataFrame:
    """Return the rows of `versions` that were the ones to know at `known_by`."""
    at = pl.lit(known_by, INSTANT)
    return versions.filter(pl.col(KNOWN_AT) <= at, pl.col(FOREVER).is_null() | (pl.col(FOREVER) > at))


def _of_native(native: pl.DataFrame) -> pl.DataFrame:
    return native.select(
        (pl.col("open_time") + HOUR).alias(_HOUR),
        unasked_known_at(pl.col("open_time") + HOUR),
        (pl.col("close") * pl.col("volume")).alias("notional"),
        "close",
        pl.lit(value=False).alias("of_minutes"),
    )


def _of_minutes(minutes: pl.DataFrame) -> pl.DataFrame:
    close = pl.col("open_time").dt.truncate("1h") + HOUR
    arrived = pl.col(KNOWN_AT).alias("arrived")
    rows = minutes.select("open_time", unasked_known_at(close), arrived, "close", "volume", close.alias(_HOUR))
    moments = rows.select(_HOUR, pl.col(KNOWN_AT).alias("at")).unique()
    known = moments.join(rows, on=_HOUR).filter(pl.col(KNOWN_AT) <= pl.col("at"))
    ordered = known.sort(_HOUR, "at", "open_time", "arrived")
    newest = ordered.unique([_HOUR, "at", "open_time"], keep="last", maintain_order=True)
    hours = newest.group_by(_HOUR, "at", maintain_order=True).agg(pl.col("close").last(), pl.col("volume").sum())
    return hours.select(
        _HOUR,
        pl.col("at").alias(KNOWN_AT),
        (pl.col("close") * pl.col("volume")).alias("notional"),
        "close",
        pl.lit(value=True).alias("of_minutes"),
    )
