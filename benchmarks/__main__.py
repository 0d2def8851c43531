"""`make bench`: every measurement in one run, medians of several rounds, ratios to a peer; written to results.md.

`python -m benchmarks data` runs one group.

Timings are never tests: machines are small, shared and noisy. Correctness is asserted before anything is timed.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import factor_regression, joins, microstructure, pair_features
from benchmarks.case import Case

ROUNDS = 5
GROUPS = {"data": (microstructure, pair_features, factor_regression, joins)}


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    ours_s: float
    peer: str
    peer_s: float


def medians_s(case: Case) -> tuple[float, float]:
    """Ours and the peer's, in turns, so that both see the same machine; a slow peer runs fewer times, unwarmed."""
    case.ours()  # warm caches and imports
    if case.peer_rounds > 1 and case.peer_seconds is None:
        case.theirs()
    mine, other = [], []
    for round_ in range(ROUNDS):
        mine.append(_timed(case.ours))
        if round_ < case.peer_rounds:
            other.append(case.peer_seconds() if case.peer_seconds else _timed(case.theirs))
    return statistics.median(mine), statistics.median(other)


def _timed(job: Callable[[], object]) -> float:
    begun = time.perf_counter()
    job()
    return time.perf_counter() - begun


def cases(groups: Sequence[str], scratch: Path) -> Iterator[Case]:
    for group in groups:
        for module in GROUPS[group]:
            yield from module.cases(scratch)


def main(groups: Sequence[str]) -> None:
    if unknown := set(groups) - set(GROUPS):
        sys.exit(f"no group of benchmarks is called {', '.join(sorted(unknown))}; there are: {', '.join(GROUPS)}")
    rows, notes = [], []
    with tempfile.TemporaryDirectory() as scratch:
        for case in cases(groups or tuple(GROUPS), Path(scratch)):
            print(f"{case.name} …", file=sys.stderr, flush=True)
            case.check()
            mine, other = medians_s(case)
            rows.append(Row(case.name, mine, case.peer, other))
            print(f"  {mine:.3f} s, {case.peer} {other:.3f} s: {other / mine:.1f} ×", file=sys.stderr, flush=True)
            notes += [case.note()] if case.note else []
    lines = ["| what | ours, s | peer | peer, s | peer / ours |", "| --- | ---: | --- | ---: | ---: |"]
    lines += [f"| {r.name} | {r.ours_s:.3f} | {r.peer} | {r.peer_s:.3f} | {r.peer_s / r.ours_s:.1f} |" for r in rows]
    text = "\n".join([*lines, "", *(f"- {note}" for note in notes)]) + "\n"
    (Path(__file__).parent / "results.md").write_text(
        f"Medians of one run on one machine, {os.cpu_count()} cores.\n\n{text}"
    )
    print(text)


if __name__ == "__main__":
    main(sys.argv[1:])
