"""Fill the crash matrix and print it: `python -m tests.e2e.crash_matrix` (docs: CONTRIBUTING.md, Set-up).

The exit code is 1 where an invariant is broken; each such run is printed with the number that reproduces it.
"""

from __future__ import annotations

import argparse
import sys
import time

from tests.e2e.crash_matrix.matrix import Matrix, make_table


def main() -> int:
    parser = argparse.ArgumentParser(prog="crash-matrix", description="Kill the trading process at every boundary.")
    parser.add_argument("--legs", choices=["base", "both"], help="one kind of legs only")
    parser.add_argument("--only", metavar="LEGS-N", help="one kill only, as a failure names it: both-203")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="every Nth boundary only")
    parser.add_argument("--part", default="1/1", metavar="I/K", help="the Ith of K parts of the boundaries")
    parser.add_argument("--down", type=int, default=0, metavar="S", help="seconds of venue time until the return")
    given = parser.parse_args()
    chosen, number = given.legs, None
    if given.only:
        chosen, _, digits = given.only.rpartition("-")
        number = int(digits)
    part, parts = (int(text) for text in given.part.split("/"))

    def choose(place: int) -> bool:
        if number is not None:
            return place == number
        return place % given.every == 0 and place // given.every % parts == part - 1

    begun, matrices = time.monotonic(), []
    for legs in ("base", "both"):
        if chosen in (None, legs):
            matrix = Matrix(legs, given.down)
            matrix.fill(choose, lambda line: print(line, flush=True))
            matrices.append(matrix)
    print(make_table(matrices))
    boundaries = {matrix.legs: matrix.boundaries for matrix in matrices}
    print(f"boundaries: {boundaries}; {time.monotonic() - begun:.0f} s")
    return 1 if any(matrix.failures for matrix in matrices) else 0


if __name__ == "__main__":
    sys.exit(main())
