"""One job in a process of its own: how long it took, how much memory it held, and what it answered.

`python -m benchmarks.isolated_process MODULE FUNCTION ARGUMENTS` calls the function with the arguments (JSON); what it
returns is the job, all inputs at hand. Only the job is timed. Peaks are read from the process itself: the mark is set
back to what is held when the job begins, so that building the inputs does not count as the job's.
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
"""Does the work and returns a digest of its answer."""


@dataclass(frozen=True, slots=True)
class JobOutcome:
    seconds: float
    inputs_mb: float
    """Resident before the job: imports and inputs."""
    peak_mb: float
    """Largest resident size during the job, inputs included."""
    child_mb: float
    """No process that the job started held more; 0 if it started none. A bound: it counts from before the child's exec,
    when it still was a copy of its parent."""
    answer: str


@dataclass(slots=True)
class IsolatedJob:
    """A job, run as often as it is asked for; every run must give the same answer."""

    module: str
    function: str
    arguments: tuple[object, ...]
    outcomes: list[JobOutcome] = field(default_factory=list)

    def seconds(self) -> float:
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
        """For a note below the table: medians over the runs."""
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
