"""Single values of OKX's answers: instants, ids and numbers within the bounds of what a venue can mean.

Every reader raises OutOfBoundsError for everything else; the caller names the endpoint and the field. Nothing here
takes longer for a longer text: a number that is written in a million digits, or with an exponent of a million, is
refused by its length.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal

from pairity.bounded_numbers import OutOfBoundsError, parse_decimal, parse_int, show
from pairity.timeline import from_ms, to_ms

LAST_MS = to_ms(datetime(2100, 1, 1, tzinfo=UTC))
"""Instants from 1970 until then are instants. A later one would overflow what adds a few years to it."""
_EXPONENT = 24
"""Largest power of ten of an amount: the venue's smallest ticks are about 1e-10, its largest amounts about 1e13."""
_ID = re.compile(r"[\w.:-]{1,64}")


def read_ms(value: object) -> int:
    """Return an instant in Unix milliseconds."""
    return parse_int(value, 0, LAST_MS)


def read_instant(value: object) -> datetime:
    """Return an instant (aware, UTC) of a value in Unix milliseconds."""
    return from_ms(read_ms(value))


def read_amount(value: object) -> Decimal:
    """Return a number of any sign: a profit, a fee, a balance, the size of a position."""
    return parse_decimal(value, exponent=_EXPONENT)


def read_size(value: object) -> Decimal:
    """Return a number that is not negative: a price, the size of an order."""
    number = read_amount(value)
    if number < 0:
        raise OutOfBoundsError(f"is {show(str(value))}, and cannot be negative")
    return number


def read_id(value: object) -> str:
    """Return an id or a name of the venue: letters, digits and `_ . : -`, at most 64."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or _ID.fullmatch(text) is None:
        raise OutOfBoundsError(f"is {show(value)}, not an id (letters, digits and _ . : -, at most 64)")
    return text
