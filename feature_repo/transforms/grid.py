"""A complete hourly grid per entity, so that "one bar before" always means one *hour* before.

Hours that were not observed become rows of nulls inside a transform and are dropped again at its end: nothing is
invented, and no window, difference or return reaches across a hole unnoticed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import numpy as np
import polars as pl

from feature_repo.raw_datasets import instant
from feature_repo.transforms.windows import Floats
from pairity.timeline import HOUR

EVENT = "event_timestamp"
OBSERVED = "__observed"


def with_hour_grid(frame: pl.LazyFrame, entity: str) -> pl.LazyFrame:
    """Return `frame` (one row per entity and hour) with every hour between an entity's first and last row.

    Adds `__observed`, which is False on the added rows; their other columns are null. Sorted by entity and time.
    """

    def add_missing(rows: pl.DataFrame) -> pl.DataFrame:
        observed = rows.with_columns(pl.lit(True).alias(OBSERVED))
        missing = _holes(rows, entity)
        if missing.is_empty():  # the usual case, and the sort of a whole history is not free
            return observed
        return pl.concat([observed, missing], how="diagonal").sort(entity, EVENT)

    ordered = frame.select(entity, EVENT, pl.exclude(entity, EVENT)).sort(entity, EVENT)
    schema = pl.Schema({**ordered.collect_schema(), OBSERVED: pl.Boolean()})
    return _whole(ordered, add_missing, schema)


def _holes(rows: pl.DataFrame, entity: str) -> pl.DataFrame:
    """Return the hours between two neighbouring rows of one entity; `rows` are sorted by entity and time."""
    before = pl.col(EVENT).shift(1)
    reaches = (pl.col(entity) == pl.col(entity).shift(1)) & (pl.col(EVENT) - before > HOUR)
    return (
        rows.lazy()
        .select(entity, EVENT, before.alias("__before"), reaches.alias("__reaches"))
        .filter("__reaches")
        .select(entity, pl.datetime_ranges(pl.col("__before") + HOUR, EVENT, interval=HOUR, closed="left").alias(EVENT))
        .explode(EVENT)
        .with_columns(pl.lit(False).alias(OBSERVED))
        .collect()
    )


def drop_unobserved(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Drop the rows that `with_hour_grid` added."""
    return frame.filter(pl.col(OBSERVED)).drop(OBSERVED)


class GridColumns:
    """Columns of one entity as float arrays, NaN where null. They are slices of arrays that all entities share.

    `begin` is the first row whose values are wanted.
    """

    def __init__(self, whole: Mapping[str, Floats], rows: slice, begin: int) -> None:
        self._whole = whole
        self._rows = rows
        self.begin = begin

    def __getitem__(self, name: str) -> Floats:
        return self._whole[name][self._rows]


class _Arrays(dict[str, Floats]):
    """Whole columns of a grid as arrays, each converted at its first use."""

    def __init__(self, grid: pl.DataFrame) -> None:
        self._grid = grid

    def __missing__(self, name: str) -> Floats:
        self[name] = self._grid[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
        return self[name]


def with_computed(
    frame: pl.LazyFrame,
    entity: str,
    names: tuple[str, ...],
    compute: Callable[[GridColumns], Mapping[str, Floats]],
    *,
    after: datetime | None = None,
) -> pl.LazyFrame:
    """Return `frame` (a grid: see `with_hour_grid`) with the columns `names`, computed entity by entity.

    `compute` takes one entity's columns and returns arrays of its length; their NaN become null. Only the values of
    rows later than `after` are wanted. Entities are computed at the same time, in as many threads as Polars has. None
    sees another's values, so threads change no bit.
    """

    def add(grid: pl.DataFrame) -> pl.DataFrame:
        whole = _Arrays(grid)
        out = {name: np.empty(grid.height) for name in names}

        # Of each entity: its rows are in order of time, so those that are known come first.
        known = (
            np.zeros(grid.height, bool)
            if after is None
            else grid.select(pl.col(EVENT) <= instant(after)).to_series().to_numpy()
        )

        def one(rows: slice) -> None:
            begin = int(np.count_nonzero(known[rows]))
            with np.errstate(all="ignore"):  # 0/0 and the like are NaN, and NaN becomes null
                computed = compute(GridColumns(whole, rows, begin))
            for name in names:
                out[name][rows] = computed[name]

        parts = list(_rows_of_each(grid[entity]))
        for first in parts[:1]:
            one(first)  # alone: it compiles the kernels and converts the columns once, for all threads
        if after is None:
            with ThreadPoolExecutor(pl.thread_pool_size()) as threads:
                list(threads.map(one, parts[1:]))
        else:  # a row or two of each entity: threads would cost more than they save
            for rows in parts[1:]:
                one(rows)
        return grid.with_columns(pl.Series(name, values).fill_nan(None) for name, values in out.items())

    schema = pl.Schema({**frame.collect_schema(), **dict.fromkeys(names, pl.Float64())})
    return _whole(frame, add, schema)


def _whole(frame: pl.LazyFrame, change: Callable[[pl.DataFrame], pl.DataFrame], schema: pl.Schema) -> pl.LazyFrame:
    # No pushdown: a filter or a selection moved below this point would take hours or columns that the windows need.
    return frame.map_batches(
        change, schema=schema, predicate_pushdown=False, projection_pushdown=False, slice_pushdown=False
    )


def _rows_of_each(entities: pl.Series) -> Iterator[slice]:
    """Yield where each entity's rows lie; rows of one entity stand together."""
    start = 0
    for length in entities.rle().struct.field("len").to_list():
        yield slice(start, start + length)
        start += length


def only_after(frame: pl.LazyFrame, after: datetime | None) -> pl.LazyFrame:
    """Return the rows whose event is later than `after`; all where it is None."""
    return frame if after is None else frame.filter(pl.col(EVENT) > instant(after))
