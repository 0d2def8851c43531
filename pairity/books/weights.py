"""Target weights of a book: as much risk in each name as its score says, as much long as short."""

from __future__ import annotations

import math
from collections.abc import Mapping

SIDE = 0.5
"""Weight of all long names together, and of all short ones."""
CAP = 0.15
"""Largest weight of one name, either way."""
_PASSES = 3


def build_book(scores: Mapping[str, float], volatilities: Mapping[str, float]) -> dict[str, float]:
    """Return weights (signed fractions of equity) ∝ score/volatility; +½ long, −½ short, none beyond 0.15.

    `volatilities`: standard deviations of hourly log returns, > 0; a name without one, or with one of 0, has no weight.
    Scaling and capping alternate three times and end with the cap: with fewer than four names on a side it holds less
    than a half. Names with a score of 0 are not in the book. A book needs both sides: without one it is empty.
    """
    raw = {
        name: score / volatilities[name]
        for name, score in scores.items()
        if score != 0 and math.isfinite(score) and _is_volatility(volatilities.get(name))
    }
    if not _has_both_sides(raw):
        return {}
    for _ in range(_PASSES):
        # Exact sums: the same bits whatever the order of the names.
        long = math.fsum(weight for weight in raw.values() if weight > 0)
        short = -math.fsum(weight for weight in raw.values() if weight < 0)
        scaled = {name: weight * SIDE / (long if weight > 0 else short) for name, weight in raw.items()}
        raw = {name: max(-CAP, min(CAP, weight)) for name, weight in scaled.items()}
    return raw


def net_books(shares: Mapping[str, float], books: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return the weight of each name over several books, sorted by name: the sum of share·weight.

    `shares`: of every book; an empty book is one that holds nothing. Exact sums: the same bits whatever the order. What
    remains of a name must not be a rounding error: |weight| < 1e−12 is 0 and leaves.
    """
    names = sorted({name for book in books.values() for name in book})
    netted = {name: math.fsum(share * books[one].get(name, 0.0) for one, share in shares.items()) for name in names}
    return {name: weight for name, weight in netted.items() if abs(weight) >= 1e-12}


def _is_volatility(value: float | None) -> bool:
    return value is not None and math.isfinite(value) and value > 0


def _has_both_sides(weights: Mapping[str, float]) -> bool:
    return any(weight > 0 for weight in weights.values()) and any(weight < 0 for weight in weights.values())
