"""Bars of any size, made of trades (docs/formulas.md, Sources)."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from feature_repo.transforms.hours import sum_by_key


def build_bars_from_trades(trades: pl.LazyFrame, every: timedelta) -> pl.LazyFrame:
    """Return bars of size `every`, aligned to 1970, made of trades; a bar without trades has no row.

    `trades`: asset, time (Datetime µs UTC), trade_id (Int64), price (USDT), size (base coins), taker_buys (Boolean: the
    taker bought), trades (Int64: how many trades the row stands for; 1 unless aggregated), known_at; in any order.
    Trades are ordered by (time, trade_id), which decides open and close. One of zero size is no trade: it makes no
    price, no bar, and is not counted. Returns asset, open_time, open, high, low,
    close, volume, volume_quote, trade_count, taker_buy_volume, known_at, sorted by asset and time. Sums run from left
    to right; `known_at` is when the last trade of the bar became known.
    """
    keys = ("asset", "open_time")
    ordered = (
        trades.filter(pl.col("size") != 0)
        .sort("asset", "time", "trade_id")
        .with_columns(
            pl.col("time").dt.truncate(every).alias("open_time"),
            (pl.col("price") * pl.col("size")).alias("volume_quote"),
            pl.when("taker_buys").then("size").otherwise(0.0).alias("taker_buy_volume"),
            pl.col("trades").cast(pl.Float64).alias("trade_count"),
            pl.col("size").alias("volume"),
        )
    )
    prices = ordered.group_by(keys, maintain_order=True).agg(
        open=pl.col("price").first(),
        high=pl.col("price").max(),
        low=pl.col("price").min(),
        close=pl.col("price").last(),
    )
    sums = sum_by_key(ordered, keys, ("volume", "volume_quote", "trade_count", "taker_buy_volume"))
    return prices.join(sums, on=keys).sort(*keys)
