"""What a file of somebody else's leaves open, how a refusal of it reads, and how its rows are called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl

from ingestion.sources.instants import last_instant
from pairity.bounded_numbers import OutOfBoundsError, show
from pairity.errors import ConfigError
from venue.clock import SystemClock

Place = Callable[[int], str]
"""Name of a row by its index: `line 5` of a text (its header is line 1), `row 4` of a table."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read what a file does not say itself.

    `time_zone` (a name such as America/New_York) is that of times and days without an offset; `time_format` is that of
    times in text, in the signs of strptime; `decimal` is the decimal sign of numbers in text, None where the file shows
    it. `now` is the present: no recorded instant lies more than a day after it.
    """

    time_zone: str = "UTC"
    time_format: str | None = None
    decimal: Literal["point", "comma"] | None = None
    now: Callable[[], datetime] = SystemClock().now

    @property
    def last(self) -> datetime:
        """Latest instant that a file may have."""
        return last_instant(self.now())


PLAIN = Reading()


def make_reading(
    time_zone: str | None, time_format: str | None, decimal: Literal["point", "comma"] | None
) -> Reading | None:
    """Return the reading of the command line's options; None where none is given.

    ConfigError for a time zone that does not exist.
    """
    if time_zone is None and time_format is None and decimal is None:
        return None
    try:
        ZoneInfo(time_zone or "UTC")
    except (ZoneInfoNotFoundError, OSError, ValueError):
        raise ConfigError(
            f"there is no time zone {show(time_zone)}", "give a name such as America/New_York, Europe/Berlin or UTC"
        ) from None
    return Reading(time_zone=time_zone or "UTC", time_format=time_format, decimal=decimal)


class RefusedFileError(OutOfBoundsError):
    """Refusal of a file, in words that follow its name, with what to do about it."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.remedy = remedy


def call_line(row: int) -> str:
    """Return the name of a row of a text whose header is its first line.

    >>> call_line(0)
    'line 2'
    """
    return f"line {row + 2}"


def call_row(row: int) -> str:
    """Return the name of a row of a table.

    >>> call_row(0)
    'row 1'
    """
    return f"row {row + 1}"


def find_first(wrong: pl.Series) -> int | None:
    """Return the index of the first row that is wrong (true); None where none is. A null is not wrong."""
    places = wrong.fill_null(value=False).arg_true()
    return None if places.is_empty() else int(places[0])


def count_of(number: int, thing: str = "row") -> str:
    """Return a count with its noun.

    >>> count_of(1), count_of(2, "file")
    ('1 row', '2 files')
    """
    return f"{number} {thing}{'' if number == 1 else 's'}"
