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
AMOUNT_EXPONENT = 24
"""Largest power of ten, up or down, of an amount. Tiny ones occur: 1e-18 of profit."""
SIZE_EXPONENT = 15
"""The same of a size or a price. With `SPEC_EXPONENT`, the division of one by a lot or a tick is exact in 28 digits."""
SPEC_EXPONENT = 12
"""The same of a contract's lot, tick and value: the smallest real ones are about 1e-10."""
_ID = re.compile(r"[\w.:-]{1,64}")


def read_ms(value: object) -> int:
    """Return an instant in Unix milliseconds."""
    return parse_int(value, 0, LAST_MS)


def read_instant(value: object) -> datetime:
    """Return an instant (aware, UTC) of a value in Unix milliseconds."""
    return from_ms(read_ms(value))


def read_amount(value: object) -> Decimal:
    """Return a number of any sign: a profit, a fee, a balance, the size of a position.

    It has one form, whatever zeros the venue writes: what is recorded must depend on the number alone.

    >>> read_amount("-0.00"), read_amount("1.50"), read_amount("100"), read_amount("1E+2")
    (Decimal('0'), Decimal('1.5'), Decimal('100'), Decimal('100'))
    """
    return _shorten(parse_decimal(value, exponent=AMOUNT_EXPONENT))


def read_size(value: object) -> Decimal:
    """Return a number that is not negative: the size of an order, a trigger."""
    number = _within(SIZE_EXPONENT, read_amount(value))
    if number < 0:
        raise OutOfBoundsError(f"is {show(str(value))}, and cannot be negative")
    return number


def read_price(value: object) -> Decimal:
    """Return a number above zero: a price, the size of an execution."""
    return _positive(_within(SIZE_EXPONENT, read_amount(value)))


def read_spec(value: object) -> Decimal:
    """Return a number above zero of a contract's specification."""
    return _positive(_within(SPEC_EXPONENT, read_amount(value)))


def _shorten(number: Decimal) -> Decimal:
    # By its text: `normalize` rounds to 28 digits, and writes 100 as 1E+2.
    if not number:
        return Decimal(0)
    text = format(number, "f")
    return Decimal(text.rstrip("0").rstrip(".") if "." in text else text)


def _within(exponent: int, number: Decimal) -> Decimal:
    # Zero may be written with as many decimals as the venue likes.
    if number and abs(number.adjusted()) > exponent:
        raise OutOfBoundsError(f"is {number}, beyond 1e±{exponent}")
    return number


def _positive(number: Decimal) -> Decimal:
    if number <= 0:
        raise OutOfBoundsError(f"is {number}, and must be above zero")
    return number


def read_id(value: object) -> str:
    """Return an id or a name of the venue: letters, digits and `_ . : -`, at most 64."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or _ID.fullmatch(text) is None:
        raise OutOfBoundsError(f"is {show(value)}, not an id (letters, digits and _ . : -, at most 64)")
    return text
