"""Numbers as people of the field write them."""

import doctest
import math
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from pairity import number_formats
from pairity.number_formats import format_fixed, format_money, format_number, format_price

FLOATS = st.floats(allow_nan=True, allow_infinity=True)


def test_the_examples_of_the_docstrings_hold():
    assert doctest.testmod(number_formats).failed == 0


@given(FLOATS)
def test_nothing_is_written_with_an_exponent(value):
    for text in (format_number(value), format_money(value), format_price(value), format_fixed(value, 3)):
        assert "e" not in text.lower(), text


@given(st.floats(1e-7, 1e12) | st.floats(-1e12, -1e-7))
def test_a_number_reads_back_within_its_digits(value):
    read = float(format_number(value).replace(",", ""))
    assert math.isclose(read, value, rel_tol=5.1e-4)
    assert math.isclose(float(format_price(value).replace(",", "")), value, rel_tol=5.1e-6)
    assert abs(float(format_money(value).replace(",", "")) - value) <= max(0.005, abs(value) * 1e-15) + 1e-12


def test_a_price_has_the_decimals_of_its_tick():
    assert format_price(9999.96, Decimal("0.1")) == "10,000.0"
    assert format_price(0.07, Decimal("0.00001")) == "0.07000"
    assert format_price(84123.4, Decimal("1E+1")) == "84,123"
