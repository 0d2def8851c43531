"""Numbers from texts that others wrote: read in linear time, within bounds, or refused by name.

`Decimal` accepts `"1e1000000"` at once, and whoever then makes an integer of it waits half a minute. `float` accepts
`"nan"`, `"inf"`, `"1_000"` and digits of other scripts. Here a number is an ASCII literal of at most `MAX_CHARACTERS`
characters, and its magnitude is checked before anybody computes with it.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal

MAX_CHARACTERS = 64
"""Longest text of a number. A double has at most 24 characters, an order's id or a size in wei about 30."""
MAX_DIGITS = 40
"""Most digits of a decimal number or an integer, leading and trailing zeros included."""
MAX_EXPONENT = 40
"""Largest power of ten, up or down, of a decimal number's first digit: far beyond any price, size or amount."""
INT64 = (-(2**63), 2**63 - 1)

_SHOWN = 40
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)


class OutOfBoundsError(ValueError):
    """Refusal of a text from outside: `what` is wrong with it, in words that follow the name of its source or field.

    It does not leave the module that asked: that one names the source in a VenueError or a DataError.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(what)


def parse_decimal(value: object, *, digits: int = MAX_DIGITS, exponent: int = MAX_EXPONENT) -> Decimal:
    """Return the exact number of a text (or of an int or a float that JSON brought); OutOfBoundsError otherwise.

    Finite, at most `digits` digits, and between 10**-exponent and 10**exponent in magnitude, or zero.

    >>> parse_decimal("0.010"), parse_decimal("1E+2"), parse_decimal(3)
    (Decimal('0.010'), Decimal('1E+2'), Decimal('3'))
    >>> parse_decimal("1e1000000")
    Traceback (most recent call last):
    pairity.bounded_numbers.OutOfBoundsError: is '1e1000000', not a number
    """
    text = _text(value)
    if _NUMBER.fullmatch(text) is None:
        raise OutOfBoundsError(f"is {show(text)}, not a number")
    number = Decimal(text)
    if len(text) > digits and sum(map(str.isdigit, text.lower().partition("e")[0])) > digits:
        raise OutOfBoundsError(f"is {show(text)}, with more than {digits} digits")
    if abs(number.adjusted()) > exponent:  # zero as well: `0e999` is written out by whoever prints it
        raise OutOfBoundsError(f"is {show(text)}, beyond 1e±{exponent}")
    return number


def parse_float(value: object) -> float:
    """Return the double nearest to a text (or to an int or a float that JSON brought), always finite.

    OutOfBoundsError for everything else: an empty text, infinity, NaN, underscores, a magnitude beyond doubles.

    >>> parse_float("1e-7"), parse_float(2)
    (1e-07, 2.0)
    """
    text = _text(value)
    if _NUMBER.fullmatch(text) is None:
        raise OutOfBoundsError(f"is {show(text)}, not a number")
    number = float(text)
    if not math.isfinite(number):
        raise OutOfBoundsError(f"is {show(text)}, beyond what a double holds")
    return number


def parse_int(value: object, low: int = INT64[0], high: int = INT64[1]) -> int:
    """Return the integer of a text of digits (or of an int that JSON brought); OutOfBoundsError outside low … high.

    >>> parse_int("1700000000000"), parse_int("-5")
    (1700000000000, -5)
    """
    text = _text(value)
    if _INTEGER.fullmatch(text) is None:
        raise OutOfBoundsError(f"is {show(text)}, not an integer")
    number = int(text)
    if not low <= number <= high:
        raise OutOfBoundsError(f"is {show(text)}, not between {low} and {high}")
    return number


def show(value: object) -> str:
    """Return a value as a message may show it: quoted, printable, at most 40 characters of it."""
    # Cut before it is quoted: the text may be gigabytes long.
    text = value if isinstance(value, str) else type(value).__name__
    return ascii(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!a}… ({len(text)} characters)"


def _text(value: object) -> str:
    """Return the text of a number; a type that is no number is refused, and so is a text that is too long."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise OutOfBoundsError(f"is of type {type(value).__name__}, not a number")
    if isinstance(value, int) and value.bit_length() > MAX_CHARACTERS * 4:  # its text alone would take long
        raise OutOfBoundsError(f"has {value.bit_length()} bits, more than any number here")
    text = value if isinstance(value, str) else str(value)
    if len(text) > MAX_CHARACTERS:
        raise OutOfBoundsError(f"is {show(text)}, longer than {MAX_CHARACTERS} characters")
    return text
