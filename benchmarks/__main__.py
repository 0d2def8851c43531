"""`make bench`: every row against its peers in one run, with memory and growth, written to RESULTS.md and drawn.

`python -m benchmarks data` runs one group in more detail and writes results-data.md. `--small` takes small inputs where
a group has them, to see whether it runs at all; it writes nothing. The group `serve` has no peers but Feast's read: it
says what one live hour costs. The group `readers` has none: it says what a crowd of readers of the API costs a
decision. The group `wide` says what 300 instruments and all their pairs cost, `pairs` what a year of up to 4,950 pairs
does, `sizing` what an instrument-month of minutes does, `books` what five years of books do, `scale` what 240 million
minutes do, which take a lake of 6 GB; `history` is the part of `serve` about growing history. `--continue` measures
what an ended run of the one table had not measured yet. Groups that are not of the one table leave a figure
for its aims (`figures.json`).

Timings are never tests: machines are small, shared and noisy. Correctness is asserted before anything is timed.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import (
    backtest_grid,
    books,
    factor_regression,
    fits,
    joins,
    microstructure,
    pair_features,
    pairs_year,
    readers,
    results_table,
    scale,
    serving,
    sizing,
    wide,
)
from benchmarks.case import Case
from benchmarks.conditions import describe_machine

SERVE, READERS, WIDE, BOOKS, HISTORY = "serve", "readers", "wide", "books", "history"
PAIRS, SIZING, SCALE = "pairs", "sizing", "scale"
_OTHERS = (SERVE, READERS, WIDE, BOOKS, HISTORY, PAIRS, SIZING, SCALE)
Source = Callable[[Path], Iterator[Case]]
GROUPS: dict[str, tuple[Source, ...]] = {
    "data": (microstructure.cases, pair_features.cases, factor_regression.cases, joins.cases),
    "train": (backtest_grid.cases, fits.cases),
}
SMALL: dict[str, tuple[Source, ...]] = {
    "train": (partial(backtest_grid.cases, small=True), partial(fits.cases, small=True)),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: medians in seconds."""

    name: str
    ours_s: float
    peer: str
    peer_s: float


def measure_medians_s(case: Case) -> tuple[float, float]:
    """Return our median and the peer's. Both run in turns, on the same machine; a slow peer runs fewer times, cold."""
    if case.ours_seconds is None:
        case.ours()  # warm caches and imports
    if case.peer_rounds > 1 and case.peer_seconds is None:
        case.theirs()
    mine, other = [], []
    for round_ in range(case.rounds):
        mine.append(case.ours_seconds() if case.ours_seconds else _time(case.ours))
        if round_ < case.peer_rounds:
            other.append(case.peer_seconds() if case.peer_seconds else _time(case.theirs))
    return statistics.median(mine), statistics.median(other)


def _time(job: Callable[[], object]) -> float:
    begun = time.perf_counter()
    job()
    return time.perf_counter() - begun


def make_cases(sources: Sequence[Source], scratch: Path) -> Iterator[Case]:
    for source in sources:
        yield from source(scratch)


def main(groups: Sequence[str], small: bool, go_on: bool = False) -> None:
    known = SMALL if small else GROUPS
    if unknown := set(groups) - {*known, *_OTHERS}:
        listed = ", ".join((*known, *_OTHERS))
        sys.exit(f"no group of benchmarks is called {', '.join(sorted(unknown))}; there are: {listed}")
    if go_on and groups:
        sys.exit("--continue goes on with the one table: it takes no group")
    if not groups:
        measure_everything(small=small, go_on=go_on)
        return
    chosen, parts = groups, []
    if sources := [source for group in chosen if group in known for source in known[group]]:
        parts.append(measure_cases(sources))
    if SERVE in chosen:
        parts.append(serving.measure_all(small))
    if HISTORY in chosen:  # part of `serve`
        parts.append(serving.measure_history(small))
    if READERS in chosen:
        parts.append(readers.measure_readers(small))
    if WIDE in chosen:
        parts.append(wide.measure_wide(small))
    if BOOKS in chosen:  # minutes, and gigabytes for vectorbt
        parts.append(books.measure_books(small))
    if PAIRS in chosen:
        parts.append(pairs_year.measure_pairs(small))
    if SIZING in chosen:
        parts.append(sizing.measure_sizing(small))
    if SCALE in chosen:
        parts.append(scale.measure_scale(small))
    text = wrap_prose("\n".join(parts))
    if not small:
        (Path(__file__).parent / "-".join(["results", *groups])).with_suffix(".md").write_text(text)
    print(text)


def measure_everything(*, small: bool, go_on: bool) -> None:
    """Measure the rows of the one table; `small` writes nothing."""
    folder = None if small else Path(__file__).parent
    text = wrap_prose(results_table.measure_table(folder, small=small, go_on=go_on))
    if folder:
        (folder / "RESULTS.md").write_text(text)
    print(text)


def wrap_prose(text: str) -> str:
    """Wrap everything but tables at 100 characters, as documents of the repository are."""
    wrapped = []
    for line in text.splitlines():
        indent = "  " if line.startswith("- ") else ""
        wrapped.append(line if line.startswith("|") else textwrap.fill(line, 100, subsequent_indent=indent))
    return "\n".join(wrapped) + "\n"


def measure_cases(sources: Sequence[Source]) -> str:
    """Measure all cases against their peers, and return the table."""
    rows, notes = [], []
    with tempfile.TemporaryDirectory() as scratch:
        for case in make_cases(sources, Path(scratch)):
            print(f"{case.name} …", file=sys.stderr, flush=True)
            case.check()
            mine, other = measure_medians_s(case)
            rows.append(Row(case.name, mine, case.peer, other))
            print(f"  {mine:.3f} s, {case.peer} {other:.3f} s: {other / mine:.3g} ×", file=sys.stderr, flush=True)
            notes += [case.note()] if case.note else []
    lines = [f"Medians. {describe_machine()}", ""]
    lines += ["| what | ours, s | peer | peer, s | peer / ours |", "| --- | ---: | --- | ---: | ---: |"]
    lines += [f"| {r.name} | {r.ours_s:.3f} | {r.peer} | {r.peer_s:.3f} | {r.peer_s / r.ours_s:.3g} |" for r in rows]
    return "\n".join([*lines, "", *(f"- {note}" for note in notes)]) + "\n"


if __name__ == "__main__":
    options = {"--small", "--continue"}
    requested = sys.argv[1:]
    main([name for name in requested if name not in options], "--small" in requested, "--continue" in requested)
