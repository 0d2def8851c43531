"""Recorded trades, best quotes and open interest in folders; each trade of an archive counts once."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from ingestion.sources import binance_files
from ingestion.sources.folders import CsvFolder, ParquetFolder
from pairity.errors import DataError, VenueAnswerError
from tests.ingestion.sources.folder_files import MINUTE, T0, T1, micro, write_csv

RECORDED = os.environ.get("PAIRITY_RECORDED_DATA")
LAG = timedelta(milliseconds=1)
TRADES = [
    (T0 + timedelta(seconds=3), 11, 100.0, 2.0, "buy"),
    (T0 + timedelta(seconds=50), 12, 104.0, 1.0, "sell"),
    (T0 + timedelta(seconds=50), 13, 99.0, 0.5, "buy"),
    (T0 + timedelta(seconds=130), 14, 101.0, 4.0, "sell"),
]
BARS = [
    (T0, 100.0, 104.0, 99.0, 99.0, 3.5, 353.5, 3.0, 2.5),
    (T0 + 2 * MINUTE, 101.0, 101.0, 101.0, 101.0, 4.0, 404.0, 1.0, 0.0),
]


# A recording begins and ends within a minute, which makes no bar: these two minutes are its first and its last.
EDGES = [(T0 - timedelta(seconds=30), 10, 90.0, 1.0, "buy"), (T0 + 6 * MINUTE, 40, 110.0, 1.0, "sell")]


def write_trades(path, trades, edges=EDGES, **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    fill = {"recv_ns": [micro(row[0]) * 1000 for row in edges]}
    more = {name: [*values, *fill.get(name, [row[1] for row in edges])] for name, values in more.items()}
    trades = [*trades, *edges]
    columns = {"ts": [micro(row[0]) // 1000 for row in trades]}
    columns |= {
        name: [row[place] for row in trades] for place, name in enumerate(("trade_id", "price", "size", "side"), 1)
    }
    pl.DataFrame(columns | more).write_parquet(path)


def read_bars(folder, source=ParquetFolder):
    own = source(folder)
    rows = own.read("trade_bars_1m", "BTC", T0, T1)
    return rows, [remark.what for remark in own.remarks.list() if "recording begins or ends" not in remark.what]


@pytest.mark.parametrize("order", [TRADES, TRADES[::-1], TRADES[2:] + TRADES[:2], TRADES + TRADES[1:3]])
def test_trades_are_bars_in_any_order_and_count_once(tmp_path, order):
    write_trades(tmp_path / "trades" / "BTC-USDT.parquet", order)
    rows, remarks = read_bars(tmp_path)
    assert rows.drop("known_at").rows() == BARS
    assert rows["known_at"].to_list() == [T0 + MINUTE + LAG, T0 + 3 * MINUTE + LAG]
    assert remarks == []


def test_files_that_meet_within_a_minute_are_one_recording(tmp_path):
    for name, part in (("trades/BTC-USDT_20240501.parquet", TRADES[:2]), ("trades/BTC-USDT.parquet", TRADES[1:])):
        write_trades(tmp_path / name, part)
    assert read_bars(tmp_path)[0].drop("known_at").rows() == BARS


def test_a_bar_is_known_when_its_last_trade_was_received(tmp_path):
    late = [T0 + timedelta(seconds=70), T0, T0, T0]
    write_trades(tmp_path / "BTC-USDT.parquet", TRADES, recv_ns=[micro(at) * 1000 for at in late])
    rows, _ = read_bars(tmp_path)
    assert rows["known_at"].to_list() == [T0 + timedelta(seconds=70), T0 + 3 * MINUTE + LAG]


def test_a_row_may_stand_for_several_trades(tmp_path):
    write_trades(tmp_path / "BTC-USDT.parquet", TRADES, first_trade_id=[1, 2, 3, 4], last_trade_id=[1, 2, 9, 4])
    assert read_bars(tmp_path)[0]["trade_count"].to_list() == [9.0, 1.0]


def test_trades_in_a_sheet(tmp_path):
    header = "time;id;price;qty;is_buyer_maker"
    rows = [
        (at.isoformat(), str(number), f"{price},0", f"{size:.1f}".replace(".", ","), str(side == "sell"))
        for at, number, price, size, side in ((*row[:2], int(row[2]), *row[3:]) for row in [*TRADES, *EDGES])
    ]
    write_csv(tmp_path / "BTC-USDT.csv", rows, header)
    assert read_bars(tmp_path, CsvFolder)[0].drop("known_at").rows() == BARS


@pytest.mark.parametrize("extreme", [0.0, -0.0])
def test_a_trade_of_zero_quantity_is_none_and_is_told(tmp_path, extreme):
    """It would make a price that nobody paid, and a bar in which nothing was traded."""
    nothing = [(T0 + timedelta(seconds=55), 15, 900.0, extreme, "buy"), (T0 + 5 * MINUTE, 16, 1.0, extreme, "sell")]
    write_trades(tmp_path / "BTC-USDT.parquet", [*TRADES, *nothing])
    rows, remarks = read_bars(tmp_path)
    assert rows.drop("known_at").rows() == BARS
    assert len(remarks) == 1
    assert "has 2 trades of zero quantity, the first of id 15" in remarks[0]


@pytest.mark.parametrize(
    ("trade", "says"),
    [
        ((T0, 20, 100.0, -1.0, "buy"), "1 row without a quantity: size of row 5 is '-1.0'"),
        ((T0, 20, 0.0, 1.0, "buy"), "1 row without a price above zero: price of row 5"),
        ((T0, 20, float("nan"), 1.0, "buy"), "without a price above zero"),
        ((T0, 20, 100.0, None, "buy"), "without a quantity"),
        ((T0, 20, 100.0, 1.0, "maker"), "whose side is none of buy, .*: side of row 5 is 'maker'"),
        ((T0, 20, 100.0, 1.0, None), "whose side is none of"),
        ((T0, 11, 100.0, 7.0, "buy"), "the trade 11 more than once, with different contents"),
        ((datetime(1970, 1, 2, tzinfo=UTC), 20, 100.0, 1.0, "buy"), "not in milliseconds like the others|no instant"),
    ],
)
def test_a_trade_that_is_none_is_refused(tmp_path, trade, says):
    write_trades(tmp_path / "BTC-USDT.parquet", [*TRADES, trade])
    with pytest.raises(DataError, match=says) as caught:
        read_bars(tmp_path)
    assert "BTC-USDT.parquet" in caught.value.what


def test_trades_of_an_archive_count_once_by_id():
    header = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n"
    lines = [
        f"{number},{price},{size},{number},{number},{micro(at) // 1000},{str(side == 'sell').lower()}\n"
        for at, number, price, size, side in TRADES
    ]
    nothing = f"30,900,0,30,30,{micro(T0) // 1000},true\n"

    def read(*own):
        said = []
        return binance_files.read_trade_bars((header + "".join(own)).encode(), "x.zip", said.append), said

    rows, said = read(*lines, *lines[1:3], nothing)
    assert rows.drop("known_at").rows() == BARS
    assert said == ["x.zip has 1 trade of zero quantity, the first of id 30: no trades"]
    with pytest.raises(VenueAnswerError, match=r"x\.zip has the trade 12 more than once, with different contents"):
        read(*lines, lines[1].replace("104", "105"))
    with pytest.raises(VenueAnswerError, match=r"x\.zip has 1 trade that is none: 14 of -4\.0"):
        read(*lines[:3], lines[3].replace("4.0", "-4.0"))


QUOTES = [(0, 99.0, 1.0, 101.0, 2.0), (5, 99.5, 1.0, 101.0, 2.0), (5, 99.0, 3.0, 100.0, 2.0), (9, 98.0, 1.0, 99.0, 1.0)]


def write_quotes(path, quotes, **more):
    columns = {"ts": [micro(T0) // 1000 + row[0] for row in quotes]}
    names = ("bid_px", "bid_sz", "ask_px", "ask_sz")
    columns |= {name: [row[place] for row in quotes] for place, name in enumerate(names, 1)}
    pl.DataFrame(columns | more).write_parquet(path)


def read_quotes(folder):
    return ParquetFolder(folder).read("book_tops", "BTC", T0, T1)


@pytest.mark.parametrize("newest_first", [False, True])
def test_the_last_quote_of_an_instant_counts(tmp_path, newest_first):
    write_quotes(tmp_path / "BTC-USDT.parquet", QUOTES[::-1] if newest_first else QUOTES)
    source = ParquetFolder(tmp_path)
    rows = source.read("book_tops", "BTC", T0, T1)
    assert rows.select("bid_price", "bid_size", "ask_price", "ask_size").rows() == [QUOTES[k][1:] for k in (0, 2, 3)]
    assert rows["bid_size_20"].null_count() == 3
    assert (rows["known_at"] - rows["time"]).unique().to_list() == [LAG]
    assert ["has 1 quote followed by another one" in remark.what for remark in source.remarks.list()] == [True]


def test_arrivals_say_which_quote_is_the_last(tmp_path):
    arrived = [micro(T0 + timedelta(seconds=second)) * 1000 for second in (1, 3, 2, 4)]
    shuffled = [3, 1, 0, 2]
    write_quotes(tmp_path / "BTC-USDT.parquet", [QUOTES[k] for k in shuffled], recv_ns=[arrived[k] for k in shuffled])
    rows = read_quotes(tmp_path)
    assert rows["bid_price"].to_list() == [99.0, 99.5, 98.0]
    assert rows["known_at"].to_list() == [T0 + timedelta(seconds=second) for second in (1, 3, 4)]


def test_quotes_that_nothing_orders_are_refused(tmp_path):
    write_quotes(tmp_path / "BTC-USDT.parquet", [QUOTES[3], *QUOTES[:3]])
    with pytest.raises(DataError, match="has 2 rows of an instant with several quotes, in no order of time"):
        read_quotes(tmp_path)
    write_quotes(tmp_path / "BTC-USDT.parquet", [(0, 99.0, None, 100.0, 1.0), QUOTES[1]])
    with pytest.raises(DataError, match="without bid_size: time of row 1"):
        read_quotes(tmp_path)


def test_open_interest_in_coins_of_one_asset_and_in_usd_of_many(tmp_path):
    day = timedelta(days=1)
    write_csv(
        tmp_path / "BTC-USDT.csv",
        [("2024-05-01T08:00Z", "12.5", "-"), ("2024-05-01T09:00Z", "-", "-")],
        "ts,open_interest,open_interest_usd",
    )
    source = CsvFolder(tmp_path)
    rows = source.read("open_interest", "BTC", T0, T1)
    assert rows.rows() == [(T0 + timedelta(hours=8), 12.5, None, T0 + timedelta(hours=8) + LAG)]
    assert ["has 1 row without a value, the first in line 3" in remark.what for remark in source.remarks.list()] == [
        True
    ]
    (tmp_path / "oi").mkdir()
    at = [micro(T0 + k * day) // 1000 for k in range(3)] * 2
    pl.DataFrame(
        {"ts": at, "base": ["BTC"] * 3 + ["ETH"] * 3, "oi_open": 1.0, "oi_close": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]}
    ).write_parquet(tmp_path / "oi" / "daily_usd.parquet")
    samples = ParquetFolder(tmp_path / "oi").read("open_interest", "ETH", T0, T1)
    # What a day ended with is a sample of its end.
    assert samples.rows() == [(T0 + k * day, None, 3.0 + k, T0 + k * day + LAG) for k in (1, 2, 3)]


@pytest.mark.recorded
def test_recorded_ticks_are_read_as_they_are():
    if not RECORDED:
        pytest.skip("PAIRITY_RECORDED_DATA is not set: no recorded ticks")
    folder = Path(RECORDED)
    since, until = datetime(2020, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    bars = ParquetFolder(folder / "binance_um" / "trades").read("trade_bars_1m", "APE", since, until)
    ticks = pl.read_parquet(folder / "binance_um" / "trades" / "APE-USDT.parquet")
    assert bars.height == 1440
    assert bars["volume"].sum() == pytest.approx(ticks["size"].sum())
    assert bars["trade_count"].sum() == (ticks["last_trade_id"] - ticks["first_trade_id"] + 1).sum()
    buys = ticks.filter(side="buy")["size"].sum()
    assert bars["taker_buy_volume"].sum() == pytest.approx(buys)
    tops = ParquetFolder(folder / "binance_um" / "bbo").read("book_tops", "BTC", since, until)
    assert tops.height == pl.read_parquet(folder / "binance_um" / "bbo" / "BTC-USDT.parquet")["ts"].n_unique()
    interest = ParquetFolder(folder / "open_interest")
    assert len(interest.list_assets()) == 78
    assert interest.read("open_interest", "BTC", since, until).height == 1504
