"""The content of online rows: columns at once give the bytes of Feast's values one by one, and come back to the bit."""

from __future__ import annotations

import polars as pl
import pytest
from feast.protos.feast.types.Value_pb2 import DoubleList, Value
from hypothesis import given
from hypothesis import strategies as st

from feature_repo.online_content import pack_rows, pack_values, unpack_rows, unpack_values
from tests.feature_repo.rows import as_bits

FIELDS = {pl.Float64(): "double_val", pl.Int64(): "int64_val", pl.String(): "string_val"}
VALUES = {
    pl.Float64(): st.floats(width=64) | st.sampled_from([-0.0, 5e-324, float("nan"), float("-inf")]),
    pl.Int64(): st.integers(-(2**63), 2**63 - 1),
    pl.String(): st.text("aB\0Ω😀", max_size=6),
}


@st.composite
def frames(draw: st.DrawFn) -> pl.DataFrame:
    height = draw(st.integers(0, 6))
    dtypes = draw(st.lists(st.sampled_from(list(FIELDS)), min_size=1, max_size=7))
    rare = st.booleans()
    columns = []
    for place, dtype in enumerate(dtypes):
        value = st.none() if draw(rare) else VALUES[dtype] | st.none()
        cells = draw(st.lists(value, min_size=height, max_size=height))
        columns.append(pl.Series(f"f{place}", cells, dtype=dtype))
    return pl.DataFrame(columns)


def as_values(frame: pl.DataFrame) -> list[list[Value]]:
    return [
        [
            Value() if cell is None else Value(**{FIELDS[dtype]: cell})
            for cell, dtype in zip(row, frame.dtypes, strict=True)
        ]
        for row in frame.iter_rows()
    ]


@given(frames())
def test_columns_make_the_bytes_of_their_rows_and_come_back_to_the_bit(frame):
    contents = pack_rows(frame.get_columns())
    rows = as_values(frame)
    assert contents == [pack_values(row) for row in rows]
    for content, row in zip(contents, rows, strict=True):
        back = unpack_values(content, frame.width)
        assert [value.SerializeToString() for value in back] == [value.SerializeToString() for value in row]
    wanted = {name: (place, frame.schema[name]) for place, name in reversed(list(enumerate(frame.columns)))}
    answer = unpack_rows(contents, frame.width, wanted)
    assert answer is not None
    assert as_bits(answer).equals(as_bits(frame.select(reversed(frame.columns))))
    assert answer.schema == frame.select(reversed(frame.columns)).schema


def test_rows_that_are_not_there_are_nulls():
    contents = pack_rows([pl.Series("x", [1.5]), pl.Series("s", ["BTC"])])
    wanted = {"x": (0, pl.Float64()), "s": (1, pl.String())}
    answer = unpack_rows([None, contents[0], None], 2, wanted)
    assert answer is not None
    assert answer.rows() == [(None, None), (1.5, "BTC"), (None, None)]


OTHERS = [
    Value(bool_val=False),
    Value(int32_val=0),
    Value(float_val=0.1),
    Value(bytes_val=b"\xff"),
    Value(double_list_val=DoubleList(val=[1.0, float("nan")])),
    Value(null_val=0),
]


@pytest.mark.parametrize("value", OTHERS, ids=lambda value: value.WhichOneof("val"))
def test_whatever_else_feast_has_survives_and_is_not_taken_for_a_number(value):
    row = [Value(double_val=1.0), value, Value(string_val="x"), value, Value()]
    content = pack_values(row)
    back = unpack_values(content, 5)
    assert [item.SerializeToString() for item in back] == [item.SerializeToString() for item in row]
    assert unpack_rows([content], 5, {"v": (1, pl.Float64())}) is None
    numbers = unpack_rows([content], 5, {"x": (0, pl.Float64())})
    assert numbers is not None
    assert numbers["x"].to_list() == [1.0]
