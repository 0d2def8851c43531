"""Numbers as people of the field write them: money with cents, prices by tick, percent with a sign, no exponents.

Every function returns a `Figure`, a text that tables align as the number that it is. None and NaN are a dash.
A figure keeps the number that it was made of: what is written for programs has all its digits.
"""

from __future__ import annotations

import itertools
import math
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self

_SIGNIFICANT = 4
_PRICE_DIGITS = 6
"""Significant digits of a price whose tick is not known: venues quote with five or six."""
_MOST_DECIMALS = 12
NOTHING = "–"
_UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))
_ALONE = {"d": 10, "h": 24, "min": 10}
"""From so many of a unit on, the next smaller one is not told."""


class Figure(str):
    """Text of a number, with the number itself; None where there is none."""

    __slots__ = ("number",)
    number: float | Decimal | None

    def __new__(cls, text: str, number: float | Decimal | None = None) -> Self:
        """Return the text; `number` is what it says."""
        made = super().__new__(cls, text)
        made.number = number
        return made


def format_number(value: float | None) -> Figure:
    """Return a number to four significant digits, whole from 10,000 on, never with an exponent.

    >>> [format_number(value) for value in (9999.96, 12345.6, 0.123456, 0.0000123456, -2.5, 0.0, None)]
    ['10,000', '12,346', '0.1235', '0.00001235', '-2.5', '0', '–']
    """
    if value is None or math.isnan(value):
        return Figure(NOTHING)
    if math.isinf(value):
        return Figure("∞" if value > 0 else "−∞", value)
    decimals = min(_MOST_DECIMALS, max(0, _SIGNIFICANT - 1 - _exponent(value, _SIGNIFICANT)))
    return Figure(_without_zeros(f"{value:,.{decimals}f}"), value)


def format_money(value: float | Decimal | None) -> Figure:
    """Return an amount of money with cents; what is less than half a cent shows its digits instead of 0.00.

    >>> [format_money(value) for value in (1234567.891, -0.5, 0.0, 0.00123, None)]
    ['1,234,567.89', '-0.50', '0.00', '0.00123', '–']
    """
    number = None if value is None else float(value)
    if number is None or not math.isfinite(number):
        return format_number(number)
    return Figure(format_number(number) if 0 < abs(number) < 0.005 else f"{number:,.2f}", value)


def format_price(price: float | Decimal | None, tick: Decimal | None = None) -> Figure:
    """Return a price with the decimals of its tick; to six significant digits where the tick is not known.

    >>> format_price(84123.4, Decimal("0.1")), format_price(0.5, Decimal("0.0001")), format_price(84000.0, Decimal(10))
    ('84,123.4', '0.5000', '84,000')
    >>> format_price(84123.456), format_price(0.0000123456789)
    ('84,123.5', '0.0000123457')
    """
    number = None if price is None else float(price)
    if number is None or not math.isfinite(number):
        return format_number(number)
    if tick is None:
        decimals = min(_MOST_DECIMALS, max(0, _PRICE_DIGITS - 1 - _exponent(number, _PRICE_DIGITS)))
    else:
        exponent = tick.normalize().as_tuple().exponent
        decimals = max(0, -exponent) if isinstance(exponent, int) else 0
    return Figure(f"{number:,.{decimals}f}", price)


def format_fixed(value: float | None, decimals: int = 2) -> Figure:
    """Return a number with so many decimals; −0 is 0.

    >>> format_fixed(1.005, 2), format_fixed(-0.0001, 2), format_fixed(None, 2)
    ('1.00', '0.00', '–')
    """
    if value is None or not math.isfinite(value):
        return format_number(value)
    text = f"{value:,.{decimals}f}"
    return Figure(text.removeprefix("-") if float(text.replace(",", "")) == 0 else text, value)


def format_percent(fraction: float | None, decimals: int = 2, *, signed: bool = False) -> Figure:
    """Return a fraction in percent with two decimals, with its sign where it is a result; nothing is −0.

    >>> format_percent(0.0123, signed=True), format_percent(-0.5), format_percent(None), format_percent(-0.00001)
    ('+1.23%', '-50.00%', '–', '0.00%')
    """
    if fraction is None or not math.isfinite(fraction):
        return format_number(fraction)
    text = f"{fraction:+,.{decimals}%}" if signed else f"{fraction:,.{decimals}%}"
    is_zero = float(text.rstrip("%").replace(",", "")) == 0
    return Figure(text.lstrip("+-") if is_zero else text, fraction)


def format_against(
    value: float | Decimal, other: float | Decimal, decimals: int = 2, *, percent: bool = False, signed: bool = False
) -> Figure:
    """Return a number beside one that it is compared with: as many more decimals as tell the two apart.

    `decimals` is how many there are at least. Two numbers that are the same, or that differ beyond the twelfth decimal,
    are written alike; so is what is not finite, which needs no decimals.

    >>> [format_against(value, 0.85) for value in (0.9, 0.8534, 0.85004, 0.85)]
    ['0.90', '0.853', '0.85004', '0.85']
    >>> format_against(0.1000049, 0.1, percent=True, signed=True)
    '+10.0005%'
    """
    number, limit = float(value), float(other)
    if not math.isfinite(number):
        return format_number(number)

    def write(one: float, places: int) -> Figure:
        return format_percent(one, places, signed=signed) if percent else format_fixed(one, places)

    if number == limit or not math.isfinite(limit):
        return write(number, decimals)
    apart = (places for places in range(decimals, _MOST_DECIMALS + 1) if write(number, places) != write(limit, places))
    return write(number, next(apart, decimals))


def format_count(count: int, noun: str, plural: str = "") -> str:
    """Return so many of a thing: one is one thing, everything else is many (`plural`: with an s, if not given).

    >>> format_count(1, "row"), format_count(0, "row"), format_count(4416, "row"), format_count(2, "index", "indices")
    ('1 row', '0 rows', '4,416 rows', '2 indices')
    """
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def format_plain(value: float | None, digits: int = 6) -> Figure:
    """Return a number in a sentence: so many significant digits, no zeros behind them, no commas, never an exponent.

    >>> [format_plain(value) for value in (0.0005, 3.0, 0.00005, 12345678.0, -0.00000125)]
    ['0.0005', '3', '0.00005', '12345700', '-0.00000125']
    """
    if value is None:
        return Figure(NOTHING)
    text = f"{value:.{digits}g}"
    return Figure(f"{Decimal(text):f}" if "e" in text else text)


def format_exact(value: Decimal | None) -> Figure:
    """Return every digit of a number as the venue told it, without an exponent and without zeros at the end.

    So one number has one notation, whoever wrote it: 20.5 contracts are never 20.50 on the same screen.

    >>> format_exact(Decimal("1E+4")), format_exact(Decimal("0.10")), format_exact(None)
    ('10,000', '0.1', '–')
    """
    return Figure(NOTHING) if value is None else Figure(_without_zeros(f"{value:,f}"), value)


def format_duration(span: timedelta | None) -> Figure:
    """Return a length of time in words: its two largest units, the second only where the first is small.

    >>> [str(format_duration(timedelta(seconds=s))) for s in (0.25, 42, 150, 3600, 5400, 90_000, 40 * 86_400)]
    ['0.2 s', '42 s', '2 min 30 s', '1 h', '1 h 30 min', '1 d 1 h', '40 d']
    >>> format_duration(timedelta(hours=-2)), format_duration(None)
    ('-2 h', '–')
    """
    if span is None:
        return Figure(NOTHING)
    seconds = span.total_seconds()
    sign, left = ("-", -seconds) if seconds < 0 else ("", seconds)
    if left < 10 and left != int(left):
        return Figure(f"{sign}{left:.1f} s", seconds)
    left = round(left)
    for (unit, size), (smaller, part) in itertools.pairwise(_UNITS):
        if left >= size:
            whole, rest = divmod(left, size)
            more = rest // part if whole < _ALONE[unit] else 0
            return Figure(f"{sign}{whole:,} {unit}" + (f" {more} {smaller}" if more else ""), seconds)
    return Figure(f"{sign}{left} s", seconds)


def format_size(size_bytes: int) -> Figure:
    """Return a size on the disk.

    >>> [str(format_size(size)) for size in (0, 900, 12_345, 10_700_000, 2_500_000_000)]
    ['0 B', '900 B', '12.3 kB', '10.7 MB', '2.5 GB']
    """
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size_bytes >= size:
            return Figure(f"{size_bytes / size:.1f} {unit}", size_bytes)
    return Figure(f"{size_bytes} B", size_bytes)


def _exponent(value: float, digits: int) -> int:
    """Return the power of ten of the first digit, as rounding to `digits` leaves it: 4 for 9999.96 to four digits."""
    return int(f"{value:.{digits - 1}e}".partition("e")[2]) if value else 0


def _without_zeros(text: str) -> str:
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text
