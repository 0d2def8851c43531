"""Parity: features read online are those that the offline store returns for the same instant, bit for bit."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from pairity.errors import JoinError

Value = float | int | str | None


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One value that differs: row of the comparison, column, and both values."""

    row: int
    column: str
    online: Value
    offline: Value


def compare_rows(online: pl.DataFrame, offline: pl.DataFrame, columns: Sequence[str]) -> list[Mismatch]:
    """Return the values of `columns` that differ between two frames of the same rows in the same order.

    Floats are compared by their bits (0.0 differs from −0.0, NaN equals itself), null equals null only. JoinError if
    the frames differ in their number of rows: they are not the same rows then.
    """
    if online.height != offline.height:
        raise JoinError(f"{online.height} rows were read online, {offline.height} came from the offline store")
    return [
        Mismatch(row, column, live, stored)
        for column in columns
        for row, (live, stored) in enumerate(zip(online[column].to_list(), offline[column].to_list(), strict=True))
        if not is_same(live, stored)
    ]


def is_same(one: Value, other: Value) -> bool:
    """Return whether two values are the same to the last bit (and of the same type)."""
    if isinstance(one, float) and isinstance(other, float):
        return struct.pack("<d", one) == struct.pack("<d", other)
    return type(one) is type(other) and one == other
