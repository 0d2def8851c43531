"""Local files are read again when they change, and what an instrument of a folder lacks is no failure."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from ingestion.lake import Lake
from ingestion.sources.catalog import open_source
from ingestion.sources.folders import ParquetFolder
from ingestion.staging import Staging
from pairity.errors import ConfigError
from pairity.layout import Layout
from pairity.progress import SilentProgress
from pairity.settings import Settings, UniverseSettings
from tests.ingestion.sources.collecting import collect

T0 = datetime(2024, 5, 1, tzinfo=UTC)
HOUR, UNTIL, NOW = timedelta(hours=1), T0 + timedelta(days=30), T0 + timedelta(days=40)


def write_hours(folder, hours, close=1.0, asset="BTC"):
    folder.mkdir(exist_ok=True)
    rows = [(int((T0 + k * HOUR).timestamp() * 1000), 1.0, 3.0, 0.5, close + k % 9 / 100, 5.0) for k in hours]
    frame = pl.DataFrame(rows, schema=("ts", "open", "high", "low", "close", "volume"), orient="row")
    frame.write_parquet(folder / f"{asset}-USDT.parquet", compression="uncompressed")


class Reading(ParquetFolder):
    """Counts the files that are read for rows."""

    reads = 0

    def read(self, *arguments):
        self.reads += 1
        return super().read(*arguments)


def run(tmp_path, assets=("BTC",), datasets=("candles_1h",), source=None, **more):
    settings = Settings(home=tmp_path / "home", universe=UniverseSettings(assets=("BTC", "ETH")))
    source = source or Reading(tmp_path / "in")
    return collect(settings, source, assets, datasets, T0, UNTIL, NOW, SilentProgress(), **more), source


def closes(tmp_path):
    """The `close` that `write_hours` was given, by hour."""
    rows = Lake(Layout(tmp_path / "home"), venue="folder").scan("candles_1h", ["BTC"], T0, NOW).collect()
    hours = [((at - T0) // HOUR, close) for at, close in rows.select("open_time", "close").iter_rows()]
    return {hour: round(close - hour % 9 / 100, 4) for hour, close in hours}


CHANGES = {
    "a hole is filled": ([0, 1, 2, 6, 7], 1.0, range(8), 1.0),
    "older rows come": (range(4, 8), 1.0, range(8), 1.0),
    "newer rows come": (range(8), 1.0, range(48), 1.0),
    "a value is corrected": (range(8), 1.0, range(8), 2.0),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changed_is_read_again(tmp_path, change):
    before, close_before, after, close = CHANGES[change]
    write_hours(tmp_path / "in", before, close_before)
    assert run(tmp_path)[0].ok
    write_hours(tmp_path / "in", after, close)
    assert run(tmp_path)[0].ok
    assert closes(tmp_path) == dict.fromkeys(after, close)


def test_same_size_and_time_do_not_hide_a_change(tmp_path):
    write_hours(tmp_path / "in", range(8), 1.0)
    path = tmp_path / "in" / "BTC-USDT.parquet"
    status = path.stat()
    run(tmp_path)
    write_hours(tmp_path / "in", range(8), 2.0)
    assert path.stat().st_size == status.st_size
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    run(tmp_path)
    assert set(closes(tmp_path).values()) == {2.0}


def test_a_file_that_did_not_change_is_not_read(tmp_path):
    write_hours(tmp_path / "in", range(31 * 24))
    first = run(tmp_path)[0]
    (tmp_path / "in" / "BTC-USDT.parquet").touch()
    again, source = run(tmp_path)
    assert (source.reads, again.snapshot_id, again.rows[0].new_rows) == (0, first.snapshot_id, 0)
    assert run(tmp_path, recheck=True)[1].reads > 0


def test_another_range_of_a_changed_file_is_read_again_too(tmp_path):
    write_hours(tmp_path / "in", range(8), 1.0)
    run(tmp_path)
    write_hours(tmp_path / "in", range(8), 2.0)
    settings = Settings(home=tmp_path / "home", universe=UniverseSettings(assets=("BTC", "ETH")))
    source = ParquetFolder(tmp_path / "in")
    collect(settings, source, ("BTC",), ("candles_1h",), T0 + 4 * HOUR, UNTIL, NOW, SilentProgress())
    run(tmp_path)  # the first four hours were not in the range of the run that saw the change first
    assert set(closes(tmp_path).values()) == {2.0}


def test_what_a_killed_run_staged_of_a_file_that_changed_is_dropped(tmp_path):
    write_hours(tmp_path / "in", range(8), 1.0)
    rows = ParquetFolder(tmp_path / "in").read("candles_1h", "BTC", T0, NOW)
    Staging(Layout(tmp_path / "home"), venue="folder").add("candles_1h", "BTC", rows, [(T0, NOW)])
    write_hours(tmp_path / "in", range(8), 2.0)
    assert run(tmp_path)[0].ok
    assert closes(tmp_path) == dict.fromkeys(range(8), 2.0)


@pytest.mark.parametrize(
    "note", [b"", b"{}", b'{"files": 1, "read": []}', b"\xff", b'{"files": {}, "read": [{"a": 1}]}']
)
def test_notes_that_cannot_be_read_have_the_files_read_again(tmp_path, note):
    write_hours(tmp_path / "in", range(8))
    run(tmp_path)
    (tmp_path / "home" / "reference" / "files-folder.json").write_bytes(note)
    report, source = run(tmp_path)
    assert report.ok
    assert source.reads > 0


def test_an_instrument_without_an_optional_dataset_is_no_failure(tmp_path):
    write_hours(tmp_path / "in", range(8))
    write_hours(tmp_path / "in", range(8), asset="ETH")
    funding = tmp_path / "in" / "funding"
    funding.mkdir()
    rates = pl.DataFrame({"ts": [int(T0.timestamp() * 1000)], "funding_rate": [1e-4]})
    rates.write_parquet(funding / "BTC-USDT.parquet")
    every = ("candles_1m", "candles_1h", "funding")
    report, _ = run(tmp_path, ("BTC", "ETH"), every)
    assert report.ok, report.failures
    lacking = [(failure.asset, failure.dataset) for failure in report.failures]
    assert lacking == [("BTC", "candles_1m"), ("ETH", "candles_1m"), ("ETH", "funding")]
    report, _ = run(tmp_path, ("BTC", "SOL"), every)
    assert not report.ok  # of SOL there is nothing at all
    assert {failure.asset for failure in report.failures if failure.served} == {"SOL"}


def test_a_folder_that_is_not_there_ends_the_run(tmp_path):
    with pytest.raises(ConfigError, match="no folder"):
        run(tmp_path, ("BTC", "ETH"))


def test_inflows_are_read_again_when_their_file_changes(tmp_path):
    file = tmp_path / "in.csv"
    settings = Settings(home=tmp_path / "home", universe=UniverseSettings(assets=("BTC", "ETH")))
    for inflow in (7, 8):
        file.write_text(f"date,asset,inflow\n2024-05-01,BTC,{inflow}\n")
        source = open_source("inflow-csv", settings, file)
        assert collect(settings, source, ("BTC",), ("inflow",), T0, UNTIL, NOW, SilentProgress()).ok
    rows = Lake(Layout(tmp_path / "home")).scan("inflow", ["BTC"], T0, NOW).collect()
    assert rows["inflow"].to_list() == [8.0]
