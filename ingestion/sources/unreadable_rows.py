"""Rows without a value that they must have: left out, counted and named, so that they cover nothing."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from feature_repo.raw_datasets import RawDataset
from ingestion.lake.spans import Span, union

# What one instant covers in a dataset without bars.
_INSTANT_ITSELF = timedelta(milliseconds=1)


def leave_out_unreadable(
    kind: RawDataset, rows: pl.DataFrame, what: str
) -> tuple[pl.DataFrame, tuple[Span, ...], list[str]]:
    """Return the rows whose required values are all there, the ranges of the others, and a line on them if any.

    `rows` has the time column, without nulls, and any of the dataset's others. `what` names their source. Values that
    are there and cannot be right are for validation.
    """
    needed = [name for name in kind.values if name in rows.columns and name not in kind.nullable]
    is_broken = pl.any_horizontal(pl.lit(False), *(pl.col(name).is_null() for name in needed))
    broken = rows.filter(is_broken)
    if broken.is_empty():
        return rows, (), []
    length = max(kind.known_after, _INSTANT_ITSELF)
    spans = union((at, at + length) for at in broken[kind.time].to_list())
    example = broken.row(0, named=True)
    lacking = next(name for name in needed if example[name] is None)
    line = (
        f"{what}: {broken.height} of {rows.height} rows of {kind.name} lack a value, such as {lacking} of "
        f"{example[kind.time]:%Y-%m-%d %H:%M:%S} UTC: they are left out and do not count as fetched"
    )
    return rows.filter(is_broken.not_()), spans, [line]


def leave_out_outside(kind: RawDataset, rows: pl.DataFrame, unit: Span, what: str) -> tuple[pl.DataFrame, list[str]]:
    """Return the rows of the unit, and a line on those that lie more than a bar outside of it, which nobody asked for.

    Nearer ones are how sources understand the ends of a range.
    """
    time, near = pl.col(kind.time), max(kind.known_after, _INSTANT_ITSELF)
    outside = rows.filter(time.is_between(unit[0] - near, unit[1] + near).not_())
    lines = []
    if outside.height:
        lines = [
            f"{what}: {outside.height} of {rows.height} rows lie outside of the range, such as {outside[kind.time][0]}"
        ]
    return rows.filter(time.is_between(*unit, closed="left")), lines
