"""Folders of recorded files: what each is taken for, spellings, sheets of spreadsheets, holes, what is left out."""

from __future__ import annotations

import gzip
from datetime import timedelta

import polars as pl
import pytest

from ingestion.lake import Lake
from ingestion.sources.catalog import open_source
from ingestion.sources.folders import CsvFolder, MinuteCsv, ParquetFolder
from ingestion.sources.protocol import NotServedError
from pairity.errors import ConfigError, DataError
from pairity.layout import Layout
from pairity.progress import SilentProgress
from pairity.settings import Settings, UniverseSettings
from tests.ingestion.sources.collecting import collect
from tests.ingestion.sources.folder_files import HOUR, MINUTE, T0, T1, bars, given, micro, write_csv, write_parquet
from validation.row_verdicts import BROKEN, judge_raw_rows

ROWS = bars(30)


def cells(rows, number=str):
    return [(row[0].strftime("%Y-%m-%d %H:%M"), *(number(value) for value in row[1:])) for row in rows]


def german(value):
    return f"{value:,.3f}".replace(",", "G").replace(".", ",").replace("G", ".")


SHEETS = {
    "commas": ("ts,open,high,low,close,volume", str, "utf-8", ""),
    "a BOM": ("ts,open,high,low,close,volume", str, "utf-8-sig", ""),
    "semicolons and decimal commas": ("Date;Open;High;Low;Close;Volume", german, "utf-8-sig", ""),
    "thousands between commas": ("ts,open,high,low,close,volume", lambda value: f"{value:,.3f}", "utf-8", ""),
    "tabs": ("timestamp\topen\thigh\tlow\tclose\tvolume", str, "utf-8", ""),
    "bars": ("Time|OPEN|HIGH|LOW|CLOSE|VOL", str, "utf-8", ""),
    "quoted names": ('"ts","open","high","low","close","volume"', str, "utf-8", ""),
    "the line of a spreadsheet": ("sep=;\nts;open;high;low;close;volume", german, "utf-8", ""),
    "empty lines at the end": ("ts;open;high;low;close;volume", german, "utf-8", ";;;;;\n\n;;;;;\n"),
}


@pytest.mark.parametrize("form", SHEETS)
@pytest.mark.parametrize("packed", [False, True])
def test_a_sheet_of_any_spreadsheet_is_the_same_bars(tmp_path, form, packed):
    header, number, encoding, tail = SHEETS[form]
    path = tmp_path / "BTC-USDT.csv"
    write_csv(path, cells(ROWS, number), header, encoding)
    content = path.read_bytes() + tail.encode()
    path.unlink()
    name = "BTC-USDT.csv.gz" if packed else "BTC-USDT.csv"
    (tmp_path / name).write_bytes(gzip.compress(content) if packed else content)
    assert given(CsvFolder(tmp_path).read("candles_1h", "BTC", T0, T1)) == ROWS


def test_a_dash_or_nothing_is_a_missing_value_and_a_row_without_any_is_a_hole_that_is_told(tmp_path):
    header = "ts,open,high,low,close,volume,quote_volume,trades"
    own = [(*row, quoted, "-") for row, quoted in zip(cells(ROWS), ["-", "", "7.5"] * 10, strict=True)]
    own[4] = (own[4][0], *["-"] * 7)
    own[9] = (own[9][0], *[""] * 7)
    write_csv(tmp_path / "BTC-USDT.csv", own, header)
    source = CsvFolder(tmp_path)
    rows = source.read("candles_1h", "BTC", T0, T1)
    assert given(rows) == [row for place, row in enumerate(ROWS) if place not in (4, 9)]
    assert rows["volume_quote"].to_list()[:4] == [None, None, 7.5, None]
    assert rows["trade_count"].null_count() == 28
    (remark,) = source.remarks.list()
    assert (remark.asset, remark.dataset) == ("BTC", "candles_1h")
    assert "BTC-USDT.csv has 2 rows without open" in remark.what
    assert "the first in line 6" in remark.what


@pytest.mark.parametrize(
    ("place", "cell", "says"),
    [
        (5, "", "1 row lacking a value, the first one its volume: time of line 12"),
        (2, "n/a", "the first one its high: time of line 12"),
        (4, "x", "1 row whose close is not a number: close of line 12 is 'x'"),
        (0, "-", "1 row without a time"),
    ],
)
def test_a_row_with_a_part_of_its_values_is_refused(tmp_path, place, cell, says):
    own = [list(row) for row in cells(ROWS)]
    own[10][place] = cell
    write_csv(tmp_path / "BTC-USDT.csv", own)
    with pytest.raises(DataError, match=says) as caught:
        CsvFolder(tmp_path).read("candles_1h", "BTC", T0, T1)
    assert "BTC-USDT.csv" in caught.value.what
    assert caught.value.remedy


def test_the_step_is_that_of_most_rows(tmp_path):
    """A repeated row and a hole, the newest first: the least distance would be nothing, or below it."""
    rows = bars(30)
    write_parquet(tmp_path / "BTC-USDT.parquet", [*rows[20:], rows[7], *rows[:12][::-1]])
    write_parquet(tmp_path / "ETH-USDT.parquet", bars(30, MINUTE) + bars(1, MINUTE, T0 + 9 * HOUR))
    source = ParquetFolder(tmp_path)
    assert given(source.read("candles_1h", "BTC", T0, T1)) == rows[:12] + rows[20:]
    assert source.read("candles_1m", "ETH", T0, T1).height == 31
    with pytest.raises(NotServedError, match="no candles_1h of it: its files hold candles_1m only"):
        source.read("candles_1h", "ETH", T0, T1)


def test_a_single_bar_needs_a_name_that_says_its_length(tmp_path):
    write_parquet(tmp_path / "BTC-USDT.parquet", bars(1))
    with pytest.raises(DataError, match="has a single time"):
        ParquetFolder(tmp_path).read("candles_1h", "BTC", T0, T1)
    (tmp_path / "BTC-USDT.parquet").rename(tmp_path / "BTC-USDT-1h.parquet")
    assert ParquetFolder(tmp_path).read("candles_1h", "BTC", T0, T1).height == 1


@pytest.mark.parametrize("step", [timedelta(minutes=5), timedelta(days=1), timedelta(seconds=30)])
def test_bars_of_another_length_are_told(tmp_path, step):
    write_parquet(tmp_path / "BTC-USDT.parquet", bars(20, step))
    source = ParquetFolder(tmp_path)
    assert source.read("candles_1h", "BTC", T0, T1) is None
    (remark,) = source.remarks.list()
    assert f"its bars are {step.total_seconds() / 60:g} minutes apart" in remark.what


def test_spellings_of_one_asset_are_one_asset(tmp_path):
    rows = bars(40)
    for name, part in (
        ("BTC-USDT", rows[:10]),
        ("btc_usdt", rows[8:20]),
        ("BTCUSDT-1h-2024-05", rows[20:25]),
        ("1h/BTC-USDT-SWAP", rows[25:]),
    ):
        write_parquet(tmp_path / f"{name}.parquet", part)
    source = ParquetFolder(tmp_path)
    assert source.list_assets() == ("BTC",)
    assert given(source.read("candles_1h", "BTC", T0, T1)) == rows


def test_rows_of_files_that_contradict_each_other_are_withheld(tmp_path):
    rows = bars(30)
    other = [(*rows[3][:4], rows[3][4] + 0.5, rows[3][5])]
    write_parquet(tmp_path / "in" / "BTC-USDT.parquet", rows)
    write_parquet(tmp_path / "in" / "1h" / "btcusdt.parquet", [*rows[:3], *other, *rows[4:9]])
    read = ParquetFolder(tmp_path / "in").read("candles_1h", "BTC", T0, T1)
    verdicts = judge_raw_rows(read.select(pl.lit("BTC").alias("asset"), pl.all()), "candles_1h", T1)
    assert verdicts.withheld[BROKEN].to_list() == [["conflicting_duplicates"]] * 2
    assert given(verdicts.accepted) == rows[:3] + rows[4:]


def collect_folder(tmp_path, name, assets=("BTC",), datasets=("candles_1h",)):
    settings = Settings(home=tmp_path / "home", universe=UniverseSettings(assets=("BTC", "ETH")))
    source = open_source(name, settings, tmp_path / "in")
    return collect(settings, source, assets, datasets, T0, T1, T1, SilentProgress())


def test_settlements_belong_to_their_hour_and_are_known_when_they_were_stamped(tmp_path):
    hours = [T0 + 8 * k * HOUR for k in range(6)]
    off = [timedelta(milliseconds=ms) for ms in (0, 3, -5, 999, 59_000, 0)]
    stamps = [at + away for at, away in zip(hours, off, strict=True)]
    odd = T0 + 3.5 * HOUR
    (tmp_path / "in" / "funding").mkdir(parents=True)
    rates = [1e-4, 2e-4, 3e-4, 4e-4, 5e-4, 6e-4]
    pl.DataFrame(
        {"ts": [micro(at) // 1000 for at in [*stamps, odd]][::-1], "funding_rate": [*rates, 9e-4][::-1]}
    ).write_parquet(tmp_path / "in" / "funding" / "BTC-USDT.parquet")
    rows = ParquetFolder(tmp_path / "in").read("funding", "BTC", T0, T1)
    assert rows["funding_time"].to_list() == sorted([*hours, odd])
    known = {at: known for at, _, known in rows.rows()}
    lag = timedelta(milliseconds=1)
    assert [known[at] for at in hours] == [max(at, stamp) + lag for at, stamp in zip(hours, stamps, strict=True)]
    report = collect_folder(tmp_path, "parquet-folder", datasets=("funding",))
    assert report.ok, report
    assert Lake(Layout(tmp_path / "home"), venue="folder").scan("funding", ["BTC"], T0, T1).collect().height == 7


def test_one_bad_file_is_the_failure_of_one_instrument_and_a_dataset_that_is_not_there_is_none(tmp_path):
    write_csv(tmp_path / "in" / "BTC-USDT.csv", cells(ROWS))
    write_csv(tmp_path / "in" / "ETH-USDT.csv", [*cells(ROWS)[:3], ("2024-05-01 03:00", "1", "2", "1", "1e", "1")])
    report = collect_folder(tmp_path, "csv-folder", ("BTC", "ETH"), ("candles_1h", "funding"))
    assert not report.ok
    (failure,) = {failure for failure in report.failures if failure.served and failure.dataset == "candles_1h"}
    assert failure.asset == "ETH"
    assert "ETH-USDT.csv has 1 row whose close is not a number: close of line 5 is '1e'" in failure.reason
    assert "\n  → " in failure.reason
    assert [(row.asset, row.rows) for row in report.rows if row.rows] == [("BTC", 30)]
    (tmp_path / "in" / "ETH-USDT.csv").unlink()
    assert collect_folder(tmp_path, "csv-folder", ("BTC",), ("candles_1h", "funding")).ok


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("XRP-ETH.parquet", "neither its name nor a column says an asset on USDT"),
        ("all.parquet", "neither its name nor a column"),
        ("other/BTC-USDT.parquet", "its columns are those of no dataset"),
    ],
)
def test_a_file_that_is_not_read_is_told(tmp_path, name, says):
    write_parquet(tmp_path / "BTC-USDT.parquet", ROWS)
    if "other" in name:
        (tmp_path / "other").mkdir()
        pl.DataFrame({"ts": [1], "rsi": [1.0]}).write_parquet(tmp_path / name)
    else:
        write_parquet(tmp_path / name, ROWS)
    source = ParquetFolder(tmp_path)
    assert given(source.read("candles_1h", "BTC", T0, T1)) == ROWS
    assert [says in remark.what and name in remark.what for remark in source.remarks.list()] == [True]


def test_folders_in_folders_are_told(tmp_path):
    write_parquet(tmp_path / "1h" / "BTC-USDT.parquet", ROWS)
    write_parquet(tmp_path / "okx" / "1h" / "ETH-USDT.parquet", ROWS)
    source = ParquetFolder(tmp_path)
    assert source.read("candles_1h", "ETH", T0, T1) is None
    assert ["okx holds folders that are not read: '1h'" in remark.what for remark in source.remarks.list()] == [True]


def test_one_table_of_many_assets(tmp_path):
    rows = [(row[0].isoformat(), *map(str, row[1:]), name) for name in ("btc", "BTC-USDT", "ETHUSDT") for row in ROWS]
    write_csv(tmp_path / "all.csv", rows, "ts,open,high,low,close,volume,symbol")
    source = CsvFolder(tmp_path)
    assert source.list_assets() == ("BTC", "ETH")
    assert given(source.read("candles_1h", "BTC", T0, T1)) == ROWS
    assert source.read("candles_1h", "SOL", T0, T1) is None
    write_csv(tmp_path / "BTC-USDT.csv", rows, "ts,open,high,low,close,volume,symbol")
    beside = source.read("candles_1h", "BTC", T0, T1)
    assert "30 rows of another asset than BTC, which its name says: asset of line 62 is 'ethusdt'" in beside.left_out[0]
    assert (given(beside.rows), beside.proven) == (ROWS, ())


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("ts,open,high,low,volume", "lacks the columns close of candles"),
        ("ts,price,size,trade_id", "lacks the columns side of trades"),
        ("ts,open,high,low,close", "lacks the columns volume"),
        ("open,high,low,close,volume", "lacks the columns time"),
        ("date,time,open,high,low,close,volume", "a date and a time in two columns"),
        ("ts,open,high,low,close,volume,vol", "two columns for volume"),
        ("ts,open,open,high,low,close,volume", "has the column 'open' twice"),
        ("ts,open,high,low,close,volume,funding_rate", "holds funding and candles in one table"),
        ("1714521600000,1,2,3,4,5", "which names no columns"),
    ],
)
def test_columns_that_are_not_clear_are_refused(tmp_path, header, says):
    row = ["1.5"] * (header.count(",") + 1)
    times = ("2024-05-01T00:00Z", "2024-05-01T01:00Z") if header[0] != "o" else ("1.5", "1.5")
    write_csv(tmp_path / "BTC-USDT.csv", [[time, *row[1:]] for time in times], header)
    with pytest.raises(DataError, match=says) as caught:
        CsvFolder(tmp_path).read("candles_1h", "BTC", T0, T1)
    assert "BTC-USDT.csv" in caught.value.what


def test_a_file_is_read_again_when_it_has_changed(tmp_path):
    path = tmp_path / "BTC-USDT.csv"
    write_csv(path, cells(bars(20)))
    source = CsvFolder(tmp_path)
    assert source.read("candles_1h", "BTC", T0, T1).height == 20
    write_csv(path, cells(bars(25)))
    assert source.read("candles_1h", "BTC", T0, T1).height == 25


def test_minutes_know_their_arrival_or_are_refused(tmp_path):
    header = "origin_time,received_time,symbol,open,high,low,close,volume,trades"
    row = ("2024-05-01T00:00Z", "2024-05-01T00:01:02Z", "BTC-USDT", "1", "2", "1", "1.5", "5", "-")
    write_csv(tmp_path / "BTC-USDT.csv.gz", [row], header)
    (tmp_path / "BTC-USDT.csv.gz").write_bytes(gzip.compress((tmp_path / "BTC-USDT.csv.gz").read_bytes()))
    rows = MinuteCsv(tmp_path).read("candles_1m", "BTC", T0, T1)
    assert rows["known_at"].to_list() == [T0 + timedelta(seconds=62)]
    for cell, says in (("-", "without the time at which"), ("soon", "cannot be read"), ("5", "no Unix time")):
        content = "\n".join([header, ",".join([row[0], cell, *row[2:]]), ""])
        (tmp_path / "BTC-USDT.csv.gz").write_bytes(gzip.compress(content.encode()))
        with pytest.raises(DataError, match=says):
            MinuteCsv(tmp_path).read("candles_1m", "BTC", T0, T1)


def test_a_reading_is_for_files(tmp_path):
    from ingestion.sources.reading import make_reading

    settings = Settings(home=tmp_path)
    reading = make_reading("Europe/Berlin", None, None)
    assert open_source("csv-folder", settings, tmp_path, "mine", reading).reading == reading
    with pytest.raises(ConfigError, match="reads no files"):
        open_source("binance-archive", settings, None, None, reading)
    with pytest.raises(ConfigError, match="there is no time zone 'Europe/Nowhere'"):
        make_reading("Europe/Nowhere", None, None)
    assert make_reading(None, None, None) is None


def test_an_odd_name_stops_nobody_else_and_is_told(tmp_path):
    for name in ("BTC-USDT", "~$BTC-USDT", "B T C-USDT", "ſol-USDT", "BTC\n-USDT"):
        write_parquet(tmp_path / f"{name}.parquet", ROWS)
    source = ParquetFolder(tmp_path)
    assert given(source.read("candles_1h", "BTC", T0, T1)) == ROWS
    said = [remark.what for remark in source.remarks.list()]
    assert len(said) == 4
    assert all("is no name of an asset" in what and what.isprintable() for what in said)
    with pytest.raises(DataError, match="is no name of an asset"):
        source.list_assets()


def test_tables_of_other_kinds_are_told(tmp_path):
    write_csv(tmp_path / "BTC-USDT.CSV", cells(ROWS))
    for name in ("ETH-USDT.parquet", "ETH-USDT.tsv", "BTC-USDT.csv.zip", "notes.md", ".BTC-USDT.csv"):
        (tmp_path / name).write_bytes(b"")
    source = CsvFolder(tmp_path)
    assert given(source.read("candles_1h", "BTC", T0, T1)) == ROWS
    (remark,) = source.remarks.list()
    assert (
        "files of other kinds that are not read: 'BTC-USDT.csv.zip', 'ETH-USDT.parquet', 'ETH-USDT.tsv'; "
        "--source parquet-folder reads such" in remark.what
    )


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("ts,date,open,high,low,close,volume", None),
        ("open_time,datetime,open,high,low,close,volume", None),
        ("ts,timestamp,open,high,low,close,volume", "two columns for time: 'ts' and 'timestamp'"),
        ("timestamp,open_time,open,high,low,close,volume", "two columns for time"),
    ],
)
def test_a_date_beside_the_time_is_left_alone_and_a_second_time_is_refused(tmp_path, header, says):
    own = [(row[0], row[0][:10], *row[1:]) for row in cells(ROWS)]
    write_csv(tmp_path / "BTC-USDT.csv", own, header)
    source = CsvFolder(tmp_path)
    if says is None:
        assert given(source.read("candles_1h", "BTC", T0, T1)) == ROWS
    else:
        with pytest.raises(DataError, match=says):
            source.read("candles_1h", "BTC", T0, T1)


@pytest.mark.parametrize("symbol", ["BTC/USDT:USDT", "tBTCUST", "BTCUSD_PERP.A", "btc", ""])
def test_a_symbol_of_a_venues_own_says_nothing_against_the_name_of_a_file(tmp_path, symbol):
    write_csv(
        tmp_path / "BTC-USDT.csv", [(*row, symbol) for row in cells(ROWS)], "ts,open,high,low,close,volume,symbol"
    )
    assert given(CsvFolder(tmp_path).read("candles_1h", "BTC", T0, T1)) == ROWS


def test_a_line_with_too_many_cells_is_told(tmp_path):
    own = cells(ROWS)
    write_csv(tmp_path / "BTC-USDT.csv", [*own[:5], (*own[5], "7,5"), *own[6:]], "ts;open;high;low;close;volume")
    with pytest.raises(DataError, match="has 7 cells in line 7 under 6 names: the first one too many is '7,5'"):
        CsvFolder(tmp_path).read("candles_1h", "BTC", T0, T1)


def test_two_stamps_of_one_settlement_are_one_row_or_contradict_each_other(tmp_path):
    at = [T0, T0 + timedelta(milliseconds=4), T0 + 8 * HOUR, T0 + 8 * HOUR + timedelta(seconds=1)]
    lines = [(str(micro(stamp)), rate) for stamp, rate in zip(at, ("1e-4", "1e-4", "2e-4", "3e-4"), strict=True)]
    write_csv(tmp_path / "BTC-USDT.csv", lines, "ts,funding_rate")
    rows = CsvFolder(tmp_path).read("funding", "BTC", T0, T1)
    assert rows["funding_rate"].to_list() == [1e-4, 2e-4, 3e-4]
    verdicts = judge_raw_rows(rows.select(pl.lit("BTC").alias("asset"), pl.all()), "funding", T1)
    assert verdicts.withheld[BROKEN].to_list() == [["conflicting_duplicates"]] * 2


@pytest.mark.parametrize("end", ["\r\n", "\n\n"])
def test_lines_may_end_in_any_way(tmp_path, end):
    write_csv(tmp_path / "BTC-USDT.csv", cells(ROWS))
    path = tmp_path / "BTC-USDT.csv"
    path.write_bytes(path.read_bytes().replace(b"\n", end.encode()))
    assert given(CsvFolder(tmp_path).read("candles_1h", "BTC", T0, T1)) == ROWS


def test_times_may_be_categories(tmp_path):
    write_parquet(
        tmp_path / "BTC-USDT.parquet", ROWS, pl.Series([row[0].isoformat() for row in ROWS], dtype=pl.Categorical)
    )
    assert given(ParquetFolder(tmp_path).read("candles_1h", "BTC", T0, T1)) == ROWS
