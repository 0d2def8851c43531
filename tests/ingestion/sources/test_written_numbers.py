"""Numbers as people write them: the file shows its decimal sign, or is refused."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given as over
from hypothesis import strategies as st

from ingestion.sources.reading import PLAIN, Reading, RefusedFileError, call_line
from ingestion.sources.written_numbers import read_written_numbers


def read(*cells, reading=PLAIN, separator=";"):
    column = pl.Series("volume", cells, dtype=pl.String)
    return read_written_numbers([column], reading, call_line, separator=separator)["volume"].to_list()


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (("1234.5", "1,234", "0.125"), [1234.5, 1234.0, 0.125]),
        (("1.234,5", "1.234", "12"), [1234.5, 1234.0, 12.0]),
        (("0,512", "1,234"), [0.512, 1.234]),
        (("1.234.567", "1,234"), [1234567.0, 1.234]),
        (("1,234,567", "1.234"), [1234567.0, 1.234]),
        (("1 234,500", "1 234"), [1234.5, 1234.0]),
        (("1'234.500", "1'234"), [1234.5, 1234.0]),
        (("1 234,5", "12\u00a0345\u00a0678", "1\u202f234,25"), [1234.5, 12345678.0, 1234.25]),
        (("1'234.5", "1’234’567.25"), [1234.5, 1234567.25]),
        (("1e-7", "2.5E+3", "-3.25", "+.5", "12."), [1e-7, 2500.0, -3.25, 0.5, 12.0]),
        (("1,5e-7",), [1.5e-7]),
        (("-", "", " ", "–", "NaN", "n/a", "null", None, "1.25"), [None] * 8 + [1.25]),
        (("100", "-7"), [100.0, -7.0]),
    ],
)
def test_the_file_shows_its_decimal_sign(cells, numbers):
    assert read(*cells) == numbers


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        (("1,234",), "can be read in two ways: volume of line 2 is '1,234'"),
        (("12", "1.234", "12.345"), "can be read in two ways: volume of line 3"),
        (("1.5", "2,5"), "with a decimal point and with a decimal comma: .* line 2 is '1.5', and .* line 3 is '2,5'"),
        (("1.5", "12,34"), "decimal comma"),
        (("1.5", "1,2345"), "decimal comma"),
        (("1.5", "1,23,456"), "is not a number: volume of line 3 is '1,23,456'"),
        (("1.5", "abc", "x"), "has 2 rows whose volume is not a number: volume of line 3 is 'abc'"),
        (("$1.5",), "not a number"),
        (("1.5%",), "not a number"),
        (("(1.5)",), "not a number"),
        (("=1+1",), "not a number"),
        (("1_000",), "not a number"),
        (("inf",), "not a number"),
        (("1e400",), "not a number"),
        (("١٢",), "not a number"),
        (("1.5", "9" * 70), "not a number"),
        (("0x10",), "not a number"),
        (("1 2",), "not a number"),
        (("1.5", "1,234 567"), "not a number"),
    ],
)
def test_what_is_no_number_or_two_is_refused_by_line_and_value(cells, says):
    with pytest.raises(RefusedFileError, match=says) as caught:
        read(*cells)
    assert caught.value.remedy


def test_behind_commas_a_point_is_a_decimal_point_and_the_sign_may_be_given():
    assert read("1.234", separator=",") == [1.234]
    with pytest.raises(RefusedFileError, match="in two ways"):
        read("1,234", separator=",")
    assert read("1,234", reading=Reading(decimal="comma")) == [1.234]
    assert read("1,234", "1.234", reading=Reading(decimal="point")) == [1234.0, 1.234]
    with pytest.raises(RefusedFileError, match="is not a number with a decimal comma"):
        read("12.5", reading=Reading(decimal="comma"))


STYLES = {"point": (",", "."), "comma": (".", ","), "blank": ("\u00a0", ","), "swiss": ("'", "."), "none": ("", ".")}


@over(st.lists(st.decimals(-(10**9), 10**9, places=2), min_size=1, max_size=8), st.sampled_from(sorted(STYLES)))
def test_a_number_with_two_decimals_is_itself_in_every_style(numbers, style):
    group, sign = STYLES[style]
    cells = [f"{number:,.2f}".replace(",", "G").replace(".", sign).replace("G", group) for number in numbers]
    assert read(*cells) == [float(number) for number in numbers]
