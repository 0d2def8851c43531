"""Several books as one: how much of the whole each gets, by what was known of their returns at the date.

Equal shares, or shares by correlation drawn half-way to equal ones. Taking the one with the best past is here too, to
show what it would have done. Source: docs/formulas.md, Books.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum

PAST_DAYS, LEAST_DAYS = 365, 90
"""Days of returns that count, and that are needed."""
SHRINKAGE = 0.5
"""Weight of equal shares beside those by correlation."""

Past = Mapping[str, Sequence[float]]


class Rule(StrEnum):
    """How books are combined."""

    EQUAL = "equal shares"
    SHRUNK = "shares by correlation, shrunk"
    PICKED = "the best of the past alone"
    """For comparison: no book to trade."""


def share_books(rule: Rule, past: Past) -> dict[str, float]:
    """Return each book's share of the whole, sorted by name; shares are ≥ 0 and sum to 1.

    `past`: daily returns of each book since it first held anything, oldest first, up to the date; their last entries
    are of the same day. Where a rule lacks days, shares are equal.
    """
    names = sorted(past)
    if rule is Rule.SHRUNK:
        return _shrink({name: past[name] for name in names})
    if rule is Rule.PICKED and (best := _find_best(past)) is not None:
        return {name: float(name == best) for name in names}
    return _share_equally(names)


def measure_correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Return Pearson's correlation of two series of one length; 0 where one does not vary."""
    ours, theirs = _centre(first), _centre(second)
    scale = math.sqrt(math.fsum(x * x for x in ours)) * math.sqrt(math.fsum(y * y for y in theirs))
    if scale == 0.0:
        return 0.0
    return max(-1.0, min(1.0, math.fsum(x * y for x, y in zip(ours, theirs, strict=True)) / scale))


def _share_equally(names: Sequence[str]) -> dict[str, float]:
    return {name: 1.0 / len(names) for name in names}


def _shrink(past: Past) -> dict[str, float]:
    equal = _share_equally([*past])
    days = min((len(own) for own in past.values()), default=0)
    if days < LEAST_DAYS:
        return equal
    recent = {name: own[len(own) - min(days, PAST_DAYS) :] for name, own in past.items()}
    # How many of the books move like this one, itself included: books that repeat each other share one place.
    crowd = {
        name: 1.0
        + math.fsum(max(0.0, measure_correlation(own, other)) for second, other in recent.items() if second != name)
        for name, own in recent.items()
    }
    total = math.fsum(1.0 / count for count in crowd.values())
    return {name: SHRINKAGE * equal[name] + (1.0 - SHRINKAGE) / crowd[name] / total for name in past}


def _find_best(past: Past) -> str | None:
    """Return the book with the highest mean over deviation of the last year; None where none has enough days."""
    ratios: list[tuple[float, str]] = []
    for name in sorted(past):
        own = past[name][-PAST_DAYS:]
        centred = _centre(own)
        squares = math.fsum(x * x for x in centred)
        if len(own) >= LEAST_DAYS and squares > 0.0:
            ratios.append((-math.fsum(own) / math.sqrt(squares * len(own)), name))
    return min(ratios)[1] if ratios else None


def _centre(values: Sequence[float]) -> list[float]:
    mean = math.fsum(values) / len(values) if values else 0.0
    return [value - mean for value in values]
