"""Dead contracts: listed and priced, but nobody trades them (docs/formulas.md, Dead contracts)."""

from __future__ import annotations

import polars as pl

from feature_repo.transforms.grid import EVENT, with_hour_grid
from pairity.timeline import MINUTE

_HOUR, _PRICE = "__hour", "__price"


def mark_dead(after_hours: int) -> pl.Expr:
    """Return whether an hour ends `after_hours` hours or more without a trade and without a move of the price.

    For hourly bars on a whole grid, sorted by asset and time (open, high, low, close, volume_base; null where there is
    no bar). An hour is still where its volume is 0 and all its prices are the close before it. Only the hours up to
    this one count, so nothing looks ahead; a missing hour breaks the stretch: an outage is no dead contract.
    """
    close, before = pl.col("close"), pl.col("close").shift(1).over("asset")
    still = (pl.col("volume_base") == 0) & (close == before) & (pl.col("high") == close) & (pl.col("low") == close)
    count = still.fill_null(False).cast(pl.Int32).rolling_sum(after_hours).over("asset")
    return (count == after_hours).fill_null(False)


def find_dead_hours(bars: pl.LazyFrame, after_hours: int) -> pl.DataFrame:
    """Return asset, event_timestamp (the close) and close (USDT) of the dead hours of `bars` (`bars.COLUMNS`).

    Sorted by asset and time. `bars` need to reach `after_hours` + 1 hours before the first hour that is wanted.
    """
    marked = with_hour_grid(bars, "asset").filter(mark_dead(after_hours))
    return marked.select("asset", EVENT, "close").collect()


def find_dead_minutes(minutes: pl.DataFrame, hours: pl.DataFrame) -> pl.DataFrame:
    """Return asset and open_time of the minutes at whose close a contract is dead.

    `minutes`: rows of `candles_1m`; `hours`: dead hours (`find_dead_hours`), the one before the first minute included.
    Those are the last minute of a dead hour, whether or not it has a row, and the minutes after it up to the first one
    in which the contract trades or its price moves: nothing looks ahead, and full hours agree with the hours.
    """
    if hours.is_empty():
        return minutes.select("asset", "open_time").clear()
    last = hours.select("asset", (pl.col(EVENT) - MINUTE).alias("open_time"))
    price = hours.select("asset", pl.col(EVENT).alias(_HOUR), pl.col("close").alias(_PRICE))
    placed = minutes.with_columns(pl.col("open_time").dt.truncate("1h").alias(_HOUR))
    after = placed.join(price, on=["asset", _HOUR]).sort("asset", "open_time")
    still = (pl.col("volume") == 0) & (pl.min_horizontal("open", "low", "close") == pl.col(_PRICE))
    still &= pl.max_horizontal("open", "high", "close") == pl.col(_PRICE)
    so_far = still.cast(pl.Int8).cum_min().over("asset", _HOUR) == 1
    following = after.filter(so_far).select("asset", "open_time")
    return pl.concat([last, following]).unique().sort("asset", "open_time")


def drop_dead(rows: pl.LazyFrame, hours: pl.DataFrame) -> pl.LazyFrame:
    """Return `rows` (asset, event_timestamp, …) without those that close with a dead hour; their order is kept."""
    if hours.is_empty():
        return rows
    return rows.join(hours.lazy().select("asset", EVENT), on=["asset", EVENT], how="anti", maintain_order="left")
