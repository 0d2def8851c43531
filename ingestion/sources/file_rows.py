"""Candles and settlements of a file's table as rows of a dataset: steps, holes that the file itself says, jitter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import polars as pl

from feature_repo.knowledge_time import closed_known_at, history_known_at, recorded_known_at
from feature_repo.raw_datasets import DATASETS, INSTANT, RawDataset
from ingestion.sources.file_columns import RECEIVED, TIME
from ingestion.sources.file_tables import FileTable
from ingestion.sources.reading import count_of, find_first
from pairity.timeline import MINUTE

Note = Callable[[str], None]
"""Takes a line on rows that were left out."""
JITTER = MINUTE
"""Most that a settlement's stamp may be beside the full hour at which it took place."""
_COMPLETE = "correct these rows, or leave them out"


def find_step(times: pl.Series) -> timedelta | None:
    """Return the distance of most rows: the median between neighbouring instants, whatever their order.

    None where there are fewer than two instants. Repeated instants count once, so a repeated row changes nothing.
    """
    steps = times.drop_nulls().unique().sort().diff().drop_nulls()
    if steps.is_empty():
        return None
    median = steps.sort()[(len(steps) - 1) // 2]
    assert isinstance(median, timedelta)
    return median


def read_bars(table: FileTable, dataset: str, note: Note) -> pl.DataFrame:
    """Return the candles of a table in the dataset's columns, sorted by time; repeated rows once.

    A row without any price is a hole that the file itself shows: it is left out and noted. RefusedFileError for a row
    with some of its values, or without its time. Known one bar after the open, or when the file says that it was
    received, whichever is later. Two rows of one time that differ both stay, for validation to see.
    """
    kind = DATASETS[dataset]
    needed = [name for name in kind.values if name not in kind.nullable]
    table.require((TIME, *needed))
    whole = _without_holes(table, needed, note)
    known = history_known_at(kind)
    rows = whole.rows.rename({TIME: kind.time})
    if RECEIVED in rows.columns:
        whole.refuse(rows[RECEIVED].is_null(), "without the time at which they were received", TIME, _COMPLETE)
        known = recorded_known_at(kind, RECEIVED)
    return _unique(kind, rows.with_columns(known))


def read_settlements(table: FileTable, note: Note) -> pl.DataFrame:
    """Return settled funding in the dataset's columns, sorted by time; repeated rows once.

    A stamp beside the full hour by at most `JITTER` belongs to that hour (see `snap_to_hours`), and is known from the
    later of the two. Holes and incomplete rows as `read_bars`.
    """
    table.require((TIME, "funding_rate"))
    stamped = _without_holes(table, ["funding_rate"], note).rows.rename({TIME: "stamp"})
    return place_on_hours(stamped)


def place_on_hours(rows: pl.DataFrame) -> pl.DataFrame:
    """Return settlements by their `stamp`, in the columns of `funding`, at their hours; repeated rows once.

    Known from the stamp or the hour, whichever is later. Two stamps of one settlement are one row, or contradict each
    other: neither is a later version.
    """
    kind = DATASETS["funding"]
    placed = rows.with_columns(snap_to_hours(pl.col("stamp")).alias(kind.time))
    last = pl.max_horizontal("stamp", kind.time).max().over(kind.time)
    return _unique(kind, placed.with_columns(closed_known_at(last)))


def snap_to_hours(stamp: pl.Expr) -> pl.Expr:
    """Return the full hours of settlements that were stamped up to `JITTER` beside them; other stamps as they are.

    Venues settle at full hours, every 1, 2, 4 or 8 of them; their stamps are some milliseconds, or a second, off.
    """
    hour = stamp.dt.round("1h")
    return pl.when((stamp - hour).abs() <= JITTER).then(hour).otherwise(stamp).cast(INSTANT)


def _without_holes(table: FileTable, needed: Sequence[str], note: Note) -> FileTable:
    rows = table.rows
    # A library's tables write NaN where a value is missing.
    missing = rows.select((pl.col(name).is_null() | pl.col(name).is_nan()) for name in needed)
    holes = missing.select(pl.all_horizontal(pl.all())).to_series()
    table.refuse(rows[TIME].is_null() & ~holes, "without a time", needed[0], _COMPLETE)
    partial = rows.select(pl.any_horizontal(pl.col(name).is_null() for name in needed)).to_series() & ~holes
    first = find_first(partial)
    if first is not None:
        lacking = next(name for name in needed if rows[name][first] is None)
        table.refuse(partial, f"lacking a value, the first one its {lacking}", TIME, _COMPLETE)
    empty = find_first(holes)
    if empty is not None:
        what = ", ".join(needed)
        note(
            f"{count_of(int(holes.sum()))} without {what}, the first in {table.place(empty)}: holes of the file itself"
        )
    return table.only(~holes)


def _unique(kind: RawDataset, rows: pl.DataFrame) -> pl.DataFrame:
    return kind.conform(rows).unique(maintain_order=True).sort(kind.time, maintain_order=True)
