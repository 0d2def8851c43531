"""How new rows join stored ones: repetitions vanish, corrections become rows of their own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from feature_repo.knowledge_time import correction_known_at
from feature_repo.raw_datasets import KNOWN_AT, RawDataset
from pairity.errors import DataError


def select_newest(rows: pl.LazyFrame, keys: Sequence[str]) -> pl.LazyFrame:
    """Return the newest known row of each key, sorted by key."""
    return rows.sort(*keys, KNOWN_AT).unique(list(keys), keep="last", maintain_order=True)


def merge(
    dataset: RawDataset,
    stored: pl.DataFrame,
    incoming: pl.DataFrame,
    arrived_at: datetime | None,
) -> pl.DataFrame:
    """Return all rows of `stored` and the news in `incoming` (see `find_news`), sorted by (time, known_at).

    Both have the dataset's columns, in its order.
    """
    news = find_news(dataset, stored, incoming, arrived_at, keys=[dataset.time])
    return pl.concat([stored, news]).sort(dataset.time, KNOWN_AT)


def find_news(
    dataset: RawDataset,
    stored: pl.DataFrame,
    incoming: pl.DataFrame,
    arrived_at: datetime | None,
    *,
    keys: Sequence[str],
) -> pl.DataFrame:
    """Return the rows of `incoming` that say something new beside `stored`, with the `known_at` to store them under.

    `keys` name what has one value at a time: the time, or asset and time. Both frames have the keys and the dataset's
    columns, in the same order; of `stored` only the rows with the keys of `incoming` matter.

    A row whose values equal the newest known ones of its key is a repetition and dropped, whatever its `known_at`. A
    row with other values is a correction, known as `knowledge_time.correction_known_at` says. Without `arrived_at` a
    row that is not known later than the stored one is kept as an earlier version, and DataError is raised where that
    version exists with other values.
    """
    # Several versions of one key are merged one after the other, oldest first, as if they had come in separate calls:
    # the outcome must not depend on how the rows were cut into calls.
    ordered = incoming.unique(maintain_order=True).sort(*keys, KNOWN_AT, maintain_order=True)
    layers = ordered.with_columns(pl.int_range(pl.len()).over(list(keys)).alias("layer"))
    found = [ordered.clear()]
    for layer in layers.partition_by("layer", maintain_order=True, include_key=False):
        news = _layer_news(dataset, pl.concat([stored, *found]), layer, arrived_at, keys)
        found.append(news)
    return pl.concat(found)


def _layer_news(
    dataset: RawDataset,
    stored: pl.DataFrame,
    layer: pl.DataFrame,
    arrived_at: datetime | None,
    keys: Sequence[str],
) -> pl.DataFrame:
    """Return the news of `layer`, which has one row per key."""
    if stored.is_empty():
        return layer
    newest = select_newest(stored.lazy(), keys).collect()
    joined = layer.join(newest, on=list(keys), how="left", suffix="_stored", maintain_order="left")
    stored_known = pl.col(f"{KNOWN_AT}_stored")
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"{name}_stored")) for name in dataset.values)
    news = joined.filter(stored_known.is_null() | ~same)
    if arrived_at is None:
        late = stored_known.is_not_null() & (pl.col(KNOWN_AT) <= stored_known)
        has_earlier = bool(news.select(late.any()).item())
        rows = news.select(layer.columns)
        return _without_stored(dataset, stored, rows, keys) if has_earlier else rows
    return news.with_columns(correction_known_at(stored_known, arrived_at)).select(layer.columns)


def _without_stored(dataset: RawDataset, stored: pl.DataFrame, rows: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """Return `rows` without the versions that are stored already."""
    unknown = rows.join(stored, on=rows.columns, how="anti", nulls_equal=True, maintain_order="left")
    clash = unknown.join(stored, on=[*keys, KNOWN_AT], how="semi")
    if clash.height:
        raise DataError(
            f"{dataset.name} has two different rows with the same {dataset.time} and {KNOWN_AT}: {clash.row(0)}",
            "say when the correction arrived",
        )
    return unknown
