"""Columns that are nearly right: the row that is wrong is named, and forms that other programs write are read."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from ingestion.sources.file_times import read_instants
from ingestion.sources.folders import CsvFolder, ParquetFolder
from ingestion.sources.inflow_sheet import InflowCsv
from ingestion.sources.reading import Reading, RefusedFileError, call_line
from pairity.errors import DataError

T0 = datetime(2024, 5, 1, tzinfo=UTC)
HOURS = [1714521600 + 3600 * k for k in range(5)]
READING = Reading(now=lambda: datetime(2024, 6, 1, tzinfo=UTC))
PRICES = {"open": [1.0] * 5, "high": [2.0] * 5, "low": [1.0] * 5, "close": [1.5] * 5, "volume": [3.0] * 5}


def refused(texts):
    with pytest.raises(RefusedFileError) as caught:
        read_instants(pl.Series("ts", texts), READING, call_line)
    return f"{caught.value.what} {caught.value.remedy}"


@pytest.mark.parametrize("odd", ["garbage", "-5", "ts", "Total", "1714521600000x", "2024-05-01T03:00:00Z"])
@pytest.mark.parametrize("place", [0, 2, 4])
def test_the_one_cell_that_is_no_unix_time_is_named(odd, place):
    texts = [str(second) for second in HOURS]
    texts[place] = odd
    said = refused(texts)
    assert f"ts of line {place + 2} is {odd!r}" in said
    assert "1 row" in said


def test_unix_times_in_a_column_of_dates_are_named():
    assert "ts of line 3 is '1714521600'" in refused(["2024-05-01T00:00:00Z", "1714521600", "2024-05-01T02:00:00Z"])


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ([1956528000000], "in ms it would be 2032-01-01 00:00:00"),
        ([1714521600000, 1956528000000], "in ms it would be 2032-01-01 00:00:00"),
        ([1714521600000, 1000000000000], "in ms it would be 2001-09-09 01:46:40"),
        ([1714521600, 1956528000], "in s it would be 2032-01-01 00:00:00"),
    ],
)
def test_instants_too_early_or_too_late_are_shown_as_instants(texts, said):
    found = refused(texts)
    assert said in found
    assert "2009" in found
    assert "now + 1 day" in found
    assert "correct or leave out" in found


@pytest.mark.parametrize("dtype", [pl.Int32, pl.UInt32, pl.Int64, pl.UInt64, pl.Float64])
def test_seconds_of_every_number_type_are_read(tmp_path, dtype):
    pl.DataFrame({"ts": pl.Series(HOURS, dtype=dtype), **PRICES}).write_parquet(tmp_path / "BTC-USDT.parquet")
    rows = ParquetFolder(folder=tmp_path).read("candles_1h", "BTC", T0, datetime(2024, 5, 2, tzinfo=UTC))
    assert rows["open_time"].to_list() == [datetime.fromtimestamp(second, UTC) for second in HOURS]


@pytest.mark.parametrize("scale", [1, 1000])
def test_times_of_single_precision_are_refused(tmp_path, scale):
    times = pl.Series([second * scale for second in HOURS], dtype=pl.Float64).cast(pl.Float32)
    pl.DataFrame({"ts": times, **PRICES}).write_parquet(tmp_path / "BTC-USDT.parquet")
    with pytest.raises(DataError, match="Float32, which cannot hold an instant"):
        ParquetFolder(folder=tmp_path).read("candles_1h", "BTC", T0, datetime(2024, 5, 2, tzinfo=UTC))


@pytest.mark.parametrize("precision", [9, 18, 38])
def test_decimals_of_every_precision_are_read(tmp_path, precision):
    closes = pl.Series(["1.25"] * 5).cast(pl.Decimal(precision, 6))
    pl.DataFrame({"ts": HOURS, **PRICES, "close": closes}).write_parquet(tmp_path / "BTC-USDT.parquet")
    rows = ParquetFolder(folder=tmp_path).read("candles_1h", "BTC", T0, datetime(2024, 5, 2, tzinfo=UTC))
    assert rows["close"].to_list() == [1.25] * 5


def test_other_bytes_of_fixed_length_are_no_numbers(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = {"ts": HOURS, **PRICES, "close": pa.array([b"0123456789abcdef"] * 5, pa.binary(16))}
    pq.write_table(pa.table(table), tmp_path / "BTC-USDT.parquet")
    with pytest.raises(DataError, match="FIXED_LEN_BYTE_ARRAY, which is no number"):
        ParquetFolder(folder=tmp_path).read("candles_1h", "BTC", T0, datetime(2024, 5, 2, tzinfo=UTC))


TRADES = {"price": [1.0] * 9, "size": [1.0] * 9, "side": ["buy"] * 9}


def trades(path, ids):
    times = [1714521600000 + 20_000 * k for k in range(9)]
    pl.DataFrame({"ts": times, "trade_id": ids, **TRADES}).write_parquet(path / "BTC-USDT.parquet")
    return ParquetFolder(folder=path).read("trade_bars_1m", "BTC", T0, datetime(2024, 5, 2, tzinfo=UTC))


def test_ids_in_text_are_read_and_other_texts_are_named(tmp_path):
    assert trades(tmp_path, [str(10**17 + k) for k in range(9)])["trade_count"].to_list() == [3]
    with pytest.raises(DataError, match="trade_id of row 1 as 'ab-0', which is no id"):
        trades(tmp_path, [f"ab-{k}" for k in range(9)])


def test_lines_that_end_in_carriage_returns_alone_are_named(tmp_path):
    (tmp_path / "BTC-USDT.csv").write_bytes(
        b"ts,open,high,low,close,volume\r1714521600,1,1,1,1,1\r1714525200,1,1,1,1,1"
    )
    with pytest.raises(DataError, match="carriage returns alone"):
        CsvFolder(folder=tmp_path).read("candles_1h", "BTC", T0, datetime(2024, 5, 2, tzinfo=UTC))


@pytest.mark.parametrize("values", [(10, 10), (10, 11)])
def test_a_day_of_a_coin_that_ends_twice_is_refused(tmp_path, values):
    sheet = tmp_path / "inflow.csv"
    sheet.write_text(
        "date,asset,inflow\n2024-05-01T00:00:00-04:00,BTC,{}\n2024-05-01T00:00:00-04:00,ETH,3\n"
        "2024-05-01T00:00:00+00:00,BTC,{}\n".format(*values)
    )
    with pytest.raises(
        DataError, match="two days of 2024-05-01 of BTC that end at different times, in line 2 and line 4"
    ):
        InflowCsv(file=sheet).read("inflow", "BTC", T0, datetime(2024, 5, 9, tzinfo=UTC))
