"""Work in a process of its own: how long a job took, how much memory it used, and what it answered.

`python -m benchmarks.isolated_process MODULE FUNCTION ARGUMENTS FILE` calls the function with the arguments (JSON) and
writes what it returns, as JSON, to the file. What a library prints is thus never taken for an answer: standard output
and error belong to whoever wants to print.

A job's inputs are prepared before it is timed. Peaks are read from the process itself: the high-water mark is reset
when the job begins, so that building the inputs does not count.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

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
        outcome = call_in_process(__name__, "run_job", (self.module, self.function, self.arguments))
        self.outcomes.append(JobOutcome(**outcome))
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


def call_in_process(
    module: str,
    function: str,
    arguments: Sequence[object],
    *,
    limit_s: float | None = None,
    variables: Mapping[str, str] | None = None,
) -> Any:
    """Call a function in a new process and return what it returned, both as JSON.

    CalledProcessError where it fails, TimeoutExpired after `limit_s`; what it printed went to this process's standard
    error. `variables` are added to its environment.
    """
    # Where other work shares the cores, OpenMP's threads that spin while they wait take them from each other.
    environment = os.environ | {"OMP_WAIT_POLICY": "passive"} | dict(variables or {})
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        command = [sys.executable, "-m", "benchmarks.isolated_process", module, function]
        command += [json.dumps(arguments), str(answer)]
        subprocess.run(command, stdout=sys.stderr, check=True, env=environment, timeout=limit_s)
        return json.loads(answer.read_text())


def run_job(module: str, function: str, arguments: Sequence[object]) -> dict[str, Any]:
    """Prepare a job, run it once and return the fields of its `JobOutcome`."""
    job: Job = getattr(import_module(module), function)(*arguments)
    reset_peak()
    before, begun = read_resident_mb("VmRSS"), time.perf_counter()
    answer = job()
    seconds = time.perf_counter() - begun
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {
        "seconds": seconds,
        "inputs_mb": before,
        "peak_mb": read_resident_mb("VmHWM"),
        "child_mb": child,
        "answer": answer,
    }


def reset_peak() -> None:
    """Set the high-water mark of this process (VmHWM) back to what is resident now."""
    Path("/proc/self/clear_refs").write_text("5")


def read_resident_mb(name: str) -> float:
    """Return VmRSS (resident now) or VmHWM (the most since `reset_peak`) of this process, in MB."""
    return int(Path("/proc/self/status").read_text().partition(f"{name}:")[2].split()[0]) / 1024


def _main(module: str, function: str, arguments: str, file: str) -> None:
    answer = getattr(import_module(module), function)(*json.loads(arguments))
    Path(file).write_text(json.dumps(answer))


if __name__ == "__main__":
    _main(*sys.argv[1:])
