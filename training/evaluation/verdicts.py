"""What the statistics say of a Sharpe ratio or a mean: above zero, below it, or not to be told apart from it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import timedelta

from pairity.annualising import LEAST_TO_ANNUALISE


class Finding(enum.Enum):
    """What a 95% interval says; the value is how it is written."""

    ABOVE = "above zero"
    BELOW = "below zero"
    UNDECIDED = "not distinguishable from zero"
    IDLE = "did not trade"
    TOO_SHORT = "too short a span to say"
    UNKNOWN = "not known"


_ABOUT = "Sharpe ratio after costs, 95% interval: "
_JUDGED = frozenset({Finding.ABOVE, Finding.BELOW, Finding.UNDECIDED})


def describe_findings(findings: Mapping[str, Finding]) -> list[str]:
    """Return one sentence per finding, with the names of the lines that it is about; the best finding first."""
    return [f"{said.value[:1].upper()}{said.value[1:]}: {', '.join(names)}." for said, names in _group(findings)]


def state_findings(findings: Mapping[str, Finding]) -> list[str]:
    """Return what the intervals of the lines' Sharpe ratios say, as lines that say what they are about."""
    return [f"{_ABOUT if said in _JUDGED else ''}{said.value}: {', '.join(names)}" for said, names in _group(findings)]


def _group(findings: Mapping[str, Finding]) -> list[tuple[Finding, list[str]]]:
    groups = ((finding, [name for name, own in findings.items() if own is finding]) for finding in Finding)
    return [(finding, names) for finding, names in groups if names]


def judge_interval(low: float | None, high: float | None) -> Finding:
    """Return what an interval says: one that holds zero is undecided; UNKNOWN where an end is not known."""
    if low is None or high is None or low != low or high != high:  # noqa: PLR0124 - NaN: MLflow's sign of None
        return Finding.UNKNOWN
    if low > 0.0:
        return Finding.ABOVE
    return Finding.BELOW if high < 0.0 else Finding.UNDECIDED


def judge_sharpe(metrics: Mapping[str, float | None], span: timedelta) -> Finding:
    """Return what the interval `sharpe_low` to `sharpe_high` says of a backtest over `span`.

    An interval that holds zero is undecided, whatever the sign of the ratio or of the net return. A span that cannot
    carry a ratio of a year is not judged by one. UNKNOWN where there is no interval.
    """
    if not metrics.get("trades"):
        return Finding.IDLE
    if span < LEAST_TO_ANNUALISE:
        return Finding.TOO_SHORT
    return judge_interval(metrics.get("sharpe_low"), metrics.get("sharpe_high"))
