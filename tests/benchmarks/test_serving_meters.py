"""Meters around a decision: steps inside of steps, and counts of what is expensive."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from benchmarks.isolated_process import call_in_process
from benchmarks.serving import summarise
from benchmarks.serving_meters import ALL, COLLECTS, LAZY, OTHER, VALIDATIONS, WRITES, Meter


def spin(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_a_step_does_not_hold_the_time_of_steps_inside_of_it():
    meter = Meter()
    with meter.decision():
        spin(0.02)
        with meter.step("outer"):
            spin(0.02)
            with meter.step("inner"):
                spin(0.06)
            with meter.step("inner"):
                spin(0.06)
    steps = {name: spent.cpu_s for name, spent in meter.decisions[0].steps.items()}
    # Spun for at least so long; what a busy machine adds has no upper bound.
    assert steps["inner"] >= 0.12
    assert steps["outer"] >= 0.02
    assert steps[OTHER] >= 0.02
    assert steps[ALL] >= sum(steps.values()) - steps[ALL] > 0.15


def test_steps_between_decisions_are_not_measured():
    meter = Meter()
    with meter.step("early"):
        meter.count(WRITES)
    with meter.decision():
        meter.count(WRITES)
    assert set(meter.decisions[0].steps) == {OTHER, ALL}
    assert meter.decisions[0].counts == {WRITES: 1}


def test_a_decision_that_fails_is_measured_too():
    meter = Meter()
    with pytest.raises(ValueError, match="on purpose"), meter.decision(), meter.step("broken"):
        raise ValueError("on purpose")
    assert "broken" in meter.decisions[0].steps


@pytest.mark.slow
def test_every_name_of_the_product_is_there_and_everything_expensive_is_counted(tmp_path):
    missing, counts = call_in_process("tests.benchmarks.counted_work", "count_work", (str(tmp_path),))
    assert missing == []
    assert Counter(counts) == {COLLECTS: 4, LAZY: 2, WRITES: 4, VALIDATIONS: 1}


def test_tails_are_values_that_occurred():
    values = [float(number) for number in range(1, 101)]
    assert summarise(values) == (50.5, 95.0, 99.0)
    assert summarise([2.0]) == (2.0, 2.0, 2.0)
