"""Money, prices and sizes as people of the field write them: never with an exponent, never rounded to four digits."""

from __future__ import annotations

from decimal import Decimal

_STABLE = frozenset({"USDT", "USDC", "USD", "EUR"})
"""Currencies that are counted in cents."""


def format_money(amount: Decimal | float | None, currency: str = "USDT") -> str:
    """Return an amount in cents with thousands grouped, of other currencies with up to eight decimals; None as a dash.

    >>> format_money(Decimal("10000.5")), format_money(Decimal("-0.001")), format_money(Decimal("0.01234"), "BTC")
    ('10,000.50', '-0.00', '0.01234')
    """
    if amount is None or amount != amount:  # noqa: PLR0124 - NaN is what differs from itself
        return "–"
    return f"{amount:,.2f}" if currency in _STABLE else _strip(f"{amount:,.8f}")


def format_exact(number: Decimal | None) -> str:
    """Return a price or size as the venue has it, every digit and no exponent; None as a dash.

    >>> format_exact(Decimal("1E+4")), format_exact(Decimal("0.00000120")), format_exact(None)
    ('10000', '0.0000012', '–')
    """
    return "–" if number is None else _strip(f"{number:f}")


def _strip(text: str) -> str:
    """Return a number's text without zeros behind its last digit."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def format_percent(fraction: float | None, *, signed: bool = False) -> str:
    """Return a fraction in percent with two decimals, with its sign where it is a result; None and NaN as a dash.

    >>> format_percent(0.0123, signed=True), format_percent(-0.5), format_percent(None)
    ('+1.23%', '-50.00%', '–')
    """
    if fraction is None or fraction != fraction:  # noqa: PLR0124 - NaN is what differs from itself
        return "–"
    return f"{fraction:+,.2%}" if signed else f"{fraction:,.2%}"


def format_decimals(number: float | None, decimals: int = 2) -> str:
    """Return a number with so many decimals and thousands grouped; None and NaN as a dash.

    >>> format_decimals(1234.5), format_decimals(0.12345, 4), format_decimals(None)
    ('1,234.50', '0.1235', '–')
    """
    if number is None or number != number:  # noqa: PLR0124 - NaN is what differs from itself
        return "–"
    return f"{number:,.{decimals}f}"
