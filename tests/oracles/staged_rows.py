"""Staged rows of one instrument and month, taken one by one: what `Staging.read` gives, slowly."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

Row = tuple[Any, ...]
"""Time, values, known_at."""


def keep_news(calls: Sequence[Sequence[Row]]) -> list[Row]:
    """Return the rows that say something new, sorted by time and known_at; `calls` in the order in which they came."""
    kept: list[Row] = []
    for call in calls:
        seen: list[Row] = []
        for row in call:
            if row not in seen:
                seen.append(row)
        for row in sorted(seen, key=lambda row: (row[0], row[-1])):
            versions = sorted((old for old in kept if old[0] == row[0]), key=lambda old: old[-1])
            if versions and versions[-1][1:-1] == row[1:-1]:
                continue
            if row not in kept:
                kept.append(row)
    return sorted(kept, key=lambda row: (row[0], row[-1]))


def cover(spans: Sequence[tuple[datetime, datetime]], instants: Sequence[datetime]) -> list[bool]:
    """Return which of `instants` lie in one of the half-open `spans`."""
    return [any(since <= at < until for since, until in spans) for at in instants]
