"""Rows that files gave once and hold no longer stay stored, and are named: number, first instant and folder."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from ingestion.instant_runs import MOST_RUNS, InstantRuns
from ingestion.sources.catalog import open_source
from ingestion.sources.folders import CsvFolder
from pairity.progress import SilentProgress
from pairity.settings import Settings, UniverseSettings
from pairity_cli.main import main
from tests.ingestion.sources.collecting import collect
from tests.ingestion.sources.folder_files import HOUR, T0, bars, write_csv

UNTIL, NOW = T0 + timedelta(days=30), T0 + timedelta(days=40)


def write(folder, hours, name="BTC-USDT.csv"):
    every = bars(100)
    write_csv(folder / name, [(f"{every[k][0]:%Y-%m-%d %H:%M}", *map(str, every[k][1:])) for k in hours])


def run(home, source, assets=("BTC",), dataset="candles_1h", since=T0, **more):
    settings = Settings(home=home, universe=UniverseSettings(assets=("BTC", "ETH")))
    report = collect(settings, source, assets, (dataset,), since, UNTIL, NOW, SilentProgress(), **more)
    return [(kept.asset, kept.dataset, kept.root, kept.rows, kept.first) for kept in report.kept], report


def take(tmp_path, hours, **more):
    write(tmp_path / "in", hours)
    return run(tmp_path / "home", CsvFolder(tmp_path / "in"), **more)


@pytest.mark.parametrize(
    ("now", "rows", "first"),
    [(range(7), 3, 7), (range(4, 10), 4, 0), ([0, 1, 2, 9], 6, 3), ([*range(9), 12], 1, 9)],
)
def test_rows_that_are_gone_are_named_and_stay(tmp_path, now, rows, first):
    assert take(tmp_path, range(10))[0] == []
    kept, report = take(tmp_path, now)
    assert kept == [("BTC", "candles_1h", tmp_path / "in", rows, T0 + first * HOUR)]
    assert report.rows[0].rows == len({*range(10), *now})
    assert report.ok


def test_growing_and_corrected_files_have_lost_nothing(tmp_path):
    for hours in (range(10), range(20), range(20)):
        assert take(tmp_path, hours)[0] == []
    assert take(tmp_path, range(20), recheck=True)[0] == []


def test_what_is_gone_is_named_as_long_as_files_are_read_without_it(tmp_path):
    take(tmp_path, range(10))
    for _ in range(2):
        kept, _ = take(tmp_path, range(5), recheck=True)
        assert [item[3] for item in kept] == [5]
    assert take(tmp_path, range(10))[0] == []


def test_another_range_says_nothing_of_the_rest(tmp_path):
    take(tmp_path, range(10))
    kept, _ = take(tmp_path, [8, 9], since=T0 + 6 * HOUR)
    assert [(item[3], item[4]) for item in kept] == [(2, T0 + 6 * HOUR)]


def test_rows_of_another_folder_are_not_missed(tmp_path):
    take(tmp_path, range(10))
    write(tmp_path / "more", range(10, 20))
    assert run(tmp_path / "home", CsvFolder(tmp_path / "more"))[0] == []
    assert take(tmp_path, range(10), recheck=True)[0] == []


def test_an_asset_that_is_gone_from_a_file_of_many(tmp_path):
    lines = [(f"{row[0]:%Y-%m-%d %H:%M}", asset, *map(str, row[1:])) for asset in ("BTC", "ETH") for row in bars(10)]
    header = "ts,symbol,open,high,low,close,volume"
    write_csv(tmp_path / "in" / "all.csv", lines, header)
    run(tmp_path / "home", CsvFolder(tmp_path / "in"), ("BTC", "ETH"))
    write_csv(tmp_path / "in" / "all.csv", lines[:10], header)
    kept, report = run(tmp_path / "home", CsvFolder(tmp_path / "in"), ("BTC", "ETH"))
    assert [(item[0], item[3], item[4]) for item in kept] == [("ETH", 10, T0)]
    assert [item.rows for item in report.rows] == [10, 10]


def test_a_file_that_is_gone(tmp_path):
    write(tmp_path / "in", range(10), "ETH-USDT.csv")
    write(tmp_path / "in", range(10))
    run(tmp_path / "home", CsvFolder(tmp_path / "in"), ("BTC", "ETH"))
    (tmp_path / "in" / "ETH-USDT.csv").unlink()
    kept, _ = run(tmp_path / "home", CsvFolder(tmp_path / "in"), ("BTC", "ETH"))
    assert [(item[0], item[3]) for item in kept] == [("ETH", 10)]


def test_settlements_and_sheets_of_inflow(tmp_path):
    path = tmp_path / "in.csv"
    for days in (9, 6):
        path.write_text("date,asset,inflow\n" + "".join(f"2024-05-{day:02},BTC,5\n" for day in range(1, days + 1)))
        source = open_source("inflow-csv", Settings(home=tmp_path / "home"), path)
        kept, _ = run(tmp_path / "home", source, dataset="inflow")
    assert kept == [("BTC", "inflow", path, 3, datetime(2024, 5, 7, tzinfo=UTC))]
    for count in (9, 8):
        rows = [(f"{T0 + k * 8 * HOUR:%Y-%m-%d %H:%M}", "0.0001") for k in range(count)]
        write_csv(tmp_path / "f" / "BTC-USDT.csv", rows, "ts,funding_rate")
        kept, _ = run(tmp_path / "home", CsvFolder(tmp_path / "f"), dataset="funding")
    assert kept == [("BTC", "funding", tmp_path / "f", 1, T0 + 64 * HOUR)]


def test_beside_a_file_that_cannot_be_read_nothing_counts_as_gone(tmp_path):
    write(tmp_path / "in", range(10))
    write(tmp_path / "in", range(10, 20), "BTC-USDT_20240502.csv")
    run(tmp_path / "home", CsvFolder(tmp_path / "in"))
    (tmp_path / "in" / "BTC-USDT_20240502.csv").write_text("ts,open,high,low,close,volume\n2024-05-01,?,1,1,1,1\n")
    kept, report = run(tmp_path / "home", CsvFolder(tmp_path / "in"))
    assert kept == []
    assert not report.ok


@pytest.mark.parametrize("note", [b"", b"[{}]", b"\xff", b'[{"root": 1, "dataset": "a", "asset": "b", "unit": 2}]'])
def test_notes_that_cannot_be_read_are_made_again(tmp_path, note):
    take(tmp_path, range(10))
    (tmp_path / "home" / "reference" / "given-folder.json").write_bytes(note)
    take(tmp_path, range(10), recheck=True)
    assert [item[3] for item in take(tmp_path, range(5))[0]] == [5]


def test_instants_without_a_grid_are_kept_coarsely():
    instants = np.unique(np.random.default_rng(1).integers(0, 86_400_000_000, 50_000))
    own = InstantRuns.of(instants)
    assert len(own.runs) <= MOST_RUNS
    assert set(own.list_instants()) == set(np.unique(instants // own.unit * own.unit))
    assert InstantRuns.of(np.array([5])).list_instants().tolist() == [5]


def test_the_command_says_it_with_the_way_out(tmp_path, monkeypatch):
    monkeypatch.setenv("PAIRITY_HOME", str(tmp_path / "home"))
    folder = tmp_path / "my files"
    arguments = ["collect", "--source", "csv-folder", "--folder", str(folder), "--since", "2024-05-01"]
    arguments += ["--until", "2024-06-01", "--assets", "BTC", "--datasets", "candles_1h"]
    write(folder, range(10))
    assert "kept" not in CliRunner().invoke(main, arguments).output
    write(folder, range(7))
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert "kept: BTC candles_1h: 3 rows, the first of 2024-05-01 07:00 UTC, are stored" in done.output
    assert f"PAIRITY_HOME=NEW pairity collect --source csv-folder --folder '{folder}' --venue folder" in done.output
    assert pl.read_csv(folder / "BTC-USDT.csv").height == 7


@pytest.mark.parametrize(
    "content", ["", "{", "[1]", "null", '[{"root": "/a"}]', '[{"root": 1, "unit": 1, "runs": [[1, 0, 2]]}]']
)
def test_a_record_that_cannot_be_read_is_named_and_begun_anew(tmp_path, content):
    take(tmp_path, range(10))
    (record,) = (tmp_path / "home" / "reference").glob("given-*.json")
    record.write_text(content)
    kept, report = take(tmp_path, range(7))
    assert (kept, report.unreadable_record) == ([], record)
    assert report.rows[0].rows == 10
    kept, report = take(tmp_path, range(5))
    assert ([rows for *_, rows, _ in kept], report.unreadable_record) == ([2], None)
