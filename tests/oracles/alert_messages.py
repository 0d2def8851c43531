"""What a destination is told, subject by subject and step by step, where no limit of messages is reached."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

Step = tuple[datetime, Sequence[tuple[int, str]]]
"""An instant, and the numbers and subjects of the events that are new then."""


def tell_subject(steps: Sequence[Step], subject: str, window: timedelta) -> list[tuple[datetime, str, int]]:
    """Return for one subject when what is told: `event` with its number, or `again` with the newest number."""
    told: list[tuple[datetime, str, int]] = []
    begun: datetime | None = None
    waiting: list[int] = []
    for now, events in steps:
        if begun is not None and now >= begun + window:
            if waiting:
                told.append((now, "again", waiting[-1]))
                begun, waiting = now, []
            else:
                begun = None
        for number, name in events:
            if name != subject:
                continue
            if begun is None:
                told.append((now, "event", number))
                begun = now
            else:
                waiting.append(number)
    return told
