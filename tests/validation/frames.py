"""Sound frames of each dataset, and ways to break one row of them."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import polars as pl

from feature_repo.catalog import ASSET_HOURLY
from feature_repo.offline_files import make_schema
from validation.profiles import profile_raw

T0 = datetime(2025, 4, 1, tzinfo=UTC)
NOW = T0 + timedelta(days=2)
MINUTE = timedelta(minutes=1)
UTC_TIME = pl.Datetime("us", "UTC")


def candles(minutes=120):
    times = [T0 + i * MINUTE for i in range(minutes)]
    close = [100.0 + math.sin(i / 7) for i in range(minutes)]
    return pl.DataFrame(
        {
            "open_time": times,
            "open": [100.0, *close[:-1]],
            "high": [c + 2 for c in close],
            "low": [c - 2 for c in close],
            "close": close,
            "volume": [float(i % 5) for i in range(minutes)],
            "volume_quote": [None] * minutes,
            "known_at": [t + MINUTE + timedelta(milliseconds=1) for t in times],
        },
        schema_overrides={"open_time": UTC_TIME, "known_at": UTC_TIME, "volume_quote": pl.Float64},
    )


def of(asset, rows):
    """The rows of one instrument as they stand in a frame of several."""
    return rows.select(pl.lit(asset).alias("asset"), pl.all())


def profile(rows, dataset, now=NOW, *, key="BTC/2025-04", close_before=None):
    """The profile of one instrument's rows."""
    asset, _, month = key.partition("/")
    closes = {} if close_before is None else {asset: close_before}
    return profile_raw(of(asset, rows), dataset, month, now, closes_before=closes)


def at(row, **values):
    """The frame with one row changed."""

    def change(frame):
        index = pl.int_range(pl.len())
        return frame.with_columns(
            pl.when(index == row).then(pl.lit(value, frame.schema[name])).otherwise(pl.col(name)).alias(name)
            for name, value in values.items()
        )

    return change


def funding(rates=(0.0001, -0.0002, 0.0001)):
    times = [T0 + timedelta(hours=8 * i) for i in range(len(rates))]
    known = [t + timedelta(milliseconds=1) for t in times]
    return pl.DataFrame(
        {"funding_time": times, "funding_rate": list(rates), "known_at": known},
        schema_overrides={"funding_time": UTC_TIME, "known_at": UTC_TIME},
    )


def feature_rows(asset="BTC", hours=30):
    times = [T0 + timedelta(hours=i + 1) for i in range(hours)]
    values = {f.name: [60 if f.dtype == "int64" else 1.0] * hours for f in ASSET_HOURLY.features}
    values |= {"funding_rate": [0.0001] * hours, "return_1h": [0.001] * hours}
    known = [t + timedelta(milliseconds=1) for t in times]
    return pl.DataFrame(
        {"asset": [asset] * hours, "event_timestamp": times, "created_timestamp": known, **values},
        schema=make_schema(ASSET_HOURLY),
    )
