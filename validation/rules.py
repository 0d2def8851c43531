"""Rules: what a column of a profile must look like, and what it means when it does not.

A rule judges one number per profile row (a count of offences, a share, an extreme). `critical` rules quarantine the
partition; the others are reported and shown in the Data Docs.
"""

from __future__ import annotations

from dataclasses import dataclass

UNMEASURED = "unmeasured"


@dataclass(frozen=True, slots=True)
class Rule:
    """`column` of the profile must nowhere be below `lower` or above `upper` (one of the two is given)."""

    name: str
    column: str
    meaning: str
    lower: float | None = None
    upper: float | None = None
    critical: bool = True


@dataclass(frozen=True, slots=True)
class FailedRule:
    """One rule that one partition broke: the number that was observed and what it means."""

    rule: str
    observed: float
    meaning: str


def none_of(column: str, meaning: str, *, critical: bool = True) -> Rule:
    """A count of offences that must be zero."""
    return Rule(name=column, column=column, meaning=meaning, upper=0.0, critical=critical)


def unmeasured() -> Rule:
    """Every number that a rule judges must be there: what could not be measured has not passed."""
    return none_of(UNMEASURED, "a number of the profile that could not be computed")
