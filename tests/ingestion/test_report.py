"""Time that a run takes, per stage."""

from __future__ import annotations

import time

import pytest

from ingestion.report import Stopwatch


def spin(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_processor_and_wall_are_told_apart():
    watch = Stopwatch()
    with watch.stage("works"):
        spin(0.05)
    with watch.stage("waits"):
        time.sleep(0.05)
    assert watch.cpu_seconds["works"] >= 0.05
    assert watch.seconds["waits"] >= 0.05
    assert watch.cpu_seconds["waits"] < 0.04


def test_a_stage_that_fails_took_its_time():
    watch = Stopwatch()
    with pytest.raises(ValueError, match="on purpose"), watch.stage("fails"):
        raise ValueError("on purpose")
    assert set(watch.seconds) == set(watch.cpu_seconds) == {"fails"}


def test_what_was_measured_elsewhere_is_added():
    watch = Stopwatch({"a": 1.0}, {"a": 0.5})
    watch.add({"a": 1.0, "b": 2.0}, {"a": 0.25, "b": 1.0})
    assert watch.seconds == {"a": 2.0, "b": 2.0}
    assert watch.cpu_seconds == {"a": 0.75, "b": 1.0}
