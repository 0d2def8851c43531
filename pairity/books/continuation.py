"""Pairs that continue: held in the direction of a spread that has gone far, until it is back at its mean."""

from __future__ import annotations

from collections.abc import Mapping

ENTRY_Z = 1.5
Z_COLUMN = "z_720h"
"""Column of `pair_books` with the z-score that is looked at."""

PairNames = tuple[str, str]


def hold_pairs(held: Mapping[PairNames, int], z_scores: Mapping[PairNames, float]) -> dict[PairNames, int]:
    """Return the side of each pair to hold (+1: long the first name), sorted; `held` are the sides until now.

    `z_scores`: of ln(P_first/P_second) over 720 hours, for the pairs whose names are both in the universe and priced.
    A pair enters with the sign of z where |z| > 1.5, and leaves when z reaches or crosses 0 or is not known any more;
    where it has crossed to beyond 1.5 on the other side at once, it turns.
    """
    sides: dict[PairNames, int] = {}
    for pair in sorted(z_scores):
        z = z_scores[pair]
        side = held.get(pair, 0)
        if side * z > 0:
            sides[pair] = side
        elif abs(z) > ENTRY_Z:
            sides[pair] = 1 if z > 0 else -1
    return sides
