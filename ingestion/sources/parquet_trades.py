"""Recorded trades in a Parquet file, as bars of one minute."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from feature_repo.knowledge_time import history_known_at
from feature_repo.raw_datasets import DATASETS, INSTANT
from feature_repo.transforms.ticks import build_bars_from_trades
from pairity.bounded_files import read_file
from pairity.bounded_numbers import OutOfBoundsError
from pairity.bounded_parquet import RECORDED, read_table
from pairity.timeline import MINUTE, ceil_to, floor_to, to_ms

TRADE_COLUMNS = frozenset({"ts", "trade_id", "price", "size", "side"})
"""`ts` (ms), `trade_id`, `price` (USDT), `size` (coins), `side` of the taker: buy or sell."""
_FIRST_MS, _LAST_MS = (to_ms(datetime(year, 1, 1, tzinfo=UTC)) for year in (2009, 2100))


def read_trade_minutes(path: Path, since: datetime, until: datetime) -> pl.DataFrame:
    """Return the whole minutes of a file of trades in [since, until), in the columns of `trade_bars_1m`.

    The minutes of the file's first and last trade are left out: the recording may have begun or ended within them.
    Where the file has first_trade_id and last_trade_id, a row stands for as many trades. OutOfBoundsError for a file
    that is none of trades: a value that is missing or not above 0, another side, an instant that no calendar has.
    """
    rows = read_table(read_file(path, RECORDED.size))
    try:
        typed = rows.select(
            pl.col("ts").cast(pl.Int64),
            pl.col("trade_id").cast(pl.Int64),
            pl.col("price").cast(pl.Float64),
            pl.col("size").cast(pl.Float64),
            pl.col("side").cast(pl.String),
            _count_trades(rows).alias("trades"),
        )
    except pl.exceptions.PolarsError as error:
        raise OutOfBoundsError(f"is no file of trades: {str(error).splitlines()[0][:120]}") from None
    _require_sound(typed)
    if typed.is_empty():
        return DATASETS["trade_bars_1m"].empty()
    time = pl.col("ts").cast(pl.Datetime("ms", "UTC")).cast(INSTANT)
    trades = typed.select(time.alias("time"), "trade_id", "price", "size", "trades", taker_buys=pl.col("side") == "buy")
    first, last = trades.select(pl.col("time").min().alias("first"), pl.col("time").max()).row(0)
    start = max(floor_to(first, MINUTE) + MINUTE, ceil_to(since, MINUTE))
    end = min(floor_to(last, MINUTE), floor_to(until, MINUTE))
    inside = trades.filter(pl.col("time").is_between(start, end, closed="left"))
    ticks = inside.with_columns(pl.lit("").alias("asset"), pl.col("time").alias("known_at"))
    kind = DATASETS["trade_bars_1m"]
    bars = build_bars_from_trades(ticks.lazy(), MINUTE).collect().drop("asset", "known_at")
    return kind.conform(bars.with_columns(history_known_at(kind))).sort("open_time")


def _count_trades(rows: pl.DataFrame) -> pl.Expr:
    if {"first_trade_id", "last_trade_id"} <= set(rows.columns):
        return pl.col("last_trade_id").cast(pl.Int64) - pl.col("first_trade_id").cast(pl.Int64) + 1
    return pl.lit(1, pl.Int64)


def _require_sound(rows: pl.DataFrame) -> None:
    for name, sound in (
        ("ts", pl.col("ts").is_between(_FIRST_MS, _LAST_MS)),
        ("trade_id", pl.col("trade_id").is_not_null()),
        ("price", pl.col("price").is_finite() & (pl.col("price") > 0)),
        ("size", pl.col("size").is_finite() & (pl.col("size") > 0)),
        ("side", pl.col("side").is_in(["buy", "sell"])),
        ("trades", pl.col("trades") > 0),
    ):
        strange = rows.filter(~sound.fill_null(False))
        if strange.height:
            raise OutOfBoundsError(
                f"has {strange.height} rows whose {name} is none of a trade: {strange[name][0]!r:.60}"
            )
