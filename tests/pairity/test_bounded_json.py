"""JSON within bounds: the same values as the standard parser, or a refusal that says what and how much."""

import json
import time
from contextlib import suppress
from math import isfinite

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairity.bounded_json import ANSWER, OWN_FILE, JsonLimits, parse_json
from pairity.bounded_numbers import MAX_DIGITS, OutOfBoundsError

_TEXTS = st.text(st.characters(codec="utf-8") | st.sampled_from('[]{}",\\:'))
_SCALARS = st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.integers() | _TEXTS
_VALUES = st.recursive(_SCALARS, lambda inner: st.lists(inner) | st.dictionaries(_TEXTS, inner), max_leaves=30)


def _depth_by_character(text: str) -> int:
    """Oracle: walk over the characters, count open brackets outside strings."""
    depth = deepest = 0
    in_string = escaped = False
    for character in text:
        if in_string:
            in_string = escaped or character != '"'
            escaped = not escaped and character == "\\"
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def _fits(value: object) -> bool:
    """Oracle: whether each integer has few enough digits."""
    if isinstance(value, dict):
        return all(map(_fits, value.values()))
    if isinstance(value, list):
        return all(map(_fits, value))
    return not isinstance(value, int) or len(str(value)) <= MAX_DIGITS


@given(_VALUES, st.booleans())
def test_what_fits_is_what_the_standard_parser_returns(value: object, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    for content in (text, text.encode()):
        if _fits(value) and _depth_by_character(text) <= ANSWER.depth:
            assert parse_json(content) == json.loads(text)
        else:
            with pytest.raises(OutOfBoundsError):
                parse_json(content)


@given(_VALUES, st.integers(1, 4))
def test_depth_is_that_of_a_walk_over_the_characters(value: object, most: int) -> None:
    text = json.dumps(value, ensure_ascii=False)
    limits = JsonLimits(depth=most)
    if _depth_by_character(text) > most:
        with pytest.raises(OutOfBoundsError, match="nested deeper"):
            parse_json(text, limits)
    elif _fits(value):
        assert parse_json(text, limits) == json.loads(text)


@given(st.text('[]{}",:\\ 019.eE+-truefalsn', max_size=60) | st.binary(max_size=60))
def test_any_text_is_a_value_or_a_refusal(text: str | bytes) -> None:
    with suppress(OutOfBoundsError):
        assert parse_json(text) == json.loads(text)


@given(st.from_regex(r"-?(0|[1-9][0-9]{0,70})(\.[0-9]{1,70})?([eE][+-]?[0-9]{1,5})?", fullmatch=True))
def test_every_number_is_finite_and_of_few_digits(literal: str) -> None:
    mantissa = literal.lower().partition("e")[0]
    fits = sum(map(str.isdigit, mantissa)) <= MAX_DIGITS and isfinite(float(literal))
    if fits:
        assert parse_json(f'{{"px": [{literal}]}}') == json.loads(f'{{"px": [{literal}]}}')
    else:
        with pytest.raises(OutOfBoundsError, match="holds the number"):
            parse_json(f'{{"px": [{literal}]}}')


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b" " * (ANSWER.size + 1), "bytes, more than the limit of 16777216"),
        ("é" * (ANSWER.size // 2 + 1), "bytes, more than the limit"),
        (b"[" * 1_000_000, "brackets do not match"),
        (b"[" * 1_000_000 + b"]" * 1_000_000, "nested deeper than the limit of 32"),
        (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "nested deeper"),
        (b'["\\"", ' + b"[" * 100 + b"]" * 101, "nested deeper"),
        (b"[" + b"[]," * 1_000_000 + b"[]]", "values, more than the limit of 1000000"),
        (b'{"ordId": "1", "ordId": "2"}', "the field 'ordId' twice"),
        (b'[NaN]', "the literal NaN"),
        (b'[-Infinity]', "the literal -Infinity"),
        (b"[1e999]", "beyond what a double holds"),
        (b"[1E+0999]", "beyond what a double holds"),
        (b"[" + b"9" * 5_000 + b"]", "5000 characters"),
        (b"[0." + b"1" * 100_000 + b"]", "100002 characters"),
        (b"<html>502 Bad Gateway</html>", "is not JSON: Expecting value; it begins with '<html>502"),
        (b"", "is not JSON"),
        (b"\xff\xfe", "is not UTF-8"),
        ("\ud800", "is not UTF-8"),
        (b'\xef\xbb\xbf{}', "is not JSON"),
        ("{}".encode("utf-16"), "is not UTF-8"),
        (b'["\\ud800"]', "surrogate"),
        (b'{"\\uDC00": 1}', "surrogate"),
        (b'["a\x00b"]', "Invalid control character"),
        (b"{} {}", "Extra data"),
        (b'{"a": }', "is not JSON"),
    ],
)  # fmt: skip
def test_refusals_say_what_and_how_much(content: bytes | str, says: str) -> None:
    with pytest.raises(OutOfBoundsError) as caught:
        parse_json(content)
    assert says in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    "content",
    [
        b"[" * ANSWER.size,
        b"[]" * (ANSWER.size // 2),
        b'"' + b"\\" * (ANSWER.size - 1),
        b'"' * ANSWER.size,
        b'\\"' * (ANSWER.size // 2),
        b"1" * ANSWER.size,
        b"1e9" * (ANSWER.size // 3),
    ],
)
def test_hostile_texts_of_full_size_are_refused_in_linear_time(content: bytes) -> None:
    begun = time.process_time()
    with pytest.raises(OutOfBoundsError):
        parse_json(content)
    assert time.process_time() - begun < 3.0


def test_a_whole_surrogate_pair_is_a_character() -> None:
    assert parse_json(b'["\\ud83d\\ude00"]') == ["😀"]


def test_own_files_may_hold_numbers_that_are_not_finite() -> None:
    assert parse_json("[Infinity, 1e-320]", OWN_FILE) == [float("inf"), 1e-320]
