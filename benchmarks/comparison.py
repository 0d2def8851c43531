"""One comparison: the same work by us and by peers, at several sizes, each run in a process of its own.

First everybody does the smallest size and leaves the answer, and the answers are compared: where they differ, nothing
is measured. Then all take turns, size by size; for who runs once only, the run that was compared is that of the
smallest size. Who cannot do a size in time or memory is listed with the reason, and is not asked for more.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.conditions import Conditions
from benchmarks.growth import fit_exponent
from benchmarks.isolated_process import IsolatedJob, call_in_process


@dataclass(frozen=True, slots=True)
class Contender:
    """Who does the work: a function of a module that makes the job from the folder and the size."""

    name: str
    module: str
    function: str
    rounds: int = 3
    most: int | None = None
    """Largest size that is asked for; larger ones are listed as not measured."""
    python: str = sys.executable
    lacks: str | None = None
    """Why it cannot be measured here at all."""
    limit_s: float = 240.0
    limit_mb: int | None = None
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Work at several sizes. The first contender is ours."""

    title: str
    unit: str
    """What the sizes count, such as `rows`."""
    sizes: Sequence[int]
    prepare: Callable[[str, int], object]
    """Makes the inputs of one size in a folder; runs in a process of its own."""
    contenders: Sequence[Contender]
    tolerance: float | None = None
    """Relative error within which the answers are one; None: the same digest. See `compare_answers`."""
    alike: frozenset[str] = frozenset()
    """Names of contenders whose answers are compared with ours."""
    count: Callable[[int], int] = int
    """What a size is in units."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What one contender took for one size: medians."""

    size: int
    seconds: float
    cpu_s: float
    peak_mb: float
    """Of the process and of those that it started, inputs included. NaN where it is not known, as for the others."""


@dataclass(slots=True)
class Track:
    """One line of the table: a contender over all sizes."""

    title: str
    unit: str
    who: str
    cells: list[Cell] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """Why sizes are not there."""
    alike: str = ""
    """How its answer was compared with ours."""
    rounds: int = 1
    """Runs of each size, of which the cells are the medians."""
    load: float = 0.0
    """Load over the last 15 minutes when it had been measured."""
    commit: str = ""
    finished: str = ""
    """The day, UTC."""
    processor: str = ""

    def note_conditions(self, conditions: Conditions) -> None:
        """Write down under what it was measured."""
        for name, value in asdict(conditions).items():
            setattr(self, name, value)

    def exponent(self, name: str) -> float | None:
        """Return the exponent of growth of `seconds`, `cpu_s` or `peak_mb`; None for fewer than three sizes."""
        points = [(cell.size, getattr(cell, name)) for cell in self.cells]
        return fit_exponent(points) if len(points) > 2 else None


def measure_comparison(comparison: Comparison, scratch: Path) -> list[Track]:
    """Compare answers, then measure; AssertionError where the answers differ."""
    folders = {size: scratch / str(size) for size in comparison.sizes}
    for size, folder in folders.items():
        folder.mkdir(parents=True)
        _log(f"{comparison.title}: inputs of {comparison.count(size):,} {comparison.unit} …")
        call_in_process(comparison.prepare.__module__, comparison.prepare.__name__, (str(folder), size), limit_s=900.0)
    tracks = {
        item.name: Track(comparison.title, comparison.unit, item.name, rounds=item.rounds)
        for item in comparison.contenders
    }
    able = [item for item in comparison.contenders if _is_able(item, tracks[item.name])]
    agreed = list(_agree(comparison, able, folders[comparison.sizes[0]], tracks))
    able = [item for item, _ in agreed]
    done = {item.name: job for item, job in agreed if item.rounds == 1}
    for size, folder in folders.items():
        able = _measure_size(comparison, able, size, folder, tracks, done)
        done = {}
    return list(tracks.values())


def _is_able(item: Contender, track: Track) -> bool:
    if item.lacks:
        track.missing.append(item.lacks)
    return item.lacks is None


def _agree(
    comparison: Comparison, able: Sequence[Contender], folder: Path, tracks: Mapping[str, Track]
) -> Iterator[tuple[Contender, IsolatedJob]]:
    """Yield who does the smallest size, with its run; assert that the answers that must be one are."""
    size, own = comparison.sizes[0], None
    for place, item in enumerate(able):
        job = _make_job(comparison, item, folder, size)
        if (failure := _run(job)) is not None:
            assert place, f"{item.name} failed: {failure}"
            tracks[item.name].missing.append(f"{comparison.count(size):,}: {failure}")
            continue
        own = own or job
        if item.name in comparison.alike:
            tracks[item.name].alike = compare_answers(own, job, folder, comparison.tolerance)
        yield item, job


def compare_answers(own: IsolatedJob, other: IsolatedJob, folder: Path, tolerance: float | None) -> str:
    """Assert that two answers are one, and return in words how; arrays lie in FUNCTION.npy of the folder.

    Errors are relative to the value, or where it is small, to a hundredth of the largest of its column.
    """
    if tolerance is None:
        assert own.answer == other.answer, f"{other.function} answers otherwise than {own.function}"
        return "the same bits"
    mine, theirs = (np.load(folder / f"{job.function}.npy") for job in (own, other))
    assert mine.shape == theirs.shape, f"{other.function}: {theirs.shape}, {own.function}: {mine.shape}"
    small = np.nanmax(np.abs(mine), axis=0, initial=0.0) / 100
    np.testing.assert_allclose(theirs / small, mine / small, rtol=tolerance, atol=tolerance, err_msg=other.function)
    return f"equal to {tolerance:.0e}"


def _measure_size(
    comparison: Comparison,
    able: Sequence[Contender],
    size: int,
    folder: Path,
    tracks: Mapping[str, Track],
    done: Mapping[str, IsolatedJob],
) -> list[Contender]:
    """Measure one size in turns; return who goes on to the next one. `done`: who ran already."""
    jobs = {item.name: done.get(item.name) or _make_job(comparison, item, folder, size) for item in able}
    failed: set[str] = set()
    count = comparison.count(size)
    for item in able:
        if item.most is not None and size > item.most:
            tracks[item.name].missing.append(f"{count:,}: not asked for, it would take too long")
            failed.add(item.name)
    for round_ in range(max(item.rounds for item in able)):
        for item in able:
            if round_ >= item.rounds or item.name in failed or item.name in done:
                continue
            if (failure := _run(jobs[item.name])) is not None:
                assert item is not comparison.contenders[0], f"{item.name} failed: {failure}"
                tracks[item.name].missing.append(f"{count:,}: {failure}")
                failed.add(item.name)
    for item in able:
        if item.name in failed:
            continue
        runs = jobs[item.name].outcomes
        cell = Cell(
            count,
            statistics.median(run.seconds for run in runs),
            statistics.median(run.cpu_s for run in runs),
            statistics.median(run.peak_mb + run.child_mb for run in runs),
        )
        tracks[item.name].cells.append(cell)
        _log(f"  {count:,} {comparison.unit}, {item.name}: {cell.seconds:.3f} s, {cell.peak_mb:,.0f} MB")
    return [item for item in able if item.name not in failed]


def _make_job(comparison: Comparison, item: Contender, folder: Path, size: int) -> IsolatedJob:
    is_peer = item is not comparison.contenders[0]
    return IsolatedJob(
        item.module,
        item.function,
        (str(folder), size),
        python=item.python,
        limit_s=item.limit_s,
        limit_mb=item.limit_mb,
        variables=item.variables,
        varies=is_peer and comparison.tolerance is not None,
    )


def _run(job: IsolatedJob) -> str | None:
    """Run a job once; return why it gave no answer, None if it did."""
    try:
        job.seconds()
    except subprocess.TimeoutExpired:
        return f"no answer within {job.limit_s:.0f} s"
    except subprocess.CalledProcessError as error:
        memory = f", with {job.limit_mb / 1024:.0f} GB of memory" if job.limit_mb else ""
        return f"failed (exit code {error.returncode}{memory})"
    return None


def _log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
