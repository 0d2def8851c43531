"""`pairity collect` from files: a look before anything is stored, options for what files leave open, exit codes."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from pairity_cli.main import main
from tests.ingestion.sources.folder_files import bars, write_csv

RANGE = ("--since", "2024-05-01", "--until", "2024-06-01", "--assets", "BTC")


def rows(form="%Y-%m-%d %H:%M", count=30):
    return [(row[0].strftime(form), *(str(value) for value in row[1:])) for row in bars(count)]


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("PAIRITY_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    def collect(*arguments):
        source = ("--source", "csv-folder", "--folder", str(tmp_path / "in"))
        return CliRunner().invoke(main, ["collect", *source, *RANGE, *arguments])

    return collect


def test_a_look_at_files_stores_nothing(run, tmp_path):
    own = rows()
    write_csv(tmp_path / "in" / "BTC-USDT.csv", [*own[:10], (own[10][0], *["-"] * 5), *own[11:]])
    done = run("--check")
    assert done.exit_code == 0, done.output
    line = next(line for line in done.output.splitlines() if "candles_1h" in line)
    assert [
        part for part in ("BTC", "29", "2024-05-01 00:00", "2024-05-02 05:00", "1 h", "1") if part not in line
    ] == []
    assert "left out: BTC candles_1h" in done.output
    assert "nothing was stored" in done.output
    assert not (tmp_path / "home" / "lake").exists()
    stored = run("--datasets", "candles_1h")
    assert stored.exit_code == 0, stored.output
    assert "left out: BTC candles_1h" in stored.output
    assert (tmp_path / "home" / "lake").exists()


def test_a_look_says_what_would_be_withheld_and_what_cannot_be_read(run, tmp_path):
    own = rows()
    write_csv(tmp_path / "in" / "BTC-USDT.csv", [*own[:10], (own[10][0], "-5", *own[10][2:]), *own[11:]])
    done = run("--check")
    assert done.exit_code == 4
    assert "would be withheld: BTC candles_1h: 1 for nonpositive_prices" in done.output
    write_csv(tmp_path / "in" / "BTC-USDT.csv", [*own[:10], (own[10][0], "?", *own[10][2:]), *own[11:]])
    done = run("--check")
    assert done.exit_code == 4
    assert "open of line 12 is '?'" in done.output
    assert "BTC-USDT.csv" in done.output
    done = run("--datasets", "candles_1h")
    assert done.exit_code == 4
    assert "failed: BTC candles_1h" in done.output


def test_what_files_leave_open_may_be_said(run, tmp_path):
    write_csv(tmp_path / "in" / "BTC-USDT.csv", rows("%d/%m/%Y %H:%M"))
    refused = run("--check")
    assert refused.exit_code == 4
    assert "give --time-format" in refused.output
    done = run("--check", "--time-format", "%d/%m/%Y %H:%M", "--time-zone", "Asia/Tokyo")
    assert done.exit_code == 0, done.output
    assert "2024-05-01 20:00" in done.output
    assert run("--time-zone", "Asia/Nowhere").exit_code == 2
    assert run("--time-format", "\x1b[2J").exit_code == 2
    assert run("--decimal", "dot").exit_code == 2


def test_a_look_is_at_files(run):
    done = CliRunner().invoke(main, ["collect", "--source", "binance-archive", "--check", *RANGE])
    assert done.exit_code == 2
    assert "--check looks at files, and binance-archive reads none" in done.output


@pytest.mark.parametrize("options", [("--check",), (), ("--datasets", "candles_1h,funding")])
def test_a_file_that_cannot_be_read_is_named_once(run, tmp_path, options):
    write_csv(tmp_path / "in" / "BTC-USDT.csv", [("what", *rows()[0][1:]), *rows()])
    done = run(*options)
    assert done.exit_code == 4
    said = [line for line in done.output.splitlines() if line.startswith(("failed: ", "cannot be read: "))]
    assert len(said) == 1, done.output
    assert "candles_1h, " in said[0]
    assert "funding" in said[0]
    assert "line 2 is 'what'" in said[0]


def test_rows_whose_file_was_taken_away_stay_and_that_is_said(run, tmp_path):
    file = tmp_path / "in" / "BTC-USDT.csv"
    write_csv(file, rows())
    assert run("--datasets", "candles_1h").exit_code == 0
    file.rename(file.with_name("btcusdt.csv"))
    renamed = run("--datasets", "candles_1h")
    assert (renamed.exit_code, "lacks" in renamed.output) == (0, False)
    file.with_name("btcusdt.csv").unlink()
    gone = run("--datasets", "candles_1h")
    assert gone.exit_code == 0
    assert (
        "lacks: BTC candles_1h: csv-folder has no file of it now: the 30 rows that were stored before stay"
        in gone.output
    )


def test_what_a_source_has_nothing_of_is_one_line_and_no_rows_of_zeros(run, tmp_path):
    write_csv(tmp_path / "in" / "BTC-USDT.csv", rows())
    done = run()
    assert done.exit_code == 0, done.output
    table = [line.split()[:2] for line in done.output.splitlines() if line.startswith("BTC ")]
    assert table == [["BTC", "candles_1h"]]
    (lacks,) = [line for line in done.output.splitlines() if line.startswith("lacks:")]
    assert "funding" in lacks and "mark_1h" in lacks  # noqa: PT018
    assert lacks.endswith("csv-folder has none of them: its files hold candles_1h only")
