"""Sets of time as sorted, disjoint half-open ranges: what has been fetched, what is missing."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

Span = tuple[datetime, datetime]


def union(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return the ranges sorted and merged; touching ranges become one, empty ones vanish.

    >>> union([(3, 5), (1, 2), (2, 3), (9, 9)])
    ((1, 5),)
    """
    merged: list[Span] = []
    for since, until in sorted(span for span in spans if span[0] < span[1]):
        if merged and since <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], until)
        else:
            merged.append((since, until))
    return tuple(merged)


def subtract(span: Span, covered: Iterable[Span]) -> tuple[Span, ...]:
    """Return the parts of `span` outside all of `covered`.

    >>> subtract((0, 10), [(2, 4), (6, 20)])
    ((0, 2), (4, 6))
    """
    since, until = span
    missing: list[Span] = []
    for start, end in union(covered):
        if since < min(start, until):
            missing.append((since, min(start, until)))
        since = max(since, end)
    if since < until:
        missing.append((since, until))
    return tuple(missing)


def clip(spans: Iterable[Span], since: datetime, until: datetime) -> tuple[Span, ...]:
    """Return the parts of `spans` inside [since, until)."""
    return union((max(start, since), min(end, until)) for start, end in spans)
