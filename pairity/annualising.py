"""Which spans may be scaled to a year: one rule for tables, records of runs, reports and the gate."""

from __future__ import annotations

from datetime import timedelta

LEAST_TO_ANNUALISE = timedelta(days=30)
"""A ratio for a year says nothing where a month was not seen: its error is larger than any ratio that exists."""


def may_annualise(span: timedelta) -> bool:
    """Return whether a ratio that was measured over `span` may be scaled to a year.

    >>> may_annualise(timedelta(days=30)), may_annualise(timedelta(days=29, hours=23))
    (True, False)
    """
    return span >= LEAST_TO_ANNUALISE
