"""The answer of a measured process is what its function returned, whatever was printed meanwhile."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from benchmarks.isolated_process import IsolatedJob, call_in_process

JOBS = "tests.benchmarks.printing_jobs"


def test_what_a_library_prints_is_not_the_answer(capfd):
    assert call_in_process(JOBS, "answer_between_prints", (12.5,)) == 12.5
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "42%" in printed.err


def test_a_job_that_prints_is_measured():
    job = IsolatedJob(JOBS, "make_printing_job", ("digest",))
    assert job.seconds() >= 0.0
    assert job.answer == "digest"
    assert job.outcomes[0].peak_mb >= job.outcomes[0].inputs_mb > 0


def test_a_job_that_answers_otherwise_is_refused_unless_it_may():
    job = IsolatedJob(JOBS, "make_moody_job", ())
    job.seconds()
    with pytest.raises(AssertionError, match="answered differently from run to run"):
        job.seconds()
    peer = IsolatedJob(JOBS, "make_moody_job", (), varies=True)
    assert peer.seconds() >= 0.0
    assert peer.seconds() >= 0.0


def test_a_process_that_fails_has_no_answer():
    with pytest.raises(subprocess.CalledProcessError):
        call_in_process(JOBS, "fail", ("on purpose",))


def test_a_process_that_takes_too_long_is_ended():
    with pytest.raises(subprocess.TimeoutExpired):
        call_in_process("time", "sleep", (60,), limit_s=0.5)


def test_with_a_process_that_takes_too_long_all_that_it_started_is_ended(tmp_path):
    """A replay starts an exchange beside it: the next measurement must not run beside what was given up."""
    file = tmp_path / "child"
    with pytest.raises(subprocess.TimeoutExpired):
        call_in_process(JOBS, "start_child_and_wait", (str(file),), limit_s=8.0)
    child = Path("/proc", file.read_text())
    deadline = time.monotonic() + 10
    while child.exists() and "Z (zombie)" not in (child / "status").read_text():
        assert time.monotonic() < deadline, "the child still runs"
        time.sleep(0.05)
