"""Numbers as people of the field write them: money with cents, prices by tick, percent with a sign, no exponents.

Every function returns a `Figure`, a text that tables align as the number that it is. None and NaN are a dash.
"""

from __future__ import annotations

import math
from decimal import Decimal

_SIGNIFICANT = 4
_PRICE_DIGITS = 6
"""Significant digits of a price whose tick is not known: venues quote with five or six."""
_MOST_DECIMALS = 12
NOTHING = "–"


class Figure(str):
    """Text of a number."""

    __slots__ = ()


def format_number(value: float | None) -> Figure:
    """Return a number to four significant digits, whole from 10,000 on, never with an exponent.

    >>> [format_number(value) for value in (9999.96, 12345.6, 0.123456, 0.0000123456, -2.5, 0.0, None)]
    ['10,000', '12,346', '0.1235', '0.00001235', '-2.5', '0', '–']
    """
    if value is None or math.isnan(value):
        return Figure(NOTHING)
    if math.isinf(value):
        return Figure("∞" if value > 0 else "−∞")
    decimals = min(_MOST_DECIMALS, max(0, _SIGNIFICANT - 1 - _exponent(value, _SIGNIFICANT)))
    return Figure(_without_zeros(f"{value:,.{decimals}f}"))


def format_money(value: float | Decimal | None) -> Figure:
    """Return an amount of money with cents; what is less than half a cent shows its digits instead of 0.00.

    >>> [format_money(value) for value in (1234567.891, -0.5, 0.0, 0.00123, None)]
    ['1,234,567.89', '-0.50', '0.00', '0.00123', '–']
    """
    number = None if value is None else float(value)
    if number is None or not math.isfinite(number):
        return format_number(number)
    return format_number(number) if 0 < abs(number) < 0.005 else Figure(f"{number:,.2f}")


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
    return Figure(f"{number:,.{decimals}f}")


def format_fixed(value: float | None, decimals: int = 2) -> Figure:
    """Return a number with so many decimals; −0 is 0.

    >>> format_fixed(1.005, 2), format_fixed(-0.0001, 2), format_fixed(None, 2)
    ('1.00', '0.00', '–')
    """
    if value is None or not math.isfinite(value):
        return format_number(value)
    text = f"{value:,.{decimals}f}"
    return Figure(text.removeprefix("-") if float(text.replace(",", "")) == 0 else text)


def format_percent(fraction: float | None, *, signed: bool = False) -> Figure:
    """Return a fraction in percent with two decimals, with its sign where it is a result.

    >>> format_percent(0.0123, signed=True), format_percent(-0.5), format_percent(None)
    ('+1.23%', '-50.00%', '–')
    """
    if fraction is None or not math.isfinite(fraction):
        return format_number(fraction)
    return Figure(f"{fraction:+,.2%}" if signed else f"{fraction:,.2%}")


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
    """Return every digit of a number as the venue told it, without an exponent.

    >>> format_exact(Decimal("1E+4")), format_exact(Decimal("0.10")), format_exact(None)
    ('10000', '0.10', '–')
    """
    return Figure(NOTHING) if value is None else Figure(f"{value:f}")


def _exponent(value: float, digits: int) -> int:
    """Return the power of ten of the first digit, as rounding to `digits` leaves it: 4 for 9999.96 to four digits."""
    return int(f"{value:.{digits - 1}e}".partition("e")[2]) if value else 0


def _without_zeros(text: str) -> str:
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text
