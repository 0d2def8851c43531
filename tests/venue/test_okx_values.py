"""Numbers of the venue have one form, whatever zeros they are written with."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from venue.okx_values import read_amount


@given(st.decimals(-(10**12), 10**12, places=12), st.integers(0, 6))
def test_a_number_has_one_text(number: Decimal, zeros: int) -> None:
    text = format(number, "f")
    padded = text + "0" * zeros
    assert read_amount(padded) == number
    assert str(read_amount(padded)) == str(read_amount(text)) == str(Decimal(_strip_digit_by_digit(text)))


def _strip_digit_by_digit(text: str) -> str:
    """The slow way: drop zeros behind the point one at a time, and the minus of zero."""
    while "." in text and text[-1] in "0.":
        last, text = text[-1], text[:-1]
        if last == ".":
            break
    return "0" if text in ("-0", "0") else text
