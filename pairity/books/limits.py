"""Limits of a whole book: a target of volatility, most gross and most net weight; each step says what it did.

In this order: the volatility target scales the book, the gross limit and the margin of the account scale it down, the
net limit scales its heavier side down. A step that changes nothing says so too. Whole lots come last, in the account.
Source: docs/formulas.md, Books.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pairity.number_formats import format_plain

VOLATILITY_HOURS = 1_440
"""Hours of the unscaled book whose volatility is compared with the target: sixty days."""
MOST_SCALE = 1.5
"""Largest factor of the volatility target: calm weeks must not lever a book up without end."""
HOURS_PER_YEAR = 8_760


@dataclass(frozen=True, slots=True)
class BookLimits:
    """What a book is held to; None: no such step. Weights are fractions of equity."""

    volatility: float | None = None
    """Annualised volatility that the book should have."""
    gross: float | None = None
    """Most Σ|w|."""
    net: float | None = None
    """Most |Σw|."""
    margin: float | None = None
    """Most Σ|w| that the account can margin (`pairity.books.margin`)."""

    def __str__(self) -> str:
        """Write the limits that are set, as they stand in the name of a trial; empty where none is."""
        named = (("volatility", self.volatility), ("gross", self.gross), ("net", self.net), ("margin", self.margin))
        return ", ".join(f"{name} {format_plain(value)}" for name, value in named if value is not None)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the construction: by what it multiplied the long and the short side, and why."""

    name: str
    long: float
    short: float
    why: str

    def __str__(self) -> str:
        """Write its name and why, as records do."""
        return f"{self.name}: {self.why}"

    @property
    def changes(self) -> bool:
        """Whether any weight changed."""
        return self.long != 1.0 or self.short != 1.0


def limit_book(
    weights: Mapping[str, float], limits: BookLimits, realised: float | None
) -> tuple[dict[str, float], tuple[Step, ...]]:
    """Return the weights within the limits, and one step per limit that is set.

    `realised`: annualised volatility of the unscaled book over the last sixty days as known at the decision, None where
    they are not known: then the book is not scaled. Weights of 0 stay: they are names that leave.
    """
    held, steps = dict(weights), []
    if limits.volatility is not None:
        held, step = _apply(held, _target(limits.volatility, realised))
        steps.append(step)
    for name, most in (("gross limit", limits.gross), ("initial margin", limits.margin)):
        if most is None:
            continue
        gross = math.fsum(abs(weight) for weight in held.values())
        factor = min(1.0, most / gross) if gross > 0 else 1.0
        why = f"gross {format_plain(gross)}, at most {format_plain(most)}"
        held, step = _apply(held, Step(name, factor, factor, why))
        steps.append(step)
    if limits.net is not None:
        held, step = _apply(held, _balance(held, limits.net))
        steps.append(step)
    return held, tuple(steps)


def _target(target: float, realised: float | None) -> Step:
    name = "volatility target"
    if realised is None or realised <= 0:
        return Step(name, 1.0, 1.0, f"volatility of {VOLATILITY_HOURS // 24} days is not known")
    factor = min(MOST_SCALE, target / realised)
    least = f", at most × {format_plain(MOST_SCALE)}" if factor == MOST_SCALE else ""
    return Step(name, factor, factor, f"target {format_plain(target)}, realised {format_plain(realised)}{least}")


def _balance(weights: Mapping[str, float], most: float) -> Step:
    long = math.fsum(weight for weight in weights.values() if weight > 0)
    short = -math.fsum(weight for weight in weights.values() if weight < 0)
    why = f"net {format_plain(long - short)}, at most {format_plain(most)} either way"
    if abs(long - short) <= most:
        return Step("net limit", 1.0, 1.0, why)
    light = min(long, short)
    factor = (light + most) / max(long, short)
    return Step("net limit", factor if long > short else 1.0, factor if short > long else 1.0, why)


def _apply(weights: Mapping[str, float], step: Step) -> tuple[dict[str, float], Step]:
    return {name: weight * (step.long if weight > 0 else step.short) for name, weight in weights.items()}, step
