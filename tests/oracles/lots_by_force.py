"""Lots of two hedged legs by trying every count of both, in fractions."""

from fractions import Fraction
from math import floor


def hedged_lots_by_force(budget, hedge, base, quote, tolerance):
    """(base lots, quote lots) or None; `base` and `quote` are (USDT per lot, fewest, most or None)."""
    (unit_a, least_a, most_a), (unit_b, least_b, most_b) = base, quote
    admitted = []
    for m in range(least_a, floor(budget / unit_a) + 1):
        for n in range(least_b, floor(budget / unit_b) + 1):
            if (most_a is not None and m > most_a) or (most_b is not None and n > most_b):
                continue
            total, exact = m * unit_a + n * unit_b, hedge * m * unit_a
            just_beside = abs(n * unit_b - exact) < unit_b or n * unit_b == exact + unit_b
            if total <= budget and just_beside and abs(n * unit_b / exact - 1) <= tolerance:
                admitted.append((abs(n * unit_b / exact - 1), -total, -m, n))
    if not admitted:
        return None
    largest = max(-total for _, total, _, _ in admitted)
    best = min(item for item in admitted if -item[1] >= (1 - Fraction(tolerance)) * largest)
    return -best[2], best[3]


def matching_lots_by_force(have, hedge, lots, tolerance, *, base_is_held):
    """Lots of the other leg, of all from 1 to far too many, that come nearest to the hedge ratio; None beyond it."""
    unit, least, most = lots
    errors = []
    for n in range(least, 2 * floor(have * max(hedge, 1 / hedge) / unit) + least + 3):
        base, quote = (have, n * unit) if base_is_held else (n * unit, have)
        error = abs(quote / (hedge * base) - 1)
        if (most is None or n <= most) and error <= tolerance:
            errors.append((error, n))
    return min(errors)[1] if errors else None
