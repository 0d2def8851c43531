"""Headers of Parquet pages: what each page will expand to, before anything expands it.

A header is a Thrift structure in the compact protocol. Of it only four numbers count here: the page's type, its sizes
before and after compression, and how many values it holds. Everything else is stepped over, within limits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pairity.bounded_numbers import OutOfBoundsError

_DATA, _DICTIONARY, _DATA_V2 = 0, 2, 3
_DEEPEST = 8
_LONGEST_VARINT = 10
_STOP, _TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(13)
_CUT = "is damaged: a page header is cut"


class Page(NamedTuple):
    """One page: bytes when expanded, and rows (0 for a dictionary)."""

    expanded: int
    values: int


def list_pages(content: bytes, start: int, end: int) -> Iterator[Page]:
    """Yield the pages of a column chunk at content[start:end]; OutOfBoundsError where they do not fill it."""
    at = start
    while at < end:
        header, at = _read_struct(content, at, end, 0)
        kind, expanded, compressed = (header.get(field) for field in (1, 2, 3))
        if not (isinstance(kind, int) and isinstance(expanded, int) and isinstance(compressed, int)):
            raise OutOfBoundsError("is damaged: a page has no size")
        if expanded < 0 or not 0 <= compressed <= end - at:
            raise OutOfBoundsError("is damaged: a page is larger than its column")
        own = header.get({_DATA: 5, _DICTIONARY: 7, _DATA_V2: 8}.get(kind, 0))
        values = own.get(1) if isinstance(own, dict) else 0
        if not isinstance(values, int) or values < 0:
            raise OutOfBoundsError("is damaged: a page does not say how many values it has")
        yield Page(expanded, 0 if kind == _DICTIONARY else values)
        at += compressed


def _read_struct(content: bytes, at: int, end: int, depth: int) -> tuple[dict[int, object], int]:
    """Return the numbers and structures of a structure by field, and where it ends."""
    if depth > _DEEPEST:
        raise OutOfBoundsError("is damaged: a page header is nested too deep")
    fields: dict[int, object] = {}
    field = 0
    while True:
        if at >= end:
            raise OutOfBoundsError(_CUT)
        kind, step = content[at] & 0x0F, content[at] >> 4
        at += 1
        if kind == _STOP:
            return fields, at
        if step:
            field += step
        else:
            number, at = _read_varint(content, at, end)
            field = _zigzag(number)
        fields[field], at = _read_value(kind, content, at, end, depth)


def _read_value(kind: int, content: bytes, at: int, end: int, depth: int) -> tuple[object, int]:
    if kind in (_TRUE, _FALSE):
        return None, at
    if kind == _BYTE:
        return None, at + 1
    if kind in (_I16, _I32, _I64):
        number, at = _read_varint(content, at, end)
        return _zigzag(number), at
    if kind == _DOUBLE:
        return None, at + 8
    if kind == _BINARY:
        length, at = _read_varint(content, at, end)
        return None, at + length
    if kind == _STRUCT:
        return _read_struct(content, at, end, depth + 1)
    # Page headers of no version have lists or maps.
    raise OutOfBoundsError("is damaged: a page header holds what no page header has")


def _read_varint(content: bytes, at: int, end: int) -> tuple[int, int]:
    number = 0
    for place in range(_LONGEST_VARINT):
        if at + place >= end:
            break
        byte = content[at + place]
        number |= (byte & 0x7F) << (7 * place)
        if not byte & 0x80:
            return number, at + place + 1
    raise OutOfBoundsError(_CUT)


def _zigzag(number: int) -> int:
    return (number >> 1) ^ -(number & 1)
