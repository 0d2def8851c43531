"""Point-in-time joins on a Dask cluster: entity rows are cut by month and entity, each part is joined on its own.

A row's features depend on its own entity and on the time before it alone, so the parts together are the whole, bit for
bit. Rows come back in the order in which they went in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

import polars as pl

from feature_repo.catalog import EVENT_TIME
from feature_repo.cluster_workers import connect_workers

ENTITIES_AT_ONCE = 25
"""Entities of one part: a month of hours of so many is some 18,000 rows."""
_ROW, _MONTH = "__part_row", "__part_month"


def join_in_parts(
    scheduler: str,
    name: str,
    labels: pl.DataFrame,
    keys: Sequence[str],
    join: Callable[[pl.DataFrame], pl.DataFrame],
) -> pl.DataFrame:
    """Return what `join(labels)` returns, computed in parts by the workers of `scheduler`; errors as theirs.

    `join` can be pickled; it adds columns to the rows that it is given, and keeps their number and order.
    """
    parts = list(split_labels(labels, keys))
    if len(parts) < 2:
        return join(labels)
    workers = connect_workers(scheduler)
    futures = [workers.submit(f"{name}-{month:%Y-%m}", join, part.drop(_ROW)) for month, part in parts]
    joined = pl.concat(workers.gather(futures))
    places = pl.concat([part[_ROW] for _, part in parts])
    return joined.with_columns(places).sort(_ROW).drop(_ROW)


def split_labels(labels: pl.DataFrame, keys: Sequence[str]) -> Iterator[tuple[datetime, pl.DataFrame]]:
    """Yield the parts of `labels`, each with its month and, in `__part_row`, the place of each row in the whole."""
    numbered = labels.with_row_index(_ROW).with_columns(pl.col(EVENT_TIME).dt.truncate("1mo").alias(_MONTH))
    block = "__part_block"
    entity = pl.col(keys[0]).rank("dense").fill_null(0) if keys else pl.lit(0, pl.UInt32)
    numbered = numbered.with_columns((entity // ENTITIES_AT_ONCE).alias(block))
    cut = numbered.partition_by(_MONTH, block, as_dict=True, include_key=False, maintain_order=True)
    for (month, _), part in sorted(cut.items()):
        assert isinstance(month, datetime)
        yield month, part
