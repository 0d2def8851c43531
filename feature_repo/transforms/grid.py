"""A complete hourly grid per entity, so that "one bar before" always means one *hour* before.

Hours that were not observed become rows of nulls inside a transform and are dropped again at its end: nothing is
invented, and no window, difference or return reaches across a hole unnoticed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import polars as pl

from feature_repo.transforms.windows import Floats
from pairity.timeline import HOUR

EVENT = "event_timestamp"
OBSERVED = "__observed"


def with_hour_grid(frame: pl.LazyFrame, entity: str) -> pl.LazyFrame:
    """`frame` (one row per entity and hour) with every hour between an entity's first and last row.

    Adds `__observed` (False on the added rows, whose other columns are null). Sorted by entity and time.
    """
    hours = (
        frame.group_by(entity)
        .agg(first=pl.col(EVENT).min(), last=pl.col(EVENT).max())
        .with_columns(pl.datetime_ranges("first", "last", interval=HOUR).alias(EVENT))
        .select(entity, EVENT)
        .explode(EVENT)
    )
    observed = frame.with_columns(pl.lit(True).alias(OBSERVED))
    return (
        hours.join(observed, on=[entity, EVENT], how="left")
        .with_columns(pl.col(OBSERVED).fill_null(False))
        .sort(entity, EVENT)
    )


def observed_only(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Drop the rows that `with_hour_grid` added."""
    return frame.filter(pl.col(OBSERVED)).drop(OBSERVED)


class Columns:
    """Columns of one entity as arrays, NaN where null."""

    def __init__(self, part: pl.DataFrame) -> None:
        self._part = part

    def __getitem__(self, name: str) -> Floats:
        return self._part[name].cast(pl.Float64).fill_null(np.nan).to_numpy()


def with_computed(
    frame: pl.LazyFrame, entity: str, names: tuple[str, ...], compute: Callable[[Columns], Mapping[str, Floats]]
) -> pl.LazyFrame:
    """`frame` (a grid: see `with_hour_grid`) with the columns `names`, computed entity by entity; NaN becomes null."""

    def one(part: pl.DataFrame) -> pl.DataFrame:
        with np.errstate(all="ignore"):  # 0/0 and the like are NaN, and NaN becomes null
            computed = compute(Columns(part))
        return part.with_columns(pl.Series(name, computed[name], dtype=pl.Float64).fill_nan(None) for name in names)

    def add(grid: pl.DataFrame) -> pl.DataFrame:
        parts = grid.partition_by(entity, maintain_order=True)
        return pl.concat([one(part) for part in parts]) if parts else one(grid)

    schema = pl.Schema({**frame.collect_schema(), **dict.fromkeys(names, pl.Float64())})
    # A filter or a selection pushed below this point would take away hours or columns that the windows need.
    return frame.map_batches(
        add, schema=schema, predicate_pushdown=False, projection_pushdown=False, slice_pushdown=False
    )
