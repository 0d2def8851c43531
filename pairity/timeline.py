"""Time: bars, closes, knowledge time, calendar anchors and clocks.

Conventions (all instants are timezone-aware UTC, microsecond precision):

* A raw bar is labelled by its `open_time`; it covers [open_time, open_time + bar) and is known from its close on.
* A feature row carries `event_timestamp`, the close of its last bar: the first instant at which it could be known.
* `known_at` (raw) and `created_timestamp` (features) say when *we* knew it: see `feature_repo.knowledge_time`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Protocol

from pairity.errors import TimeRangeError

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

_RELATIVE = re.compile(r"([0-9]{1,6})([hd])")
_LONGEST = 60
# Wide enough for any market, narrow enough for a month and a day to be added on both sides.
_FIRST, _LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """The only source of "now" outside tests: live the wall clock, in replay the venue's clock."""

    def now(self) -> datetime:
        """Return the current instant (aware, UTC)."""
        ...

    async def sleep_until(self, instant: datetime) -> None:
        """Return once `now() >= instant`."""
        ...


def floor_to(instant: datetime, bar: timedelta) -> datetime:
    """Return the start of the bar that contains `instant` (bars are aligned to the Unix epoch).

    >>> floor_to(datetime(2025, 3, 18, 16, 58, tzinfo=UTC), HOUR).isoformat()
    '2025-03-18T16:00:00+00:00'
    """
    return instant - (instant - _EPOCH) % bar


def ceil_to(instant: datetime, bar: timedelta) -> datetime:
    """Return the first bar boundary at or after `instant`.

    >>> ceil_to(datetime(2025, 3, 18, 16, 0, tzinfo=UTC), HOUR).isoformat()
    '2025-03-18T16:00:00+00:00'
    """
    floor = floor_to(instant, bar)
    return floor if floor == instant else floor + bar


def last_closed(instant: datetime, bar: timedelta) -> datetime:
    """Return the close of the newest bar that is closed at `instant` (a bar that closes now is closed)."""
    return floor_to(instant, bar)


def month_start(instant: datetime) -> datetime:
    """Return the first instant of the calendar month: the anchor of chunked computation."""
    return instant.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def next_month(instant: datetime) -> datetime:
    """Return the first instant of the following calendar month."""
    start = month_start(instant)
    return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)


def months_between(since: datetime, until: datetime) -> Iterator[datetime]:
    """Yield the first instants of all months that intersect [since, until).

    >>> since, until = datetime(2024, 11, 5, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
    >>> [month_key(month) for month in months_between(since, until)]
    ['2024-11', '2024-12']
    """
    month = month_start(since)
    while month < until:
        yield month
        month = next_month(month)


def month_key(instant: datetime) -> str:
    """Return `YYYY-MM`, the partition key of the lake and of feature files."""
    return instant.strftime("%Y-%m")


def from_ms(milliseconds: int) -> datetime:
    """Return the instant of a Unix time in milliseconds (exact, no float)."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


def to_ms(instant: datetime) -> int:
    """Return the Unix time in milliseconds, floored (exact, no float)."""
    return (instant - _EPOCH) // timedelta(milliseconds=1)


def parse_instant(text: str, *, now: datetime, name: str = "time") -> datetime:
    """Return the instant of an ISO date or time, of `now`, or of an age such as `90d` or `36h`; naive times are UTC.

    TimeRangeError for any other text.

    >>> parse_instant("2025-03-18", now=_EPOCH).isoformat()
    '2025-03-18T00:00:00+00:00'
    """
    if text == "now":
        return now
    try:
        instant = _parse(text, now)
    except (ValueError, OverflowError):
        raise TimeRangeError(
            f"{name} {text[:_LONGEST]!r} is not a time",
            "write an ISO time such as 2025-03-18 or 2025-03-18T16:00, an age such as 30d or 12h, or now",
        ) from None
    if not _FIRST <= instant < _LAST:
        raise TimeRangeError(
            f"{name} {text[:_LONGEST]!r} is outside the years {_FIRST.year} to {_LAST.year}", "give a nearer time"
        )
    return instant


def _parse(text: str, now: datetime) -> datetime:
    if match := _RELATIVE.fullmatch(text):
        count, unit = int(match[1]), match[2]
        return now - count * (HOUR if unit == "h" else DAY)
    parsed = datetime.fromisoformat(text)
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def format_instant(instant: datetime | str) -> str:
    """Return day and minute of an instant in UTC, as every text writes them; ISO 8601 as records have it may be given.

    What is no instant stays as it is.

    >>> format_instant("2025-12-22T20:00:00+01:00"), format_instant(datetime(2025, 12, 22, 19, tzinfo=UTC))
    ('2025-12-22 19:00 UTC', '2025-12-22 19:00 UTC')
    >>> format_instant("unknown")
    'unknown'
    """
    try:
        known = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    except ValueError:
        return str(instant)
    aware = known.replace(tzinfo=UTC) if known.tzinfo is None else known.astimezone(UTC)
    return f"{aware:%Y-%m-%d %H:%M} UTC"


def parse_range(
    since: str | None, until: str | None, *, now: datetime, included: bool = False
) -> tuple[datetime | None, datetime | None]:
    """Return the instants of `--since` and `--until` (forms of `parse_instant`); None for one that is not given.

    TimeRangeError for a text that is no time, and unless since < until; with `included`, where the end is part of the
    range, both may be one instant.
    """
    first, last = (
        None if text is None else parse_instant(text, now=now, name=name)
        for text, name in ((since, "--since"), (until, "--until"))
    )
    if first is not None and last is not None and not (included and first == last):
        check_range(first, last)
    return first, last


def check_range(since: datetime, until: datetime) -> None:
    """Raise TimeRangeError unless since < until."""
    if since >= until:
        kind = "empty" if since == until else "inverted"
        raise TimeRangeError(
            f"the time range is {kind}: since {format_instant(since)} is not before until {format_instant(until)}",
            "give --since an earlier time than --until",
        )
