"""Daily schedule: slots at one time of day. All instants are UTC, so that no day is longer than another."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from pairity.timeline import DAY


def parse_time_of_day(text: str) -> time:
    """Return the time of day written as `HH:MM`; ValueError says what is wrong.

    >>> time_of_day("00:30")
    datetime.time(0, 30)
    """
    hours, _, minutes = text.partition(":")
    if not (len(hours) == len(minutes) == 2 and (hours + minutes).isascii() and (hours + minutes).isdigit()):
        raise ValueError("write a time of day in UTC as HH:MM, such as 00:30")
    if int(hours) > 23 or int(minutes) > 59:
        raise ValueError("hours go from 00 to 23, minutes from 00 to 59")
    return time(int(hours), int(minutes))


def find_newest_slot(at: time, instant: datetime) -> datetime:
    """Return the newest instant with time of day `at` that is not after `instant` (aware, UTC)."""
    midnight = instant.replace(hour=0, minute=0, second=0, microsecond=0)
    slot = midnight + timedelta(hours=at.hour, minutes=at.minute)
    return slot if slot <= instant else slot - DAY


def find_due_slot(at: time, last: datetime, now: datetime) -> datetime:
    """Return the slot to run next after a run at `last`: a future one, or a past one that is due now.

    However many slots were missed between `last` and `now` (the machine slept, the process was down), one run of the
    newest slot makes up for all of them.

    >>> from datetime import UTC
    >>> last = datetime(2025, 3, 18, 0, 30, tzinfo=UTC)
    >>> due_slot(time(0, 30), last, last + timedelta(hours=1)).isoformat()
    '2025-03-19T00:30:00+00:00'
    >>> due_slot(time(0, 30), last, last + timedelta(days=3, hours=1)).isoformat()
    '2025-03-21T00:30:00+00:00'
    """
    return max(find_newest_slot(at, last) + DAY, find_newest_slot(at, now))
