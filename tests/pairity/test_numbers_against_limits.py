"""A number that is printed beside its limit is on the side of it that the decision went by."""

from __future__ import annotations

import pytest

from pairity.number_formats import format_against, format_count


@pytest.mark.parametrize(
    ("value", "limit", "said"),
    [
        (0.8534, 0.85, "0.853"),
        (0.8466, 0.85, "0.847"),
        (0.849999, 0.85, "0.849999"),
        (0.85, 0.85, "0.85"),
        (0.9, 0.85, "0.90"),
        (-0.0004, 0.0, "-0.0004"),
        (float("nan"), 0.85, "–"),
        (0.5, float("inf"), "0.50"),
    ],
)
def test_a_number_has_the_digits_that_tell_it_from_its_limit(value: float, limit: float, said: str) -> None:
    assert format_against(value, limit) == said


@pytest.mark.parametrize("value", [0.1001, 0.09996, 0.100000049])
def test_what_is_read_is_on_the_side_of_what_was_compared(value: float) -> None:
    text = format_against(value, 0.1, percent=True, signed=True)
    assert (float(text.rstrip("%")) > 10.0) is (value > 0.1)


def test_one_thing_is_not_many() -> None:
    assert [format_count(number, "row") for number in (0, 1, 2, 4416)] == ["0 rows", "1 row", "2 rows", "4,416 rows"]
    assert format_count(2, "index", "indices") == "2 indices"
