"""A last line without its line end may be cut inside its last cell: it counts only where that cell is surely whole."""

from __future__ import annotations

import gzip
from datetime import timedelta

import pytest

from ingestion.sources.folders import CsvFolder, MinuteCsv
from ingestion.sources.inflow_sheet import InflowCsv
from pairity.errors import DataError
from tests.ingestion.sources.folder_files import T0, T1

BARS = [(f"2024-05-01 {hour:02}:00", "61", "63", "59", f"60.{hour + 10}", f"{1234.5 + hour}") for hour in range(6)]
HEADER = "ts,open,high,low,close,volume"


def write(path, lines, end=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(("\n".join(lines) + end).encode())


def lines_of(order=(0, 1, 2, 3, 4, 5), rows=BARS, sign=","):
    names = HEADER.split(",")
    return [sign.join(names[k] for k in order), *(sign.join(row[k] for k in order) for row in rows)]


def read(tmp_path, lines, cut=0, end="", name="BTC-USDT.csv"):
    text = "\n".join(lines)
    write(tmp_path / "in" / name, [text[: len(text) - cut]], end)
    source = CsvFolder(tmp_path / "in")
    rows = source.read("candles_1h", "BTC", T0, T1)
    return rows["volume"].to_list(), rows["close"].to_list(), [remark.what for remark in source.remarks.list()]


@pytest.mark.parametrize("cut", [1, 2, 3, 4, 5])
def test_a_number_that_may_be_cut_is_not_taken_and_told(tmp_path, cut):
    volumes, _, told = read(tmp_path, lines_of(), cut)
    assert volumes == [1234.5 + hour for hour in range(5)]
    (line,) = (what for what in told if "line end" in what)
    shown = "1239.5"[: 6 - cut]
    assert f"line 7 without a line end: its volume '{shown}' may be cut" in line
    assert "BTC-USDT.csv" in line


def test_the_same_number_with_its_line_end_is_taken(tmp_path):
    for end in ("\n", "\r\n", "\r", "\n\n"):
        volumes, _, told = read(tmp_path, lines_of(), 2, end)
        assert volumes == [*(1234.5 + hour for hour in range(5)), 1239.0]
        assert not told


def test_a_price_that_is_cut_is_not_taken(tmp_path):
    _, closes, told = read(tmp_path, lines_of((0, 1, 2, 3, 5, 4)), 1)
    assert closes == [60.10, 60.11, 60.12, 60.13, 60.14]
    assert "its close '60.1' may be cut" in told[-1]


def test_as_many_decimals_as_every_other_line_prove_a_number_whole(tmp_path):
    _, closes, told = read(tmp_path, lines_of((0, 1, 2, 3, 5, 4)))
    assert closes[-1] == 60.15
    assert not told
    comma = [tuple(cell.replace(".", ",") for cell in row) for row in BARS]
    _, closes, told = read(tmp_path, lines_of((0, 1, 2, 3, 5, 4), comma, ";"))
    assert (closes[-1], told) == (60.15, [])


def test_a_quotation_mark_at_the_end_proves_a_cell_whole(tmp_path):
    lines = [line.replace(",12", ',"12') + '"' * (place > 0) for place, line in enumerate(lines_of())]
    volumes, _, told = read(tmp_path, lines)
    assert (volumes[-1], told) == (1239.5, [])


def test_a_time_as_long_as_all_others_is_whole_and_a_shorter_one_is_not_taken(tmp_path):
    lines = lines_of((1, 2, 3, 4, 5, 0))
    volumes, _, told = read(tmp_path, lines)
    assert (len(volumes), told) == (6, [])
    volumes, _, told = read(tmp_path, lines, 3)
    assert len(volumes) == 5
    assert "its ts '2024-05-01 05' may be cut" in told[-1]


def test_a_column_that_is_not_read_may_be_cut(tmp_path):
    lines = [line + tail for line, tail in zip(lines_of(), [",note", *[",free text"] * 6], strict=True)]
    volumes, _, told = read(tmp_path, lines, 4)
    assert (volumes[-1], told) == (1239.5, [])


def test_a_line_with_fewer_cells_is_refused_as_before(tmp_path):
    with pytest.raises(DataError, match=r"lacking a value|lacks|cells"):
        read(tmp_path, lines_of(), 7)


def test_a_compressed_file_is_no_different(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "BTC-USDT.csv.gz").write_bytes(gzip.compress("\n".join(lines_of()).encode()[:-2]))
    source = CsvFolder(tmp_path / "in")
    assert source.read("candles_1h", "BTC", T0, T1).height == 5
    assert "line 7" in source.remarks.list()[0].what


def test_minutes_of_a_vendor(tmp_path):
    names = "origin_time,received_time,symbol,open,high,low,close,volume,trades"
    rows = [f"2024-05-01T00:0{k}:00Z,2024-05-01T00:0{k + 1}:00Z,BTCUSDT,61,62,60,61,5,{100 + k}" for k in range(3)]
    write(tmp_path / "in" / "BTCUSDT.csv", [names, *rows])
    source = MinuteCsv(tmp_path / "in")
    assert source.read("candles_1m", "BTC", T0, T1).height == 2
    assert "its trades '102' may be cut" in source.remarks.list()[0].what


def test_a_sheet_of_inflow(tmp_path):
    path = tmp_path / "in.csv"
    write(path, ["date,asset,inflow", "2024-05-01,BTC,1520", "2024-05-02,BTC,15"])
    source = InflowCsv(path)
    assert source.read("inflow", "BTC", T0, T1)["inflow"].to_list() == [1520.0]
    assert "line 3 without a line end: its inflow '15' may be cut" in source.remarks.list()[0].what
    write(path, ["inflow,asset,date", "1520,BTC,2024-05-01", "15,BTC,2024-05-02"])
    source = InflowCsv(path)
    assert source.read("inflow", "BTC", T0, T1)["inflow"].to_list() == [1520.0, 15.0]
    assert not source.remarks.list()


def test_trades_end_with_the_last_whole_line(tmp_path):
    names = "ts,trade_id,price,size,side"
    start = int(T0.timestamp() * 1000)
    rows = [f"{start + k * 20_000},{k},60,1,buy" for k in range(10)]
    write(tmp_path / "in" / "BTC-USDT.csv", [names, *rows])
    source = CsvFolder(tmp_path / "in")
    whole = source.read("trade_bars_1m", "BTC", T0, T0 + timedelta(days=1))
    assert not [remark for remark in source.remarks.list() if "line end" in remark.what]
    assert whole.height >= 2
