"""240 million made-up minute bars into hourly microstructure, on this machine alone and on the workers of a cluster.

The bars lie in a lake on disk, made month by month; the feature job reads them month by month. Each job runs in a
process of its own and says how long it took and the largest memory that it and each worker had. What both publish must
be the same files. There is no peer: what is measured is how time and memory grow.

The cluster is the running one whose folder `LOCAL_CLUSTER` names (`make bench-scale` starts it); without it this
machine alone is measured, and the result says so.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.figures import note_figure
from benchmarks.growth import FLAT, fit_exponent, fit_last_exponent
from benchmarks.isolated_process import call_in_process
from benchmarks.processor import name_processor
from benchmarks.scale_bars import DISTINCT, fill_lake

_ONE, _TWO = "one machine", "two workers"
_PACKAGES = ("polars", "numpy", "numba", "distributed")


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured: minutes of all instruments (each a tenth of the next), and one span of fewer of them."""

    instruments: int
    minutes: tuple[int, ...]
    fewer: tuple[int, ...]
    span: int


WHOLE = Size(300, (8_000, 80_000, 800_000), (3, 30), 80_000)
SMALL = Size(6, (4_000, 40_000), (2,), 40_000)


@dataclass(frozen=True, slots=True)
class Measured:
    """One job: instruments, minutes of each, where it ran, and what `scale_job.run_feature_job` says of it."""

    instruments: int
    minutes: int
    where: str
    said: dict[str, Any]

    @property
    def bars(self) -> int:
        return self.instruments * self.minutes

    @property
    def seconds(self) -> float:
        return float(self.said["seconds"])

    @property
    def cpu_s(self) -> float:
        return float(self.said["cpu_s"])

    @property
    def peak_mb(self) -> float:
        return float(self.said["peak_mb"])

    @property
    def worker_mb(self) -> float:
        return float(max(self.said["worker_mb"], default=0.0))

    def describe(self) -> str:
        """Return the line of the table."""
        workers = " and ".join(f"{megabytes:,.0f}" for megabytes in self.said["worker_mb"])
        peak = f"{self.peak_mb:,.0f} ({self.said['before_mb']:,.0f})"
        cells = (
            f"{self.bars:,}",
            str(self.instruments),
            self.where,
            f"{self.seconds:.1f}",
            f"{self.cpu_s:.1f}",
            f"{self.bars / self.seconds:,.0f}",
            f"{self.bars / self.cpu_s:,.0f}",
            f"{self.said['minutes_read']:,}",
            f"{self.said['hours']:,}",
            peak,
            workers or "–",
            self.said["digest"],
        )
        return f"| {' | '.join(cells)} |"


_COLUMNS = (
    "bars",
    "instruments",
    "where",
    "seconds",
    "CPU, s",
    "bars per second",
    "bars per CPU second",
    "bars read",
    "hours published",
    "peak of the process (before the job), MB",
    "peak of each worker, MB",
    "digest",
)
_WORDS = {"where", "digest"}
_HEAD = (
    f"| {' | '.join(_COLUMNS)} |",
    f"| {' | '.join('---' if name in _WORDS else '---:' for name in _COLUMNS)} |",
)


def measure_scale(small: bool) -> str:
    """Measure every size and return the tables; `small` shows in a minute whether it runs at all."""
    size = SMALL if small else WHOLE
    variables = _read_variables()
    places = (_ONE,) if variables is None else (_ONE, _TWO)
    load = os.getloadavg()
    with tempfile.TemporaryDirectory(prefix="pairity-scale-") as scratch:
        filled = call_in_process(fill_lake.__module__, "fill_lake", (scratch, size.instruments, max(size.minutes)))
        print(f"{filled['rows']:,} bars in {filled['seconds']:.0f} s", file=sys.stderr, flush=True)
        grown = list(_measure(scratch, [(size.instruments, minutes) for minutes in size.minutes], places, variables))
        wider = list(_measure(scratch, [(count, size.span) for count in size.fewer], places, variables))
    wider += [one for one in grown if one.minutes == size.span]
    if not small:
        _note(grown)
    lines = [
        f"{filled['rows']:,} made-up minute bars of {size.instruments} instruments: {filled['bytes'] / 1e9:.1f} GB of "
        f"lake, written in {filled['seconds']:.0f} s, no more than a month of one instrument in memory. Prices are "
        f"made for {DISTINCT} instruments, and the files of the others are copies of theirs. The job computes, judges "
        "and publishes hours and microstructure, month by month; each month reads 400 hours before it too, so that "
        "more bars are read than there are.",
        "",
        f"{_describe_machine()}; load {load[0]:.1f} before, {os.getloadavg()[0]:.1f} after: others work on the same "
        "cores. Timings of one run.",
        "",
        *_HEAD,
        *(one.describe() for one in (*grown, *(one for one in wider if one not in grown))),
        "",
        *(f"- {text}" for text in _describe_growth(grown, "bars of the same instruments, more months", places)),
        *(f"- {text}" for text in _describe_growth(wider, "bars of the same months, more instruments", places)),
        "- " + _describe_digests(variables is not None),
    ]
    return "\n".join(lines) + "\n"


def _measure(
    scratch: str, cases: Sequence[tuple[int, int]], places: Sequence[str], variables: dict[str, str] | None
) -> Iterator[Measured]:
    for instruments, minutes in cases:
        digests = set()
        for where in places:
            on_workers = where == _TWO
            said = call_in_process(
                "benchmarks.scale_job",
                "run_feature_job",
                (scratch, instruments, minutes, on_workers),
                variables=variables if on_workers else None,
            )
            one = Measured(instruments, minutes, where, said)
            print(one.describe(), file=sys.stderr, flush=True)
            digests.add((said["digest"], said["hours"]))
            yield one
        assert len(digests) == 1, f"one machine and its workers published different files: {digests}"


def _note(grown: Sequence[Measured]) -> None:
    """Store the figure of the largest size, with the growth of memory to it; files that differ have ended the run."""
    told, flat = [], True
    largest = [one for one in grown if one.minutes == max(measured.minutes for measured in grown)]
    for one in largest:
        own = [measured for measured in grown if measured.where == one.where]
        kept = fit_last_exponent([(measured.bars, max(measured.peak_mb, measured.worker_mb)) for measured in own])
        flat = flat and kept <= FLAT
        megabytes = [one.peak_mb, *one.said["worker_mb"]]
        told.append(
            f"{one.where} {one.seconds:.0f} s, {one.cpu_s:.0f} s of the processor, "
            f"{' and '.join(f'{peak:,.0f}' for peak in megabytes)} MB, exponent of memory at the end {kept:.2f}"
        )
    met = (len(largest) > 1 or None) if flat else False
    note_figure("scale", f"{'; '.join(told)}; digest {largest[0].said['digest']}", met=met)


def _describe_growth(found: Sequence[Measured], what: str, places: Sequence[str]) -> Iterator[str]:
    for where in places:
        own = sorted((one for one in found if one.where == where), key=lambda one: one.bars)
        memory = f"peak of the process {fit_exponent([(one.bars, one.peak_mb) for one in own]):.2f}"
        if where == _TWO:
            memory += f", of the largest worker {fit_exponent([(one.bars, one.worker_mb) for one in own]):.2f}"
        seconds = fit_exponent([(one.bars, one.seconds) for one in own])
        cpu = fit_exponent([(one.bars, one.cpu_s) for one in own])
        yield (
            f"{where}, {what}: exponents by least squares of logarithms: seconds {seconds:.2f}, "
            f"CPU seconds {cpu:.2f}, {memory}."
        )


def _describe_digests(compared: bool) -> str:
    said = "The digest is of the names of all files that were published, each of which is the digest of its content"
    if compared:
        return f"{said}; one machine and two workers published the same files at every size."
    return f"{said}. Workers were not measured: LOCAL_CLUSTER does not name a running cluster (make bench-scale)."


def _describe_machine() -> str:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    found = ", ".join(f"{name} {version(name)}" for name in _PACKAGES if _is_there(name))
    cores = f"{os.cpu_count()} cores ({name_processor()})"
    return f"{cores}, {total:.0f} GiB, {platform.system()}, Python {platform.python_version()}, {found}"


def _is_there(name: str) -> bool:
    from importlib.util import find_spec

    return find_spec(name) is not None


def _read_variables() -> dict[str, str] | None:
    folder = os.environ.get("LOCAL_CLUSTER")
    if folder is None:
        return None
    lines = (Path(folder) / "cluster.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)
