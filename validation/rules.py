"""Rules: the bounds of a column of a profile, and what it means when a partition lies outside.

A rule judges one number per profile row: a count of offences, a share or an extreme. A broken `critical` rule puts the
partition's rows into quarantine; the others are reported and shown in the Data Docs.
"""

from __future__ import annotations

from dataclasses import dataclass

UNMEASURED = "unmeasured"
"""Column with the count of a partition's numbers that could not be computed."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Bound of one profile column: no value below `lower` or above `upper` (one of the two is given)."""

    name: str
    column: str
    meaning: str
    lower: float | None = None
    upper: float | None = None
    critical: bool = True


@dataclass(frozen=True, slots=True)
class FailedRule:
    """One rule that one partition broke: its name, the number that was observed and what it means."""

    rule: str
    observed: float
    meaning: str


def require_none(column: str, meaning: str, *, critical: bool = True) -> Rule:
    """Return the rule that a count of offences is zero."""
    return Rule(name=column, column=column, meaning=meaning, upper=0.0, critical=critical)


def require_measured() -> Rule:
    """Return the rule that every judged number exists: what could not be measured has not passed."""
    return require_none(UNMEASURED, "a number of the profile that could not be computed")
