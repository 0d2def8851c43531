from __future__ import annotations

import math

import polars as pl
import pytest

from pairity.errors import JoinError
from validation.parity import compare_rows, is_same

NAN = float("nan")


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1.0, 1.0, True),
        (0.0, -0.0, False),
        (NAN, NAN, True),
        (None, None, True),
        (None, NAN, False),
        (1.0, math.nextafter(1.0, 2.0), False),
        (1, 1.0, False),
        ("a", "a", True),
        (5e-324, 5e-324, True),
    ],
)
def test_same_means_the_same_bits(one, other, equal):
    assert is_same(one, other) is equal
    assert is_same(other, one) is equal


def test_differences_are_named_by_row_and_column():
    online = pl.DataFrame({"z": [1.0, None, 3.0], "name": ["a", "b", "c"]})
    offline = pl.DataFrame({"z": [1.0, 2.0, 3.0], "name": ["a", "b", "x"]})
    found = compare_rows(online, offline, ["z", "name"])
    assert [(m.row, m.column, m.online, m.offline) for m in found] == [(1, "z", None, 2.0), (2, "name", "c", "x")]


def test_other_rows_are_not_compared():
    with pytest.raises(JoinError, match="2 rows were read online, 1 came"):
        compare_rows(pl.DataFrame({"z": [1.0, 2.0]}), pl.DataFrame({"z": [1.0]}), ["z"])
