"""Comparisons: answers first, then medians of runs in processes of their own; who gives up is listed."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.comparison import Comparison, Contender, Track, measure_comparison
from benchmarks.growth import fit_exponent
from tests.benchmarks import toy_jobs

JOBS = "tests.benchmarks.toy_jobs"


def compare(*functions: str, sizes: tuple[int, ...] = (1,), tolerance: float | None = None, rounds: int = 1):
    return Comparison(
        title="doubling",
        unit="numbers",
        sizes=sizes,
        prepare=toy_jobs.prepare,
        contenders=[Contender(name, JOBS, name, rounds=rounds) for name in functions],
        tolerance=tolerance,
        alike=frozenset(functions[1:]),
    )


def test_all_sizes_are_measured_and_who_gives_up_is_listed_with_the_reason(tmp_path: Path):
    ours, peer = measure_comparison(compare("double", "give_up_above_two", sizes=(2, 3)), tmp_path)
    assert [cell.size for cell in ours.cells] == [2, 3]
    assert all(cell.seconds >= 0 and cell.peak_mb > 1 for cell in ours.cells)
    assert [cell.size for cell in peer.cells] == [2]
    assert peer.alike == "the same bits"
    assert peer.missing == ["3: failed (exit code 1)"]


def test_answers_within_the_tolerance_are_one(tmp_path: Path):
    _, peer = measure_comparison(compare("double", "double_nearly", sizes=(3,), tolerance=1e-9), tmp_path)
    assert peer.alike == "equal to 1e-09"


@pytest.mark.parametrize("tolerance", [None, 1e-9])
def test_other_answers_end_the_comparison_before_anything_is_measured(tmp_path: Path, tolerance: float | None):
    with pytest.raises(AssertionError, match="triple"):
        measure_comparison(compare("double", "triple", sizes=(3,), tolerance=tolerance), tmp_path)


def test_ours_must_not_fail(tmp_path: Path):
    with pytest.raises(AssertionError, match=r"give_up_above_two failed"):
        measure_comparison(compare("give_up_above_two", sizes=(3,)), tmp_path)


def test_a_peer_that_is_not_there_is_listed_and_not_started(tmp_path: Path):
    absent = Contender("absent", "no.such.module", "run", lacks="not measured: no Java")
    comparison = Comparison(
        "doubling", "numbers", (1,), toy_jobs.prepare, [Contender("double", JOBS, "double"), absent]
    )
    assert measure_comparison(comparison, tmp_path)[1].missing == ["not measured: no Java"]


def test_an_exponent_needs_three_sizes():
    assert Track("title", "rows", "who").exponent("seconds") is None
    assert fit_exponent([(10, 1.0), (100, 10.0), (1_000, 100.0)]) == pytest.approx(1.0)
