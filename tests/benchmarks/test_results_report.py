"""The report of `make bench`: ratios at the largest size that both did, what is missing, aims; and all rows run."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.aims import AIMS, report_aims
from benchmarks.comparison import Cell, Track
from benchmarks.figures import note_figure, read_figures
from benchmarks.growth_figure import draw_growth
from benchmarks.peer_interpreters import find_interpreter
from benchmarks.processor import name_processor
from benchmarks.results_report import write_report
from benchmarks.results_table import keep_measured, measure_table
from benchmarks.stored_rows import read_rows, store_rows
from benchmarks.whole_ways import read_trading

OURS = Track(
    "joining",
    "rows",
    "pairity",
    [Cell(10, 1.0, 2.0, 100.0), Cell(20, 2.0, 4.0, 100.0), Cell(40, 4.0, 8.0, 100.0)],
    rounds=3,
    commit="abc1234",
    finished="2026-01-05",
)
PEER = Track(
    "joining", "rows", "peer", [Cell(10, 3.0, 2.0, 50.0), Cell(20, 6.0, 4.0, 50.0)], ["40: failed"], "the same bits"
)
REPLAY = Track(
    "replay of recorded hours", "hours", "pairity", [Cell(n, 5.0 + n / 20, n / 25, 300.0) for n in (10, 20, 100)]
)


def test_ratios_are_taken_at_the_largest_size_that_both_did():
    text = write_report([OURS, PEER], [], "conditions", {})
    assert "**joining** (rows: 10 / 20 / 40; load 0; 2026-01-05, commit abc1234)" in text
    assert "| pairity |  | 1.00 / 2.00 / 4.00 | 2.00 / 4.00 / 8.00 | 100 / 100 / 100 |  | 1.00, 0.00 |" in text
    assert "| peer (one run) | the same bits | 3.00 / 6.00 | 2.00 / 4.00 | 50 / 50 | 3.00, 1.00, 0.50 | –, – |" in text
    assert "- joining: peer: 40: failed" in text


def test_a_run_that_goes_on_keeps_what_was_measured_here_and_measures_again_what_failed(tmp_path: Path):
    here = name_processor()
    rows = {
        "done": [replace(OURS, processor=here), replace(PEER, processor=here)],
        "failed": [Track("failed", "", "pairity", missing=["not measured: OSError"], processor=here)],
        "elsewhere": [replace(OURS, processor="another")],
    }
    store_rows(tmp_path / "rows.json", rows)
    assert read_rows(tmp_path / "rows.json") == rows
    assert [file.name for file in tmp_path.iterdir()] == ["rows.json"]
    assert keep_measured(rows) == {"done": rows["done"]}


def test_every_aim_is_listed_and_says_whether_this_run_measured_it():
    text = write_report([REPLAY], [], "conditions", {})
    assert "20.0 hours a second: 438 s for a year under the load of 0, 350 s of the processor of both processes" in text
    assert "| yes | `make bench` |" in text
    assert text.count("| not measured | – |") == len(AIMS) - 1


def test_an_aim_that_is_missed_says_so():
    short = Track("minutes of 10 instruments", "minutes", "pairity", [Cell(10, 1.0, 1.0, 1.0)])
    fast = Track("minutes of 10 instruments", "minutes", "DuckDB", [Cell(10, 0.5, 0.25, 1.0)])
    assert (
        "| as fast as SQL in DuckDB | at 10 minutes the peer takes 0.5 × our 1 s, 0.25 × our processor's | **no** |"
        in write_report([short, fast], [], "conditions", {})
    )


def test_figures_of_other_groups_stand_beside_their_aims(tmp_path: Path):
    file = tmp_path / "figures.json"
    assert read_figures(file) == {}
    note_figure("wide", "200 s, 1,500 MB", met=True, file=file)
    note_figure("books", "12 s", file=file)
    note_figure("wide", "180 s, 2,500 MB", met=False, file=file)
    kept = read_figures(file)
    assert [(name, figure.said, figure.met) for name, figure in kept.items()] == [
        ("books", "12 s", None),
        ("wide", "180 s, 2,500 MB", False),
    ]
    (line,) = (line for line in report_aims([], kept) if "make bench-wide" in line)
    assert f"180 s, 2,500 MB ({kept['wide'].finished}, commit {kept['wide'].commit}, load " in line
    assert "| **no** |" in line


def test_every_figure_that_an_aim_names_is_one_that_a_group_stores():
    stored = {
        name
        for file in Path("benchmarks").glob("*.py")
        for name in re.findall(r'note_figure\(\s*"(\w+)"', file.read_text())
    }
    assert {aim.figure for aim in AIMS if aim.figure} == stored


def test_the_figure_is_the_same_for_the_same_rows(tmp_path: Path):
    for name in ("one.svg", "two.svg"):
        draw_growth([OURS, PEER], tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_what_a_replay_took_is_read_from_its_summary():
    parts = [{"part": "trading", "s": 75.0}, {"part": "of trading: the exchange's processor", "s": 5.0}]
    steps = [{"step": "all", "wall_ms": 400.0, "processor_ms": 50.0}]
    answer = {"tables": [{"rows": parts}, {"rows": steps}]}
    assert read_trading(answer, 100, 300.0) == Cell(100, 75.0, 10.0, 300.0)


def test_a_peer_without_an_interpreter_says_what_is_missing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("BENCHMARK_X", raising=False)
    assert "BENCHMARK_X does not name a Python with x" in str(find_interpreter("BENCHMARK_X", "x").lacks)
    monkeypatch.setenv("BENCHMARK_X", "/no/such/python")
    assert "is no program" in str(find_interpreter("BENCHMARK_X", "x").lacks)
    monkeypatch.setenv("BENCHMARK_X", os.sys.executable)
    assert "no `no-such-program`" in str(find_interpreter("BENCHMARK_X", "x", "no-such-program").lacks)
    assert find_interpreter("BENCHMARK_X", "x").lacks is None


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_all_rows_run(tmp_path: Path):
    text = measure_table(tmp_path, small=True)
    assert text.count("\n| pairity") >= 9
    assert (tmp_path / "growth.svg").stat().st_size > 10_000
    assert "under the profiler" in text
