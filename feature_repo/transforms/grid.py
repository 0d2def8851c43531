"""A complete hourly grid per entity, so that "one bar before" always means one *hour* before.

Hours that were not observed become rows of nulls inside a transform and are dropped again at its end: nothing is
invented, and no window, difference or return reaches across a hole unnoticed.
"""

from __future__ import annotations

import polars as pl

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
