"""Hourly bars in SQL (DuckDB), on integer microseconds."""

import duckdb
import polars as pl

_HOUR_US = 3_600_000_000
_SQL = f"""
select asset,
       (open_us // {_HOUR_US} + 1) * {_HOUR_US} as close_us,
       arg_min(open, open_us) as open, max(high) as high, min(low) as low, arg_max(close, open_us) as close,
       sum(volume) as volume_base,
       sum(case when volume_quote is null then (high + low + close) / 3 * volume else volume_quote end) as volume_quote,
       count(*) as minutes_observed, max(known_us) as known_us
from minutes group by all order by asset, close_us
"""


def hourly_bars(minutes: pl.DataFrame) -> pl.DataFrame:
    """Columns as the SQL says; times as integer microseconds."""
    table = minutes.with_columns(
        pl.col("open_time").dt.epoch("us").alias("open_us"), pl.col("known_at").dt.epoch("us").alias("known_us")
    ).drop("open_time", "known_at")
    with duckdb.connect() as connection:
        connection.register("minutes", table.to_arrow())
        return pl.from_arrow(connection.sql(_SQL).to_arrow_table())
