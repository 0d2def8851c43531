"""Numbers within bounds: exact for what fits, refused by name otherwise, and never slow."""

import time
from contextlib import suppress
from decimal import Decimal
from math import isfinite

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairity.bounded_numbers import OutOfBoundsError, parse_decimal, parse_float, parse_int

_REFUSED = [
    "",
    " ",
    "1 ",
    "1_000",
    "١٢",
    "1,5",
    "0x10",
    "nan",
    "sNaN",
    "inf",
    "-Infinity",
    "--1",
    ".",
    "e5",
    "1e",
    "1e1000000",
    "1e-1000000",
    "9" * 65,
    "9" * 10_000_000,
    "1" + "0" * 10_000_000,
    "0." + "0" * 5_000 + "1",
    "1\x00",
    "1\n",
    None,
    True,
    [],
    {},
    b"1",
    float("nan"),
    float("inf"),
    10**100_000,
    Decimal("sNaN"),
]


@pytest.mark.parametrize("parse", [parse_decimal, parse_float, parse_int])
@pytest.mark.parametrize("value", _REFUSED, ids=lambda value: str(type(value).__name__))
def test_what_is_no_number_is_refused_at_once(parse: object, value: object) -> None:
    begun = time.process_time()
    with pytest.raises(OutOfBoundsError) as caught:
        parse(value)  # type: ignore[operator]
    assert time.process_time() - begun < 0.5
    assert len(caught.value.what) < 120


@given(st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=-(10**20), max_value=10**20))
def test_decimals_are_exact(number: Decimal) -> None:
    assert parse_decimal(str(number)).compare_total(number) == 0


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_keep_their_bits(number: float) -> None:
    assert parse_float(repr(number)) == number
    assert parse_float(number) == number


@given(st.integers(-(2**63), 2**63 - 1))
def test_integers_are_exact(number: int) -> None:
    assert parse_int(str(number)) == number == parse_int(number)


@given(st.text("0123456789.eE+-", max_size=70))
def test_any_text_is_a_bounded_number_or_a_refusal(text: str) -> None:
    with suppress(OutOfBoundsError):
        number = parse_decimal(text)
        assert number == Decimal(text)
        assert len(f"{number:f}") < 90  # whoever writes it out writes little
    with suppress(OutOfBoundsError):
        assert isfinite(parse_float(text))


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: parse_decimal("1e41"), "is '1e41', beyond 1e±40"),
        (lambda: parse_decimal("0e-300"), "beyond 1e±40"),
        (lambda: parse_decimal("1" * 41), "with more than 40 digits"),
        (lambda: parse_decimal("1234.5", digits=4), "with more than 4 digits"),
        (lambda: parse_decimal("1e7", exponent=6), "beyond 1e±6"),
        (lambda: parse_float("1e309"), "beyond what a double holds"),
        (lambda: parse_int("5", 0, 4), "not between 0 and 4"),
        (lambda: parse_int("1.0"), "not an integer"),
        (lambda: parse_int(str(2**63)), "not between"),
        (lambda: parse_int(True), "is of type bool"),
    ],
)
def test_a_limit_is_named(call: object, says: str) -> None:
    with pytest.raises(OutOfBoundsError, match=None) as caught:
        call()  # type: ignore[operator]
    assert says in str(caught.value)
