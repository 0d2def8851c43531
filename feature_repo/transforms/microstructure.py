"""Hourly microstructure of one asset, from its minutes, its samples (open interest, index) and collected snapshots.

Formulas: docs/formulas.md, Hourly microstructure.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from feature_repo.catalog.microstructure import ASSET_MICROSTRUCTURE
from feature_repo.knowledge_time import feature_created_at, inputs_known_at
from feature_repo.transforms.division import divide
from feature_repo.transforms.grid import only_after
from feature_repo.transforms.hours import EVENT, sum_by_key
from feature_repo.transforms.settlements import with_intervals
from pairity.timeline import DAY, HOUR

OPEN_INTEREST_MAX_AGE = 25 * HOUR
"""Daily samples are the coarsest that venues give; one hour of grace for a late one."""
INTERVAL_MAX_AGE = DAY
"""As long as the rate of the same settlement is used (`assets.FUNDING_MAX_AGE`)."""
_OF_MINUTES = (
    "vwap",
    "realized_vol_1h",
    "volume_cv",
    "taker_buy_volume",
    "taker_volume",
    "parkinson_vol",
    "garman_klass_vol",
    "amihud",
    "roll_spread",
)


def compute_microstructure(
    bars: pl.LazyFrame,
    hours: pl.LazyFrame,
    funding: pl.LazyFrame,
    index: pl.LazyFrame,
    open_interest: pl.LazyFrame,
    traded: Sequence[pl.LazyFrame],
    books: pl.LazyFrame,
    liquidations: pl.LazyFrame,
    *,
    after: datetime | None = None,
) -> pl.LazyFrame:
    """Return the columns of `catalog.ASSET_MICROSTRUCTURE`, one row per row of `bars`, sorted by asset and time.

    `bars`: rows of `asset_hourly`; `hours`: statistics of hours (`summarise_hours`). The others are raw rows: `index`
    of `index_1h`, `traded` of (`trade_bars_1m`, `taker_volume_1h`), `books` of `book_tops`; `funding`, `open_interest`
    and `liquidations` of the dataset of that name. A dataset of which nothing was collected is empty, and its features
    are null. Only rows later than `after` are returned.

    `event_timestamp` is the hour's close. `created_timestamp` is when everything since the chunk's start was known,
    never before close + 1 ms.
    """
    trade_bars, taker_volumes = traded
    rows = only_after(bars, after).select(
        "asset", EVENT, pl.col("close").alias("bar_close"), pl.col("created_timestamp").alias("known")
    )
    of_minutes = hours.select("asset", EVENT, *_OF_MINUTES, "minutes_observed", "known_at")
    parts = (
        _renamed(of_minutes, "minutes"),
        _renamed(_takers_of_trades(trade_bars), "trades"),
        _renamed(_takers_of_hours(taker_volumes), "hours"),
        _renamed(_index_closes(index), "index"),
        _renamed(_last_books(books), "books"),
        _renamed(_liquidated(liquidations), "liquidations"),
    )
    for part in parts:
        rows = rows.join(only_after(part, after), on=["asset", EVENT], how="left")
    rows = rows.sort("asset", EVENT)
    rows = _latest(rows, _intervals(funding), "funding_time", INTERVAL_MAX_AGE, timedelta(0), "interval")
    # A sample in USD alone says nothing of the coins.
    coins = open_interest.filter(pl.col("open_interest").is_not_null())
    interest = coins.select("asset", "time", "open_interest", "known_at")
    rows = _latest(rows, interest, "time", OPEN_INTEREST_MAX_AGE, timedelta(0), "interest")
    before = interest.rename({"open_interest": "open_interest_before"})
    rows = _latest(rows, before, "time", OPEN_INTEREST_MAX_AGE, DAY, "before")
    known = inputs_known_at("known", pl.selectors.starts_with("known_at_")).cum_max().over("asset")
    return rows.with_columns(_derived()).with_columns(feature_created_at(known)).select(ASSET_MICROSTRUCTURE.columns)


def _derived() -> list[pl.Expr]:
    # One source decides for an hour: its two columns are null together, so bought and total never mix sources.
    bought = pl.coalesce("taker_buy_volume", "taker_buy_trades", "taker_buy_hours")
    total = pl.coalesce("taker_volume", "taker_trades", "taker_hours")
    interest, before = pl.col("open_interest"), pl.col("open_interest_before")
    return [
        ((pl.col("bar_close") - pl.col("vwap")) / pl.col("vwap")).alias("vwap_deviation"),
        pl.when(total > 0).then(bought / total).alias("taker_buy_ratio"),
        (pl.col("bar_close") / pl.col("index_close") - 1.0).alias("basis"),
        pl.when(before > 0).then(interest / before - 1.0).alias("open_interest_change_24h"),
        pl.col("minutes_observed").fill_null(0),
    ]


def _renamed(part: pl.LazyFrame, source: str) -> pl.LazyFrame:
    return part.rename({"known_at": f"known_at_{source}"})


def _hour_close(time: str) -> pl.Expr:
    """Return the close of an instant's hour; an instant at a close belongs to the hour that ends there."""
    floor = pl.col(time).dt.truncate("1h")
    return pl.when(pl.col(time) == floor).then(floor).otherwise(floor + HOUR).alias(EVENT)


def _takers_of_trades(trade_bars: pl.LazyFrame) -> pl.LazyFrame:
    closes = (pl.col("open_time").dt.truncate("1h") + HOUR).alias(EVENT)
    renamed = trade_bars.sort("asset", "open_time").select(
        "asset",
        closes,
        pl.col("taker_buy_volume").alias("taker_buy_trades"),
        pl.col("volume").alias("taker_trades"),
        "known_at",
    )
    return sum_by_key(renamed, ("asset", EVENT), ("taker_buy_trades", "taker_trades"))


def _takers_of_hours(volumes: pl.LazyFrame) -> pl.LazyFrame:
    return volumes.select(
        "asset",
        (pl.col("open_time") + HOUR).alias(EVENT),
        pl.col("buy_volume").alias("taker_buy_hours"),
        (pl.col("buy_volume") + pl.col("sell_volume")).alias("taker_hours"),
        "known_at",
    )


def _index_closes(index: pl.LazyFrame) -> pl.LazyFrame:
    return index.select(
        "asset", (pl.col("open_time") + HOUR).alias(EVENT), pl.col("close").alias("index_close"), "known_at"
    )


def _last_books(books: pl.LazyFrame) -> pl.LazyFrame:
    """Return spread (bps) and imbalances (−1…1) of the last snapshot of each hour; null where a side is missing."""
    bid, ask = pl.col("bid_price"), pl.col("ask_price")
    return (
        books.sort("asset", "time")
        .group_by("asset", _hour_close("time"), maintain_order=True)
        .last()
        .select(
            "asset",
            EVENT,
            ((ask - bid) / divide(ask + bid, 2.0) * 10_000.0).alias("book_spread_bps"),
            _imbalance("bid_size", "ask_size").alias("depth_imbalance"),
            _imbalance("bid_size_20", "ask_size_20").alias("depth_imbalance_20"),
            "known_at",
        )
    )


def _imbalance(bid: str, ask: str) -> pl.Expr:
    total = pl.col(bid) + pl.col(ask)
    return pl.when(total > 0).then((pl.col(bid) - pl.col(ask)) / total)


def _liquidated(liquidations: pl.LazyFrame) -> pl.LazyFrame:
    both = (pl.col("long_notional") + pl.col("short_notional")).alias("liquidation_notional")
    rows = liquidations.sort("asset", "time").select("asset", _hour_close("time"), both, "known_at")
    return sum_by_key(rows, ("asset", EVENT), ("liquidation_notional",))


def _intervals(funding: pl.LazyFrame) -> pl.LazyFrame:
    """Return the hours between each settlement and the one before it: see `settlements.with_intervals`."""
    return with_intervals(funding).select("asset", "funding_time", "funding_interval_h", "known_at")


def _latest(
    rows: pl.LazyFrame, samples: pl.LazyFrame, time: str, max_age: timedelta, back: timedelta, source: str
) -> pl.LazyFrame:
    """Add to `rows` the newest sample at or before event − `back`; null where that is older than `max_age`."""
    right = samples.rename({"known_at": f"known_at_{source}", time: "__time"}).sort("__time")
    return (
        rows.with_columns((pl.col(EVENT) - back).alias("__as_of"))
        .sort("__as_of")
        .join_asof(
            right,
            left_on="__as_of",
            right_on="__time",
            by="asset",
            strategy="backward",
            tolerance=max_age,
            check_sortedness=False,  # both sides are sorted just above; Polars cannot check that within groups
        )
        .drop("__as_of", "__time", strict=False)
        .sort("asset", EVENT)
    )
