"""Ticks into bars: against a loop, SQL and the venue's own bars."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.transforms.ticks import build_bars_from_trades
from tests.examples import examples
from tests.feature_repo.transforms.markets import UTC_US, assert_same_bits

RECORDED = os.environ.get("PAIRITY_RECORDED_DATA")
T0 = datetime(2024, 1, 1, tzinfo=UTC)
SIZES = st.sampled_from([timedelta(seconds=5), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)])


def ticks(rows):
    schema = {
        "asset": pl.String,
        "time": UTC_US,
        "trade_id": pl.Int64,
        "price": pl.Float64,
        "size": pl.Float64,
        "taker_buys": pl.Boolean,
        "trades": pl.Int64,
        "known_at": UTC_US,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def by_loop(rows, every):
    bars = {}
    for asset, time, _, price, size, buys, count, known in sorted(rows, key=lambda r: (r[0], r[1], r[2])):
        if size == 0:  # no trade: nobody paid its price
            continue
        opened = T0 + (time - T0) // every * every
        bar = bars.setdefault((asset, opened), [price, price, price, price, 0.0, 0.0, 0.0, 0.0, known])
        bar[1], bar[2], bar[3] = max(bar[1], price), min(bar[2], price), price
        bar[4] += size
        bar[5] += price * size
        bar[6] += count
        bar[7] += size if buys else 0.0
        bar[8] = max(bar[8], known)
    return [(*key, *values) for key, values in sorted(bars.items())]


@settings(deadline=None, max_examples=examples(80))
@given(
    every=SIZES,
    raw=st.lists(
        st.tuples(
            st.sampled_from("AB"),
            st.integers(0, 200_000),
            st.integers(0, 50),
            st.floats(0.1, 1e5),
            st.just(0.0) | st.floats(1e-6, 1e6),
            st.booleans(),
            st.integers(1, 9),
        ),
        max_size=60,
        unique_by=lambda r: (r[0], r[1], r[2]),
    ),
)
def test_bars_are_those_of_a_loop_whatever_the_order(every, raw):
    rows = [
        (a, T0 + timedelta(seconds=s), i, p, q, b, n, T0 + timedelta(seconds=s, days=1)) for a, s, i, p, q, b, n in raw
    ]
    ours = build_bars_from_trades(ticks(rows).lazy(), every).collect()
    columns = (
        "asset",
        "open_time",
        "open",
        "high",
        "low",
        "close",
        "volume",
        "volume_quote",
        "trade_count",
        "taker_buy_volume",
        "known_at",
    )
    assert ours.select(columns).rows() == by_loop(rows, every)
    assert_same_bits(build_bars_from_trades(ticks(rows[::-1]).lazy(), every).collect(), ours)


@pytest.mark.recorded
def test_recorded_ticks_of_an_hour_are_the_bars_of_sql():
    if not RECORDED:
        pytest.skip("PAIRITY_RECORDED_DATA is not set: no recorded trades")
    recorded = pl.read_parquet(Path(RECORDED) / "binance_um" / "trades" / "BTC-USDT.parquet")
    time = pl.from_epoch("ts", time_unit="ms").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    rows = recorded.select(
        pl.lit("BTC").alias("asset"),
        time.alias("time"),
        pl.col("trade_id").cast(pl.Int64),
        "price",
        "size",
        (pl.col("side").str.to_lowercase() == "buy").alias("taker_buys"),
        pl.lit(1, pl.Int64).alias("trades"),
        time.alias("known_at"),
    )
    for every, unit in ((timedelta(hours=1), "hour"), (timedelta(minutes=1), "minute")):
        ours = build_bars_from_trades(rows.lazy(), every).collect()
        assert ours["trade_count"].sum() == recorded.height
        with duckdb.connect() as database:
            database.execute("set timezone = 'UTC'")
            database.register("ticks", rows.to_arrow())
            theirs = database.execute(f"""
                select first(price order by time, trade_id), max(price), min(price),
                  last(price order by time, trade_id),
                  sum(size), sum(price * size), count(*), coalesce(sum(size) filter (taker_buys), 0)
                from ticks group by date_trunc('{unit}', time)
                order by date_trunc('{unit}', time)""").fetchall()
        names = ("open", "high", "low", "close", "volume", "volume_quote", "trade_count", "taker_buy_volume")
        for mine, other in zip(ours.select(names).rows(), theirs, strict=True):
            assert mine == pytest.approx(tuple(map(float, other)), rel=1e-9, abs=1e-9)
