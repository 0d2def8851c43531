"""`pairity quarantine repair` of rows that came from files: a corrected file closes the item, another one does not."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from ingestion.lake import Lake
from pairity.layout import Layout
from pairity_cli.main import main
from tests.ingestion.sources.folder_files import T0, T1, bars, write_csv
from validation.quarantine import read_items

RANGE = ("--since", "2024-05-01", "--until", "2024-06-01", "--assets", "BTC")


def write_hours(root, *, right):
    rows = [[f"{row[0]:%Y-%m-%d %H:%M}", *map(str, row[1:])] for row in bars(30)]
    if not right:
        rows[10][1] = "-5"
    write_csv(root / "BTC-USDT.csv", rows)


def write_settlements(root, *, right):
    rows = [(f"2024-05-{day:02} 08:00", "0.0001") for day in range(1, 9)]
    write_csv(root / "BTC-USDT.csv", [*rows, *([] if right else [("2024-05-03 08:00", "0.0002")])], "ts,funding_rate")


def write_inflow(root, *, right):
    rows = [(f"2024-05-{day:02}", "BTC", "5") for day in range(1, 9)]
    write_csv(root, [*rows, *([] if right else [("2024-05-03", "BTC", "6")])], "date,asset,inflow")


CASES = {
    "hours": ("csv-folder", "in", "mine", "candles_1h", write_hours, 30),
    "settlements": ("csv-folder", "in", "mine", "funding", write_settlements, 8),
    "inflow": ("inflow-csv", "in.csv", "okx", "inflow", write_inflow, 8),
}


@pytest.mark.parametrize("case", CASES)
def test_a_corrected_file_closes_the_item(tmp_path, monkeypatch, case):
    source, place, venue, dataset, write, count = CASES[case]
    monkeypatch.setenv("PAIRITY_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    files = ("--source", source, "--folder", str(tmp_path / place))

    def run(*arguments):
        return CliRunner().invoke(main, list(arguments))

    write(tmp_path / place, right=False)
    taken = run("collect", *files, *RANGE, "--venue", venue, "--datasets", dataset)
    assert taken.exit_code == 4, taken.output
    (item,) = read_items(Layout(tmp_path / "home"), state="held")
    nameless = run("quarantine", "repair", item.id)
    assert nameless.exit_code != 0
    assert "Traceback" not in nameless.output
    still = run("quarantine", "repair", item.id, *files)
    assert still.exit_code == 4, still.output
    assert "1 of 1 instant still wrong or missing" in still.output
    write(tmp_path / place, right=True)
    done = run("quarantine", "repair", item.id, *files)
    assert done.exit_code == 0, done.output
    assert not read_items(Layout(tmp_path / "home"), state="held")
    assert Lake(Layout(tmp_path / "home"), venue=venue).scan(dataset, ["BTC"], T0, T1).collect().height == count
    assert ("PAIRITY_FEATURES__VENUE=mine" in done.output) == (venue == "mine")
