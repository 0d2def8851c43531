"""Instants that others wrote as numbers: in the unit that is expected, within what a market can have, or refused."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from pairity.bounded_numbers import OutOfBoundsError, parse_decimal, parse_int, show
from pairity.timeline import DAY, to_ms

FIRST = datetime(2009, 1, 1, tzinfo=UTC)
"""The year of Bitcoin's first block: no market here is older."""
UNITS: Mapping[str, int] = MappingProxyType({"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000})
"""Units of Unix time, by how many make a second."""
_AHEAD = DAY


def last_instant(now: datetime) -> datetime:
    """Return the last instant that a row may have at `now`: a day ahead, for clocks and zones that are wrong."""
    return now + _AHEAD


def parse_ms(value: object, now: datetime) -> int:
    """Return an instant in Unix milliseconds between 2009 and a day after `now`; OutOfBoundsError otherwise.

    >>> parse_ms(1714521600, datetime(2024, 6, 1, tzinfo=UTC))
    Traceback (most recent call last):
    pairity.bounded_numbers.OutOfBoundsError: is '1714521600', no Unix time in ms: in s it would be 2024-05-01 00:00:00
    """
    number = parse_int(value)
    if to_ms(FIRST) <= number <= to_ms(last_instant(now)):
        return number
    raise OutOfBoundsError(f"is {show(str(number))}, no Unix time in ms{describe_unit(number, now)}")


def describe_unit(text: object, now: datetime) -> str:
    """Return what else the number of an instant looks like, as the end of a message; nothing for what is no number.

    >>> describe_unit(1714521600000000, datetime(2024, 6, 1, tzinfo=UTC))
    ': in us it would be 2024-05-01 00:00:00 UTC'
    """
    try:
        number = int(parse_decimal(text))
    except OutOfBoundsError:
        return ""
    for unit, per_second in UNITS.items():
        ms = number * 1_000 // per_second
        if to_ms(FIRST) <= ms <= to_ms(last_instant(now)):
            return f": in {unit} it would be {datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
    return f": it lies in no unit (s, ms, us, ns) between {FIRST:%Y-%m-%d} and {last_instant(now):%Y-%m-%d}"
