"""Content of one online row: the values of one entity as bytes, in an order that is agreed upon elsewhere.

Of n values, the first n × 8 bytes are numbers: the bits of a float or an integer, or for longer values where they begin
in the content and how many bytes they have (4 bytes each). Then n bytes say of which kind each value is. Then come the
longer values: texts in UTF-8, and whatever else Feast knows as its own protobuf. All numbers are little-endian. The
same kinds of columns always lie at the same place, so that whole columns are read and written at once.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from feast.protos.feast.types.Value_pb2 import Value
from numpy.typing import NDArray

NULL, FLOAT, INTEGER, TEXT, OTHER = range(5)
_KINDS: Mapping[pl.DataType, int] = {pl.Float64(): FLOAT, pl.Int64(): INTEGER, pl.String(): TEXT}
_BITS: Mapping[int, np.dtype[Any]] = {FLOAT: np.dtype("<f8"), INTEGER: np.dtype("<i8"), TEXT: np.dtype("<u4")}
_NUMBER = {"double_val": (FLOAT, struct.Struct("<d")), "int64_val": (INTEGER, struct.Struct("<q"))}
_PLACE = struct.Struct("<II")
_WIDTH = 9
"""Bytes of a value before the longer values: 8 of its number and 1 of its kind."""


def pack_values(values: Sequence[Value]) -> bytes:
    """Return the content of one row, from Feast's values."""
    numbers, kinds, longer = bytearray(), bytearray(), bytearray()
    for value in values:
        field = value.WhichOneof("val")
        if field in _NUMBER:
            kind, layout = _NUMBER[field]
            numbers += layout.pack(getattr(value, field))
        else:
            kind = NULL if field is None else TEXT if field == "string_val" else OTHER
            text = b"" if kind == NULL else value.string_val.encode() if kind == TEXT else value.SerializeToString()
            numbers += _PLACE.pack(len(values) * _WIDTH + len(longer), len(text)) if kind != NULL else bytes(8)
            longer += text
        kinds.append(kind)
    return bytes(numbers + kinds + longer)


def unpack_values(content: bytes, count: int) -> list[Value]:
    """Return the `count` values of one row, as Feast has them; a null is an empty Value."""
    values = []
    for place, kind in enumerate(content[count * 8 : count * _WIDTH]):
        number = content[place * 8 : place * 8 + 8]
        if kind == NULL:
            values.append(Value())
        elif kind == FLOAT:
            values.append(Value(double_val=struct.unpack("<d", number)[0]))
        elif kind == INTEGER:
            values.append(Value(int64_val=struct.unpack("<q", number)[0]))
        else:
            start, size = _PLACE.unpack(number)
            longer = content[start : start + size]
            values.append(Value(string_val=longer.decode()) if kind == TEXT else Value.FromString(longer))
    return values


def pack_rows(columns: Sequence[pl.Series]) -> list[bytes]:
    """Return the content of each row; `columns` are Float64, Int64 or String, in the order of the values.

    The same bytes as `pack_values` of each row, nulls included.
    """
    height, count = len(columns[0]), len(columns)
    numbers = np.zeros((height, count), "<u8")
    kinds = np.zeros((height, count), np.uint8)
    begin = np.full(height, count * _WIDTH, "<u8")
    longer = []
    for place, column in enumerate(columns):
        if column.null_count() == height:
            continue
        values = column.to_arrow()
        known = True if values.null_count == 0 else values.is_valid().to_numpy(zero_copy_only=False)
        kind = _KINDS[column.dtype]
        kinds[:, place] = np.where(known, np.uint8(kind), np.uint8(NULL))
        if kind == TEXT:
            texts = [b"" if text is None else text.encode() for text in column.to_list()]
            sizes = np.fromiter(map(len, texts), "<u8", height)
            numbers[:, place] = np.where(known, begin | sizes << np.uint64(32), np.uint64(0))
            begin += sizes
            longer.append(texts)
        else:
            filled = values if known is True else values.fill_null(0)
            numbers[:, place] = filled.to_numpy().astype(_BITS[kind], copy=False).view("<u8")
    fixed = np.concatenate((numbers.view(np.uint8).reshape(height, count * 8), kinds), axis=1)
    return [b"".join(pieces) for pieces in zip(map(bytes, fixed), *longer, strict=True)]


def unpack_rows(
    contents: Sequence[bytes | None], count: int, wanted: Mapping[str, tuple[int, pl.DataType]]
) -> pl.DataFrame | None:
    """Return columns of rows with `count` values each; `wanted` says name → place and type (Float64, Int64, String).

    Rows keep their order; a content of None is a row of nulls. None where a value is of another kind than its column:
    `unpack_values` reads those.
    """
    unknown = bytes(count * _WIDTH)
    rows = [unknown if content is None else content for content in contents]
    fixed = np.frombuffer(b"".join(row[: count * _WIDTH] for row in rows), np.uint8).reshape(-1, count * _WIDTH)
    numbers = np.ascontiguousarray(fixed[:, : count * 8].reshape(-1, count, 8).swapaxes(0, 1)).view("<u8")
    columns = {}
    for name, (place, dtype) in wanted.items():
        kind, kinds = _KINDS[dtype], fixed[:, count * 8 + place]
        nulls = kinds != kind
        if kinds[nulls].any():
            return None
        values = numbers[place, :, 0].view(_BITS[kind])
        if kind == TEXT:
            columns[name] = pa.array(_cut(rows, values, nulls), pa.large_string())
        else:
            columns[name] = pa.array(values, mask=nulls)
    return pl.DataFrame(pl.from_arrow(pa.table(columns)))


def _cut(rows: Sequence[bytes], places: NDArray[Any], nulls: NDArray[Any]) -> list[str | None]:
    starts, sizes = places[::2].tolist(), places[1::2].tolist()
    return [
        None if null else row[start : start + size].decode()
        for row, start, size, null in zip(rows, starts, sizes, nulls.tolist(), strict=True)
    ]
