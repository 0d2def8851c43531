"""How new rows join stored ones: repetitions vanish, corrections become rows of their own."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from feature_repo.knowledge_time import correction_known_at
from feature_repo.raw_datasets import KNOWN_AT, RawDataset
from pairity.errors import DataError


def select_newest(rows: pl.LazyFrame, keys: list[str]) -> pl.LazyFrame:
    """Return the newest known row of each key, sorted by key."""
    return rows.sort(*keys, KNOWN_AT).unique(keys, keep="last", maintain_order=True)


def merge(
    dataset: RawDataset,
    stored: pl.DataFrame,
    incoming: pl.DataFrame,
    arrived_at: datetime | None,
    *,
    keep_clashes: bool = False,
) -> pl.DataFrame:
    """Return all rows of `stored` and the news in `incoming`, sorted by (time, known_at), in the dataset's columns.

    A row whose values equal the newest known ones of its time is a repetition and dropped, whatever its `known_at`. A
    row with other values is a correction, known as `knowledge_time.correction_known_at` says. Without `arrived_at` a
    row that is not known later than the stored one is kept as an earlier version, and DataError is raised where that
    version exists with other values (`keep_clashes`: both are kept).
    """
    # Several versions of one time are merged one after the other, oldest first, as if they had come in separate calls:
    # the outcome must not depend on how the rows were cut into calls.
    keyed = incoming.unique(maintain_order=True).sort(dataset.time, KNOWN_AT)
    layers = keyed.with_columns(pl.int_range(pl.len()).over(dataset.time).alias("layer"))
    for layer in layers.partition_by("layer", maintain_order=True, include_key=False):
        news = _news(dataset, stored, layer, arrived_at, keep_clashes=keep_clashes)
        if news.height:
            stored = pl.concat([stored, news])
    return stored.sort(dataset.time, KNOWN_AT)


def _news(
    dataset: RawDataset, stored: pl.DataFrame, layer: pl.DataFrame, arrived_at: datetime | None, *, keep_clashes: bool
) -> pl.DataFrame:
    """Return the rows of `layer` (one per time) that say something new, with the `known_at` to store them under."""
    newest = select_newest(stored.lazy(), [dataset.time]).collect()
    joined = layer.join(newest, on=dataset.time, how="left", suffix="_stored", maintain_order="left")
    stored_known = pl.col(f"{KNOWN_AT}_stored")
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"{name}_stored")) for name in dataset.values)
    news = joined.filter(stored_known.is_null() | ~same)
    if arrived_at is None:
        late = stored_known.is_not_null() & (pl.col(KNOWN_AT) <= stored_known)
        return _earlier_versions(dataset, stored, news, late, keep_clashes=keep_clashes)
    return news.with_columns(correction_known_at(stored_known, arrived_at)).select(*dataset.schema)


def _earlier_versions(
    dataset: RawDataset, stored: pl.DataFrame, news: pl.DataFrame, late: pl.Expr, *, keep_clashes: bool
) -> pl.DataFrame:
    """Return `news` without the versions that are stored already."""
    rows = news.select(*dataset.schema)
    if not news.select(late.any()).item():
        return rows
    unknown = rows.join(stored, on=list(dataset.schema), how="anti", nulls_equal=True, maintain_order="left")
    clash = unknown.join(stored, on=[dataset.time, KNOWN_AT], how="semi")
    if clash.height and not keep_clashes:
        raise DataError(
            f"{dataset.name} has two different rows with the same {dataset.time} and {KNOWN_AT}: {clash.row(0)}",
            "say when the correction arrived",
        )
    return unknown
