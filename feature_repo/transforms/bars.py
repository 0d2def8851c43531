"""Hourly bars, from minutes or from the venue's own hours (docs/formulas.md, Bars)."""

from __future__ import annotations

import polars as pl

from feature_repo.transforms.division import divide
from feature_repo.transforms.hours import summarise_hours
from pairity.timeline import HOUR

_VALUES = ("open", "high", "low", "close", "volume_base", "volume_quote", "minutes_observed", "known_at")
COLUMNS = ("asset", "event_timestamp", *_VALUES)


def select_bars(hours: pl.LazyFrame) -> pl.LazyFrame:
    """Return bars of one hour, made of 1-minute candles.

    `hours`: statistics of hours (see `summarise_hours`). Returns `COLUMNS`, sorted by asset and time; `event_timestamp`
    is the hour's *close*. An hour without minutes has no row. `volume_quote` is the venue's where it gives one, else
    (high + low + close)/3 · volume, minute by minute. `known_at` is when the last of the minutes became known.
    """
    return hours.select(COLUMNS)


def adopt_native_hours(hours: pl.LazyFrame) -> pl.LazyFrame:
    """Return the same columns from the venue's own hourly candles.

    `minutes_observed` is 60: the venue saw the whole hour. A missing `volume_quote` becomes (high + low + close)/3 ·
    volume.
    """
    typical = divide(pl.col("high") + pl.col("low") + pl.col("close"), 3.0)
    return hours.select(
        pl.col("asset"),
        (pl.col("open_time") + HOUR).alias("event_timestamp"),
        pl.col("open"),
        pl.col("high"),
        pl.col("low"),
        pl.col("close"),
        pl.col("volume").alias("volume_base"),
        pl.coalesce("volume_quote", typical * pl.col("volume")).alias("volume_quote"),
        pl.lit(60, dtype=pl.Int64).alias("minutes_observed"),
        pl.col("known_at"),
    ).sort("asset", "event_timestamp")


def make_bars(minutes: pl.LazyFrame, native: pl.LazyFrame, trades: pl.LazyFrame) -> pl.LazyFrame:
    """Return the bars (`COLUMNS`) of raw rows: minutes before the venue's own hours, those before bars of trades.

    `minutes`, `native` and `trades`: rows of `candles_1m`, `candles_1h` and `trade_bars_1m` with `asset`.
    """
    of_candles = prefer_bars(select_bars(summarise_hours(minutes)), adopt_native_hours(native))
    return prefer_bars(of_candles, select_bars(summarise_hours(trades)))


def prefer_bars(first: pl.LazyFrame, second: pl.LazyFrame) -> pl.LazyFrame:
    """Return the bars of `first` where there are any, those of `second` elsewhere; sorted by asset and time.

    Bars of minutes come before the venue's own hours, and those before bars of trades.
    """
    only_second = second.join(first, on=["asset", "event_timestamp"], how="anti")
    return pl.concat([first, only_second]).sort("asset", "event_timestamp")
