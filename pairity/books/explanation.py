"""Why a name of a book has its weight, in one sentence: its score, its cap, and every limit that moved it."""

from __future__ import annotations

from collections.abc import Sequence

from pairity.books.families import Target
from pairity.books.limits import Step
from pairity.books.weights import CAP
from pairity.number_formats import format_plain

TOO_FEW = "too few names are known to choose among them"
"""Why a name that is known stays as it is where its family had no universe."""


def explain_weight(name: str, target: Target, steps: Sequence[Step], volatility: float | None) -> str:
    """Return why `name` is wanted with its weight, or why it is not; numbers have four digits.

    `volatility`: of an hour, None where it is not known; `steps`: those of the decision's limits.
    """
    weight = target.weights.get(name, 0.0)
    if name not in target.universe:
        return "not in the universe"
    if weight == 0.0:
        return "no score" if target.scores and name not in target.scores else "nothing is wanted of it"
    parts = [_source(name, target, volatility)]
    if name in target.scores and abs(abs(weight) - CAP) < 1e-12:
        parts.append(f"held to {format_plain(CAP)}")
    for step in steps:
        factor = step.long if weight > 0 else step.short
        parts.append(
            f"{step.name} × {format_plain(factor, 4)} ({step.why})" if factor != 1 else f"{step.name}: as it is"
        )
    return "; ".join(parts)


def _source(name: str, target: Target, volatility: float | None) -> str:
    if name in target.scores:
        return f"score {format_plain(target.scores[name], 4)} over volatility {format_plain(volatility, 4)}"
    if target.parts:
        added = {book: weights[name] for book, weights in target.parts.items() if weights.get(name)}
        return "; ".join(f"{format_plain(weight, 4)} of {book}" for book, weight in added.items())
    sides = [(pair, side) for pair, side in target.pairs.items() if name in pair]
    long = sum((side > 0) == (pair[0] == name) for pair, side in sides)
    return f"long in {long} and short in {len(sides) - long} pairs, netted"
