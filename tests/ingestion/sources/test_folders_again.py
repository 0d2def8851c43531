"""Folders that are collected more than once: files that change, break, come in another spelling or are read anew."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from click.testing import CliRunner

from ingestion.lake import Lake
from ingestion.lake.spans import subtract, union
from ingestion.sources.catalog import open_source
from ingestion.sources.folders import CsvFolder, ParquetFolder
from ingestion.sources.reading import Reading
from pairity.layout import Layout
from pairity.progress import SilentProgress
from pairity.settings import Settings, UniverseSettings
from pairity_cli.main import main
from tests.ingestion.sources.collecting import collect
from tests.ingestion.sources.folder_files import HOUR, T0, bars, write_csv, write_parquet

UNTIL, NOW = T0 + timedelta(days=30), T0 + timedelta(days=40)
NEW_YORK = Reading(time_zone="America/New_York")


def run(home, source, datasets=("candles_1h",), assets=("BTC",), **more):
    settings = Settings(home=home, universe=UniverseSettings(assets=("BTC", "ETH")))
    return collect(settings, source, assets, datasets, T0, UNTIL, NOW, SilentProgress(), **more)


def stored(home, asset="BTC", venue="folder"):
    rows = Lake(Layout(home), venue=venue).scan("candles_1h", [asset], T0, NOW).collect()
    return [((at - T0) // HOUR, close) for at, close in rows.select("open_time", "close").iter_rows()]


def uncovered(home, asset="BTC", dataset="candles_1h"):
    return subtract((T0, UNTIL), union(Lake(Layout(home), venue="folder").coverage(dataset, asset, T0, UNTIL)))


def closes(rows):
    return [((row[0] - T0) // HOUR, row[4]) for row in rows]


def texts(rows):
    return [(f"{row[0]:%Y-%m-%d %H:%M}", *(str(value) for value in row[1:])) for row in rows]


def test_files_are_read_again_where_they_are_read_in_another_way(tmp_path):
    write_csv(tmp_path / "in" / "BTC-USDT.csv", texts(bars(5)))
    source = CsvFolder(tmp_path / "in")
    assert run(tmp_path, source).ok
    assert run(tmp_path, replace(source, reading=NEW_YORK)).rows[0].new_rows > 0
    hours = [hour for hour, _ in stored(tmp_path)]
    assert hours == [0, 1, 2, 3, 4, 5, 6, 7, 8]  # the first five of UTC, and those of New York from 04:00 UTC on
    assert run(tmp_path, replace(source, reading=NEW_YORK)).rows[0].new_rows == 0


@pytest.mark.parametrize("broken", ["1m/BTC-USDT.parquet", "BTCUSDT.parquet", "everything.parquet"])
def test_a_file_that_cannot_be_read_does_not_keep_the_others(tmp_path, broken):
    """One of another dataset, one of another spelling, one whose name says no asset."""
    write_parquet(tmp_path / "in" / "1h" / "BTC-USDT.parquet", bars(5))
    bad = tmp_path / "in" / broken
    bad.parent.mkdir(exist_ok=True)
    bad.write_bytes(b"PAR1 nothing PAR1")
    report = run(tmp_path, ParquetFolder(tmp_path / "in"))
    assert not report.ok
    assert [str(bad) in failure.reason for failure in report.failures] == [True]
    assert stored(tmp_path) == closes(bars(5))
    assert uncovered(tmp_path) == ((T0, UNTIL),)
    bad.unlink()
    assert run(tmp_path, ParquetFolder(tmp_path / "in")).ok
    assert uncovered(tmp_path) == ()


def test_bars_of_trades_wait_for_all_files_of_them(tmp_path):
    """Two files may have trades of one minute: half of it is no bar."""
    folder = tmp_path / "in"
    line = "2024-05-01T00:{:02}:30Z,{},100,1,buy"
    for name, numbers in (("BTC-USDT-2024-04.csv", (1, 2)), ("BTC-USDT-2024-05.csv", (2, 3))):
        write_csv(folder / name, [line.format(k, k).split(",") for k in numbers], "ts,trade_id,price,size,side")
    whole = (folder / "BTC-USDT-2024-05.csv").read_bytes()
    (folder / "BTC-USDT-2024-05.csv").write_bytes(whole.replace(b",100,", b",?,"))
    report = run(tmp_path, CsvFolder(folder), ("trade_bars_1m",))
    assert (report.ok, report.rows[0].rows) == (False, 0)
    (folder / "BTC-USDT-2024-05.csv").write_bytes(whole)
    assert run(tmp_path, CsvFolder(folder), ("trade_bars_1m",)).rows[0].rows == 1


def test_what_was_stored_stays_where_a_file_becomes_unreadable(tmp_path):
    for asset in ("BTC", "ETH"):
        write_parquet(tmp_path / "in" / f"{asset}-USDT.parquet", bars(5))
    assert run(tmp_path, ParquetFolder(tmp_path / "in"), assets=("BTC", "ETH")).ok
    (tmp_path / "in" / "BTC-USDT.parquet").write_bytes(b"PAR1")
    write_parquet(tmp_path / "in" / "ETH-USDT.parquet", bars(9))
    for _ in range(2):  # the second run says it as well
        report = run(tmp_path, ParquetFolder(tmp_path / "in"), assets=("BTC", "ETH"))
        assert [(failure.asset, failure.served) for failure in report.failures] == [("BTC", True)]
        assert "BTC-USDT.parquet" in report.failures[0].reason
        assert (stored(tmp_path), stored(tmp_path, "ETH")) == (closes(bars(5)), closes(bars(9)))
    write_parquet(tmp_path / "in" / "BTC-USDT.parquet", bars(7))
    assert run(tmp_path, ParquetFolder(tmp_path / "in"), assets=("BTC", "ETH")).ok
    assert stored(tmp_path) == closes(bars(7))


def test_a_second_spelling_of_an_asset_is_found_at_the_next_collection(tmp_path):
    rows = bars(9)
    write_parquet(tmp_path / "in" / "BTC-USDT.parquet", rows[:5])
    assert run(tmp_path, ParquetFolder(tmp_path / "in")).ok
    write_parquet(tmp_path / "in" / "btcusdt.parquet", rows[3:])
    assert run(tmp_path, ParquetFolder(tmp_path / "in")).ok
    assert stored(tmp_path) == closes(rows)
    (tmp_path / "in" / "BTC-USDT.parquet").unlink()
    assert run(tmp_path, ParquetFolder(tmp_path / "in")).ok
    assert stored(tmp_path) == closes(rows)


def test_a_recheck_reads_files_that_did_not_change_and_adds_nothing(tmp_path):
    write_parquet(tmp_path / "in" / "BTC-USDT.parquet", bars(5))
    first = run(tmp_path, ParquetFolder(tmp_path / "in"))
    again = run(tmp_path, ParquetFolder(tmp_path / "in"), recheck=True)
    assert (again.ok, again.rows[0].new_rows, again.snapshot_id) == (True, 0, first.snapshot_id)


def test_rows_outside_of_the_range_are_counted(tmp_path):
    for asset, count in (("BTC", 60), ("ETH", 49)):
        write_parquet(tmp_path / "in" / f"{asset}-USDT.parquet", bars(count, first=UNTIL - 48 * HOUR))
    report = run(tmp_path, ParquetFolder(tmp_path / "in"), assets=("BTC", "ETH"))
    assert (report.ok, [row.rows for row in report.rows]) == (True, [48, 48])
    (remark,) = report.remarks
    assert (remark.dataset, remark.what) == (
        "candles_1h",
        "13 rows of BTC ETH outside of 2024-05-01 00:00 … 2024-05-31 00:00 UTC",
    )


def invoke(home, *arguments):
    variables = {"PAIRITY_HOME": str(home), "PAIRITY_UNIVERSE__ASSETS": '["BTC", "ETH"]'}
    return CliRunner().invoke(main, arguments, env=variables)


def test_files_are_asked_again_in_the_way_in_which_they_were_read(tmp_path):
    folder, home, rows = tmp_path / "in", tmp_path / "home", bars(9)
    write_csv(folder / "BTC-USDT.csv", texts([*rows[:3], *rows[6:]]))
    files = ("--source", "csv-folder", "--folder", str(folder))
    span = ("--since", "2024-05-01", "--until", "2024-05-02", "--assets", "BTC", "--datasets", "candles_1h")
    zone = ("--time-zone", "Asia/Kathmandu")
    assert invoke(home, "collect", *files, *span, "--time-zone", "America/New_York").exit_code == 0
    write_csv(folder / "BTC-USDT.csv", texts(rows))
    gaps = ("gaps", "--venue", "folder", "--datasets", "candles_1h", "--repair", *files)
    repaired = invoke(home, *gaps, "--time-zone", "America/New_York")
    assert (repaired.exit_code, "3 of 3 missing bars were filled" in repaired.output) == (0, True), repaired.output
    assert stored(home) == [(hour + 4, close) for hour, close in closes(rows)]
    assert invoke(home, "gaps", "--repair", *zone, "--time-format", "\x1b").exit_code == 2
    refused = invoke(home, "quarantine", "repair", "a" * 12, *files, "--time-zone", "Mars/Olympus")
    assert (refused.exit_code, "there is no time zone" in refused.output) == (2, True), refused.output


@pytest.mark.parametrize("name", ["ccxt:bybit", "binance-archive"])
def test_how_files_are_read_is_no_matter_of_exchanges(tmp_path, name):
    done = invoke(tmp_path, "collect", "--source", name, "--time-zone", "Asia/Tokyo")
    assert done.exit_code == 2
    assert f"was given for {name}, which reads no files" in done.output
    settings = Settings(home=tmp_path)
    with pytest.raises(Exception, match=f"was given for {name}, whose rows belong to"):
        open_source(name, settings, venue="mine")
