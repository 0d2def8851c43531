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
