"""`make bench`: every measurement in one run, medians of several rounds, ratios to a peer; written to results.md.

`python -m benchmarks data` runs one group.

Timings are never tests: machines are small, shared and noisy. Correctness is asserted before anything is timed.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import factor_regression, joins, pair_features
from benchmarks.case import Case

ROUNDS = 5
GROUPS = {"data": (joins, pair_features, factor_regression)}


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    ours_s: float
    peer: str
    peer_s: float


def median_s(job: Callable[[], object], rounds: int = ROUNDS) -> float:
    job()  # warm caches and imports
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        job()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def cases(groups: Sequence[str], scratch: Path) -> Iterator[Case]:
    for group in groups:
        for module in GROUPS[group]:
            yield from module.cases(scratch)


def main(groups: Sequence[str]) -> None:
    if unknown := set(groups) - set(GROUPS):
        sys.exit(f"no group of benchmarks is called {', '.join(sorted(unknown))}; there are: {', '.join(GROUPS)}")
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for case in cases(groups or tuple(GROUPS), Path(scratch)):
            print(f"{case.name} …", file=sys.stderr, flush=True)
            case.check()
            rows.append(Row(case.name, median_s(case.ours), case.peer, median_s(case.theirs, case.peer_rounds)))
    lines = ["| what | ours, s | peer | peer, s | peer / ours |", "| --- | ---: | --- | ---: | ---: |"]
    lines += [f"| {r.name} | {r.ours_s:.3f} | {r.peer} | {r.peer_s:.3f} | {r.peer_s / r.ours_s:.1f} |" for r in rows]
    text = "\n".join(lines) + "\n"
    (Path(__file__).parent / "results.md").write_text("Medians of one run on one machine.\n\n" + text)
    print(text)


if __name__ == "__main__":
    main(sys.argv[1:])
