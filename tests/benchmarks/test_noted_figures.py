"""What groups outside of the one table store of what they measured, and when that is what was aimed at."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from benchmarks import pairs_year, readers_paced, scale, serving
from benchmarks.isolated_process import JobOutcome


@pytest.fixture
def noted(monkeypatch):
    """What the groups note: name → (words, whether the aim is met)."""
    found = {}

    def note(name, said, *, met=None):
        found[name] = said, met

    for module in (pairs_year, scale, serving):
        monkeypatch.setattr(module, "note_figure", note)
    return found


def spend(title, pairs, seconds):
    return SimpleNamespace(title=title, pairs=pairs, list_seconds=lambda _step, _clock: [seconds] * 3)


@pytest.mark.parametrize(("seconds", "met"), [(2.5, True), (2.6, False)])
def test_an_hour_of_a_hundred_assets_is_held_against_its_limit(noted, seconds, met):
    serving._note_sizes([spend("10 assets", 45, 0.4), spend("100 assets", 4_950, seconds)])
    assert noted == {"hour_100": (f"0.40 s with 45 pairs, {seconds:.2f} s with 4,950 pairs", met)}


@pytest.mark.parametrize(("seconds", "met"), [(0.4, True), (0.46, False)])
def test_months_of_history_may_cost_a_tenth_more(noted, seconds, met):
    serving._note_months([spend("1 month", 45, 0.41), spend("36 months", 45, seconds)])
    assert noted == {"history": (f"0.41 s with 1 month, {seconds:.2f} s with 36 months", met)}


@pytest.mark.parametrize(("power", "memory", "met"), [(0.9, 0.05, True), (1.1, 0.05, False), (0.9, 0.2, False)])
def test_growth_with_pairs_is_judged_where_what_a_run_takes_in_any_case_hides_it_no_more(noted, power, memory, met):
    def run(pairs):
        return JobOutcome(pairs**power, 2 * max(pairs, 435) ** power, 1.0, 500 * pairs**memory, 0.0, "")

    sizes = ((45, 10), (435, 30), (4_950, 100))
    rows = [(pairs, names, run(pairs)) for pairs, names in sizes]
    pairs_year._note(dict.fromkeys(pairs_year._STAGES, rows))
    said, found = noted["pairs"]
    assert f"exponents from 435 pairs on {power:.2f} and {memory:.2f}; training set" in said
    assert f"{4_950**power:.0f} s, {2 * 4_950**power:.0f} s of the processor, {500 * 4_950**memory:,.0f} MB" in said
    assert found is met


def test_workers_that_published_the_same_files_meet_the_aim_and_no_workers_say_nothing(noted):
    def run(where, workers, minutes=800_000, peak=1_500.0):
        said = {"seconds": 10.0, "cpu_s": 12.0, "peak_mb": peak, "worker_mb": workers, "digest": "abc"}
        return scale.Measured(300, minutes, where, said)

    alone = [run("one machine", [], minutes=80_000), run("one machine", [])]
    scale._note(alone)
    flat = "exponent of memory at the end 0.00; digest abc"
    assert noted["scale"] == (f"one machine 10 s, 12 s of the processor, 1,500 MB, {flat}", None)
    both = [*alone, run("two workers", [400.0, 410.0], minutes=80_000), run("two workers", [400.0, 410.0])]
    scale._note(both)
    said, met = noted["scale"]
    assert said.endswith(f"two workers 10 s, 12 s of the processor, 1,500 and 400 and 410 MB, {flat}")
    assert met is True
    scale._note([*both[:1], run("one machine", [], peak=15_000.0), *both[2:]])
    assert noted["scale"][1] is False


def test_decisions_beside_a_crowd_are_compared_by_their_medians():
    assert readers_paced.compare_medians({"walls": {"alone": [1.0, 2.0, 9.0], "crowded": [3.0, 1.0, 3.0]}}) == 1.5
