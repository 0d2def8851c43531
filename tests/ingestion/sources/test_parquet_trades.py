"""Files of trades become whole minutes: against a loop, cut minutes left out, what is no trade refused by name."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.sources.catalog import open_source
from ingestion.sources.parquet_trades import read_trade_minutes
from pairity.bounded_numbers import OutOfBoundsError
from pairity.errors import DataError
from pairity.settings import Settings

RECORDED = os.environ.get("PAIRITY_RECORDED_DATA")
T0 = datetime(2024, 5, 1, tzinfo=UTC)
MS = int(T0.timestamp() * 1000)
FAR = T0 + timedelta(days=2)
trades = st.lists(
    st.tuples(st.integers(0, 600_000), st.integers(1, 50).map(float), st.integers(1, 9).map(float), st.booleans()),
    min_size=1,
    max_size=40,
)


def write(path, rows, **columns):
    frame = pl.DataFrame(
        [
            (MS + at, number, price, size, "buy" if buys else "sell")
            for number, (at, price, size, buys) in enumerate(rows)
        ],
        schema={"ts": pl.Int64, "trade_id": pl.Int64, "price": pl.Float64, "size": pl.Float64, "side": pl.String},
        orient="row",
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.with_columns(**columns).write_parquet(path)
    return path


def minutes_by_hand(rows):
    ordered = sorted(enumerate(rows), key=lambda item: (item[1][0], item[0]))
    first, last = ordered[0][1][0] // 60_000, ordered[-1][1][0] // 60_000
    made = {}
    for _, (at, price, size, buys) in ordered:
        if first < at // 60_000 < last:
            bar = made.setdefault(at // 60_000, [price, price, price, price, 0.0, 0.0, 0.0, 0.0])
            bar[1], bar[2], bar[3] = max(bar[1], price), min(bar[2], price), price
            bar[4] += size
            bar[5] += price * size
            bar[6] += 1
            bar[7] += size if buys else 0.0
    return [(T0 + minute * timedelta(minutes=1), *made[minute]) for minute in sorted(made)]


@given(rows=trades)
def test_minutes_are_those_of_a_loop(rows, tmp_path_factory):
    path = write(tmp_path_factory.mktemp("ticks") / "BTC-USDT.parquet", rows)
    found = read_trade_minutes(path, T0 - timedelta(days=1), FAR)
    assert found.drop("known_at").rows() == minutes_by_hand(rows)
    assert (found["known_at"] - found["open_time"]).unique().to_list() in ([], [timedelta(minutes=1, milliseconds=1)])


def test_only_whole_minutes_of_the_range_are_returned(tmp_path):
    path = write(tmp_path / "BTC-USDT.parquet", [(second * 1000, 10.0, 1.0, True) for second in range(600)])
    found = read_trade_minutes(path, T0 + timedelta(seconds=90), T0 + timedelta(seconds=310))
    assert found["open_time"].to_list() == [T0 + timedelta(minutes=n) for n in (2, 3, 4)]
    assert found["trade_count"].to_list() == [60.0] * 3


@pytest.mark.parametrize(
    "columns",
    [
        {"side": pl.lit("SELL!")},
        {"side": pl.lit(None, pl.String)},
        {"price": pl.lit(0.0)},
        {"price": pl.lit(float("nan"))},
        {"size": pl.lit(-1.0)},
        {"ts": pl.col("ts") * 1000},
        {"trade_id": pl.lit(None, pl.Int64)},
        {"price": pl.lit("ten")},
        {"first_trade_id": pl.lit(9), "last_trade_id": pl.lit(3)},
    ],
)
def test_what_is_no_trade_is_refused(tmp_path, columns):
    path = write(tmp_path / "in" / "BTC-USDT.parquet", [(1, 10.0, 1.0, True), (90_000, 10.0, 1.0, True)], **columns)
    with pytest.raises(OutOfBoundsError):
        read_trade_minutes(path, T0, FAR)
    source = open_source("parquet-folder", Settings(home=tmp_path), tmp_path / "in")
    with pytest.raises(DataError, match=r"BTC-USDT\.parquet"):
        source.read("trade_bars_1m", "BTC", T0, FAR)


@pytest.mark.skipif(RECORDED is None, reason="PAIRITY_RECORDED_DATA names no recorded market data")
def test_recorded_ticks_of_a_day(tmp_path):
    folder = Path(RECORDED) / "binance_um" / "trades"
    source = open_source("parquet-folder", Settings(home=tmp_path), folder)
    since = datetime(2024, 10, 17, tzinfo=UTC)
    found = source.read("trade_bars_1m", "APE", since, since + timedelta(days=3))
    raw = pl.read_parquet(folder / "APE-USDT.parquet").with_columns(minute=pl.col("ts") // 60_000)
    inside = raw.filter((pl.col("minute") > raw["minute"].min()) & (pl.col("minute") < raw["minute"].max()))
    assert found.height == inside["minute"].n_unique() > 1_300
    assert found["volume"].sum() == pytest.approx(inside["size"].sum())
    assert found["trade_count"].sum() == (inside["last_trade_id"] - inside["first_trade_id"] + 1).sum()
    assert found["taker_buy_volume"].sum() == pytest.approx(inside.filter(pl.col("side") == "buy")["size"].sum())
    assert source.read("candles_1m", "APE", since, since + timedelta(days=3)) is None
