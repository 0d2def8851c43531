"""Recorded trades, best quotes and open interest of a file's table as rows of a dataset."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from feature_repo.knowledge_time import closed_known_at, history_known_at, inputs_known_at, recorded_known_at
from feature_repo.raw_datasets import DATASETS, INSTANT, KNOWN_AT
from feature_repo.transforms.ticks import build_bars_from_trades
from ingestion.sources.file_columns import RECEIVED, TIME
from ingestion.sources.file_rows import Note, find_step
from ingestion.sources.file_tables import FileTable
from ingestion.sources.reading import RefusedFileError, count_of, find_first
from pairity.timeline import DAY, MINUTE

_CORRECT = "correct these rows, or leave them out"
_BUYS = {"buy": True, "b": True, "bid": True, "sell": False, "s": False, "ask": False}
_IS_MAKER = {"true": False, "1": False, "t": False, "false": True, "0": True, "f": True}
_NUMBER = "number"


def read_trades(table: FileTable) -> pl.DataFrame:
    """Return trades in the columns that `build_trade_bars` takes, in the order of the file.

    A row stands for `last_trade_id − first_trade_id + 1` trades where both are given, else for one. RefusedFileError
    for a trade without a time, a positive price, a quantity and a side, and for a negative quantity. Known when its
    minute is over, or when it was received.
    """
    table.require((TIME, "trade_id", "price", "size"))
    rows = table.rows
    table.refuse(rows[TIME].is_null(), "without a time", "trade_id", _CORRECT)
    table.refuse(~_is_positive(rows["price"]), "without a price above zero", "price", _CORRECT)
    table.refuse(
        ~(rows["size"].is_finite() & (rows["size"] >= 0)).fill_null(value=False), "without a quantity", "size", _CORRECT
    )
    buys, said = ("side", _BUYS) if "side" in rows.columns else ("buyer_is_maker", _IS_MAKER)
    table.require((buys,))
    side = rows[buys].replace_strict(list(said), list(said.values()), default=None, return_dtype=pl.Boolean)
    table.refuse(side.is_null(), f"whose {buys} is none of {', '.join(said)}", buys, _CORRECT)
    count = pl.lit(1, pl.Int64)
    if {"first_trade_id", "last_trade_id"} <= set(rows.columns):
        table.refuse(
            rows["last_trade_id"] < rows["first_trade_id"], "whose last trade precedes the first", "trade_id", _CORRECT
        )
        count = pl.col("last_trade_id") - pl.col("first_trade_id") + 1
    close = pl.col(TIME).dt.truncate("1m") + MINUTE
    received = [RECEIVED] if RECEIVED in rows.columns else []
    if received:
        table.refuse(rows[RECEIVED].is_null(), "without the time at which they were received", TIME, _CORRECT)
    return rows.select(
        pl.lit("").alias("asset"),
        TIME,
        "trade_id",
        "price",
        "size",
        side.alias("taker_buys"),
        count.alias("trades"),
        inputs_known_at(closed_known_at(close), *received).alias(KNOWN_AT),
    )


def build_trade_bars(ticks: pl.DataFrame, note: Note, *, every: timedelta = MINUTE) -> pl.DataFrame:
    """Return bars of trades (the columns of `build_bars_from_trades`) in the columns of `trade_bars_1m`.

    A trade that came twice, by its id, counts once. One of zero quantity is no trade: it makes no price and is not
    counted, and what was left out so is noted. RefusedFileError where one id has two different trades.
    """
    once = ticks.unique([name for name in ticks.columns if name != KNOWN_AT], keep="first", maintain_order=True)
    twice = find_first(once["trade_id"].is_duplicated())
    if twice is not None:
        number = once["trade_id"][twice]
        raise RefusedFileError(
            f"has the trade {number} more than once, with different contents", "leave out the wrong one"
        )
    empty = once.filter(pl.col("size") == 0)
    if empty.height:
        note(f"{count_of(empty.height, 'trade')} of zero quantity, the first of id {empty['trade_id'][0]}: no trades")
    return DATASETS["trade_bars_1m"].conform(build_bars_from_trades(once.lazy(), every).collect())


def read_quotes(table: FileTable, note: Note) -> pl.DataFrame:
    """Return the best bids and asks in the columns of `book_tops`: the last quote of each instant, sorted by time.

    Within an instant the quote that was received last is the last one, or the file's order says it. RefusedFileError
    for quotes with a value missing, and where neither tells which of several quotes is the last. How many are followed
    by another one at their own instant is noted. Known from its time, or from when it was received.
    """
    kind = DATASETS["book_tops"]
    needed = ("bid_price", "bid_size", "ask_price", "ask_size")
    table.require((TIME, *needed))
    rows = table.rows
    table.refuse(rows[TIME].is_null(), "without a time", "bid_price", _CORRECT)
    for name in needed:
        table.refuse(rows[name].is_null() | rows[name].is_nan(), f"without {name}", TIME, _CORRECT)
    order, known = _NUMBER, history_known_at(kind)
    if RECEIVED in rows.columns:
        table.refuse(rows[RECEIVED].is_null(), "without the time at which they were received", TIME, _CORRECT)
        order, known = RECEIVED, recorded_known_at(kind, RECEIVED)
    numbered = rows.with_row_index(_NUMBER)
    if order == _NUMBER and not rows[TIME].is_sorted():
        if not rows[TIME].is_sorted(descending=True):
            unclear = rows.select(TIME, *needed).unique()
            table.refuse(
                rows[TIME].is_in(unclear.filter(pl.col(TIME).is_duplicated())[TIME].implode()),
                "of an instant with several quotes, in no order of time",
                TIME,
                "sort the file by time, or give the column recv_ns",
            )
        numbered = numbered.reverse()
    last = numbered.sort(TIME, *({order} - {_NUMBER}), maintain_order=True).unique(
        TIME, keep="last", maintain_order=True
    )
    if last.height < rows.height:
        followed = count_of(rows.height - last.height, "quote")
        note(f"{followed} followed by another one at the same instant: the last counts")
    return kind.conform(last.with_columns(known).rename({TIME: kind.time}))


def read_interest(table: FileTable, note: Note) -> pl.DataFrame:
    """Return open interest in the columns of `open_interest`, sorted by time; repeated rows once.

    `open_interest` is in base coins, `open_interest_usd` and `oi_close` in USD. `oi_close` is the value at the end of a
    bar as long as most of the file's steps, a day where there is only one: it is a sample of that end. A row without
    either value is left out and noted. RefusedFileError for a row without a time.
    """
    kind = DATASETS["open_interest"]
    table.require((TIME,))
    rows = table.rows
    table.refuse(rows[TIME].is_null(), "without a time", TIME, _CORRECT)
    if "interest_close_usd" in rows.columns and not {"open_interest", "open_interest_usd"} & set(rows.columns):
        step = find_step(rows[TIME]) or DAY
        rows = rows.with_columns(
            (pl.col(TIME) + step).cast(INSTANT), pl.col("interest_close_usd").alias("open_interest_usd")
        )
    own = [name for name in kind.values if name in rows.columns]
    empty = rows.select(pl.all_horizontal(pl.col(name).fill_nan(None).is_null() for name in own)).to_series()
    first = find_first(empty)
    if first is not None:
        note(
            f"{count_of(int(empty.sum()))} without a value, the first in {table.place(first)}: holes of the file itself"
        )
    kept = rows.filter(~empty).rename({TIME: kind.time}).with_columns(history_known_at(kind))
    return kind.conform(kept).unique(maintain_order=True).sort(kind.time, maintain_order=True)


def _is_positive(numbers: pl.Series) -> pl.Series:
    return (numbers.is_finite() & (numbers > 0)).fill_null(value=False)
