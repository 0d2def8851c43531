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


@pytest.mark.parametrize(("power", "met"), [(0.9, True), (1.1, False)])
def test_growth_with_pairs_is_no_worse_than_linear(noted, power, met):
    def run(pairs):
        return JobOutcome(pairs**power, 2 * pairs**power, 1.0, 10 * pairs**0.5, 0.0, "")

    sizes = ((45, 10), (435, 30), (4_950, 100))
    rows = [(pairs, names, run(pairs)) for pairs, names in sizes]
    pairs_year._note(dict.fromkeys(pairs_year._STAGES, rows))
    said, found = noted["pairs"]
    assert f"exponents {power:.2f}, 0.50; training set" in said
    assert f"{4_950**power:.0f} s, {2 * 4_950**power:.0f} s of the processor, 704 MB" in said
    assert found is met


def test_workers_that_published_the_same_files_meet_the_aim_and_no_workers_say_nothing(noted):
    def run(where, workers):
        said = {"seconds": 10.0, "cpu_s": 12.0, "peak_mb": 1_500.0, "worker_mb": workers, "digest": "abc"}
        return scale.Measured(300, 800_000, where, said)

    alone = run("one machine", [])
    scale._note([alone])
    assert noted["scale"] == ("one machine 10 s, 12 s of the processor, 1,500 MB; digest abc", None)
    scale._note([alone, run("two workers", [400.0, 410.0])])
    said, met = noted["scale"]
    assert said.endswith("two workers 10 s, 12 s of the processor, 1,500 and 400 and 410 MB; digest abc")
    assert met is True


def test_decisions_beside_a_crowd_are_compared_by_their_medians():
    assert readers_paced.compare_medians({"walls": {"alone": [1.0, 2.0, 9.0], "crowded": [3.0, 1.0, 3.0]}}) == 1.5
