"""One job in a process of its own: how long it took, how much memory it used, and what it answered.

`python -m benchmarks.isolated_process MODULE FUNCTION ARGUMENTS` calls the function with the arguments (JSON). The
function prepares the inputs and returns the job; only the job is timed. Peaks are read from the process itself: the
high-water mark is reset when the job begins, so that building the inputs does not count.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

Job = Callable[[], str]
"""A function that does the work and returns a digest of its answer."""


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """What one run of a job took, in seconds and MB, and the digest of its answer."""

    seconds: float
    inputs_mb: float
    """Resident size before the job: imports and inputs."""
    peak_mb: float
    """Largest resident size during the job, inputs included."""
    child_mb: float
    """Upper bound for the largest process that the job started; 0 if it started none. The system counts from before the
    child's exec, when the child still was a copy of its parent."""
    answer: str


@dataclass(slots=True)
class IsolatedJob:
    """A job that runs in a new process each time; every run must give the same answer."""

    module: str
    function: str
    arguments: tuple[object, ...]
    outcomes: list[JobOutcome] = field(default_factory=list)

    def seconds(self) -> float:
        """Run the job once and return how long it took; AssertionError if it answered otherwise than before."""
        command = [
            sys.executable,
            "-m",
            "benchmarks.isolated_process",
            self.module,
            self.function,
            json.dumps(self.arguments),
        ]
        # Where other work shares the cores, OpenMP's threads that spin while they wait take them from each other.
        environment = os.environ | {"OMP_WAIT_POLICY": "passive"}
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
        self.outcomes.append(JobOutcome(**json.loads(done.stdout.splitlines()[-1])))
        if len({outcome.answer for outcome in self.outcomes}) > 1:
            raise AssertionError(f"{self.function}{self.arguments} answered differently from run to run")
        return self.outcomes[-1].seconds

    @property
    def answer(self) -> str:
        return self.outcomes[-1].answer

    def memory(self) -> str:
        """Return the median memory over the runs in words, for a note below the table."""
        peak, inputs, child = (
            statistics.median(getattr(outcome, name) for outcome in self.outcomes)
            for name in ("peak_mb", "inputs_mb", "child_mb")
        )
        children = f", largest worker at most {child:,.0f} MB" if child else ""
        return f"{peak:,.0f} MB ({inputs:,.0f} MB of it before the job{children})"


def _read_resident_mb(name: str) -> float:
    return int(Path("/proc/self/status").read_text().partition(f"{name}:")[2].split()[0]) / 1024


def _run(module: str, function: str, arguments: str) -> None:
    job: Job = getattr(import_module(module), function)(*json.loads(arguments))
    Path("/proc/self/clear_refs").write_text("5")  # sets VmHWM back to what is resident now
    before, begun = _read_resident_mb("VmRSS"), time.perf_counter()
    answer = job()
    seconds = time.perf_counter() - begun
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(
        json.dumps(
            {
                "seconds": seconds,
                "inputs_mb": before,
                "peak_mb": _read_resident_mb("VmHWM"),
                "child_mb": child,
                "answer": answer,
            }
        )
    )


if __name__ == "__main__":
    _run(*sys.argv[1:])
