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
import signal
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

Answer = Callable[[], str]
Job = Callable[[], str | Answer]
"""A function that does the work and returns a digest of its answer, or a function that makes the digest, which is
neither timed nor counted."""


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """What one run of a job took, in seconds and MB, and the digest of its answer."""

    seconds: float
    cpu_s: float
    """Processor's seconds of all threads, and of the processes that the job started."""
    inputs_mb: float
    """Resident size before the job: imports and inputs."""
    peak_mb: float
    """Largest resident size during the job, inputs included."""
    child_mb: float
    """Upper bound for the processes that the job started: the largest of those that ended, or all together that still
    run, whichever is more; 0 if it started none. The system counts from before a child's exec, when it still was a copy
    of its parent."""
    answer: str


@dataclass(slots=True)
class IsolatedJob:
    """A job that runs in a new process each time; every run must give the same answer, unless it `varies`."""

    module: str
    function: str
    arguments: tuple[object, ...]
    outcomes: list[JobOutcome] = field(default_factory=list)
    python: str = sys.executable
    """The interpreter: a peer may need one of its own."""
    limit_s: float | None = None
    limit_mb: int | None = None
    """Address space that the process may have."""
    variables: Mapping[str, str] = field(default_factory=dict)
    varies: bool = False
    """Whether last digits may differ from run to run: a peer may add up in the order in which its threads end."""

    def seconds(self) -> float:
        """Run the job once and return how long it took; AssertionError if it answered otherwise than before.

        Raises what `call_in_process` raises.
        """
        outcome = call_in_process(
            __name__,
            "run_job",
            (self.module, self.function, self.arguments, self.limit_mb),
            limit_s=self.limit_s,
            variables=self.variables,
            python=self.python,
        )
        self.outcomes.append(JobOutcome(**outcome))
        if not self.varies and len({outcome.answer for outcome in self.outcomes}) > 1:
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
    python: str = sys.executable,
) -> Any:
    """Call a function in a new process and return what it returned, both as JSON.

    CalledProcessError where it fails, TimeoutExpired after `limit_s`; what it printed went to this process's standard
    error. `variables` are added to its environment; `python` is the interpreter.
    """
    # Where other work shares the cores, OpenMP's threads that spin while they wait take them from each other.
    environment = os.environ | {"OMP_WAIT_POLICY": "passive"} | dict(variables or {})
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        command = [python, "-m", "benchmarks.isolated_process", module, function]
        command += [json.dumps(arguments), str(answer)]
        _run_in_session(command, environment, limit_s)
        return json.loads(answer.read_text())


def _run_in_session(command: Sequence[str], environment: Mapping[str, str], limit_s: float | None) -> None:
    """Run a command to its end; where it takes too long or this process is ended, with all that it started."""
    with subprocess.Popen(command, stdout=sys.stderr, env=environment, start_new_session=True) as process:
        try:
            code = process.wait(limit_s)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if code:
        raise subprocess.CalledProcessError(code, list(command))


def run_job(module: str, function: str, arguments: Sequence[object], limit_mb: int | None = None) -> dict[str, Any]:
    """Prepare a job, run it once and return the fields of its `JobOutcome`."""
    if limit_mb is not None:
        resource.setrlimit(resource.RLIMIT_AS, (limit_mb << 20, limit_mb << 20))
    job: Job = getattr(import_module(module), function)(*arguments)
    reset_peak()
    before, used, begun = read_resident_mb("VmRSS"), read_cpu_s(), time.perf_counter()
    answer = job()
    seconds, cpu_s = time.perf_counter() - begun, read_cpu_s() - used
    ended = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    running = sum(read_resident_mb("VmHWM", child) for child in list_descendants(os.getpid()))
    measured = {
        "seconds": seconds,
        "cpu_s": cpu_s,
        "inputs_mb": before,
        "peak_mb": read_resident_mb("VmHWM"),
        "child_mb": max(ended, running),
    }
    return measured | {"answer": answer if isinstance(answer, str) else answer()}


def reset_peak() -> None:
    """Set the high-water mark of this process (VmHWM) back to what is resident now."""
    Path("/proc/self/clear_refs").write_text("5")


def read_resident_mb(name: str, process: int | str = "self") -> float:
    """Return VmRSS (resident now) or VmHWM (the most since `reset_peak`) of a process, in MB; 0 where it has none."""
    found = Path(f"/proc/{process}/status").read_text().partition(f"{name}:")[2].split()
    return int(found[0]) / 1024 if found else 0.0


def read_cpu_s() -> float:
    """Return the processor's seconds of this process and of all below it, those that still run too."""
    ticks = 0
    for child in list_descendants(os.getpid()):
        fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))
    spent = os.times()
    return time.process_time() + spent.children_user + spent.children_system + ticks / os.sysconf("SC_CLK_TCK")


def list_descendants(process: int) -> list[int]:
    """Return the processes that run below one."""
    children = [
        int(number)
        for thread in Path(f"/proc/{process}/task").iterdir()
        for number in (thread / "children").read_text().split()
    ]
    return [*children, *(below for child in children for below in list_descendants(child))]


def _main(module: str, function: str, arguments: str, file: str) -> None:
    answer = getattr(import_module(module), function)(*json.loads(arguments))
    Path(file).write_text(json.dumps(answer))


if __name__ == "__main__":
    _main(*sys.argv[1:])
