"""Fill the crash matrix and print it: `python -m tests.e2e.crash_matrix` (docs: CONTRIBUTING.md, Set-up).

The exit code is 1 where an invariant is broken; each such run is printed with the number that reproduces it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from tests.e2e.crash_matrix.matrix import Matrix, make_table
from tests.e2e.crash_matrix.process import Legs


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="crash-matrix", description="Kill the trading process at every boundary.")
    parser.add_argument("--legs", choices=["base", "both", "isolated"], help="one kind of legs only")
    parser.add_argument("--only", metavar="LEGS-N", help="one kill only, as a failure names it: both-203")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="every Nth boundary only")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="with --every: beginning with this one")
    parser.add_argument("--down", type=int, default=0, metavar="S", help="seconds of venue time until the return")
    parser.add_argument("--twice", action="store_true", help="kill the process that comes back, too")
    given = parser.parse_args(arguments)
    chosen, number = given.legs, None
    if given.only:
        chosen, _, digits = given.only.rpartition("-")
        number = int(digits)

    def choose(place: int) -> bool:
        return place == number if number is not None else place % given.every == given.first % given.every

    begun, matrices = time.monotonic(), []
    kinds: tuple[Legs, ...] = ("base", "both", "isolated")
    for legs in kinds:
        if chosen in (None, legs):
            matrix = Matrix(legs, given.down, twice=given.twice)
            matrix.fill(choose, lambda line: print(line, flush=True))
            matrices.append(matrix)
    print(make_table(matrices))
    boundaries = {matrix.legs: matrix.boundaries for matrix in matrices}
    print(f"boundaries: {boundaries}; {time.monotonic() - begun:.0f} s")
    if not any(matrix.runs for matrix in matrices):
        print(f"no boundary was chosen: {given.only or given.every}")
        return 1
    return 1 if any(matrix.failures for matrix in matrices) else 0


if __name__ == "__main__":
    sys.exit(main())
