"""The point-in-time join on frames: for each label, the newest feature row that was known then.

For a label at t: among the entity's rows with event time ≤ t (and created time ≤ t, where knowledge counts) the newest
event time wins, then the newest created time, then the row that is stored last. The winner is shown only if it is not
older than the TTL (t − event time ≤ TTL); otherwise, and where there is none, the features are null. Labels are never
dropped, duplicated or reordered. A null entity key matches nothing.

Entity and instant become one integer. The rows are put in its order once, and every label finds its row by one binary
search: time grows with rows plus labels, not with their product. Rows that were overtaken before they appeared (a late
row of an older bar) are left out of the search.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

Ints = NDArray[np.int64]

_KEY, _CODE, _TIME, _EVENT, _CREATED = "__key", "__code", "__time", "__event", "__created"
_MOST, _LEAST = np.iinfo(np.int64).max, np.iinfo(np.int64).min


def asof_join(
    labels: pl.DataFrame,
    features: pl.LazyFrame,
    *,
    keys: Sequence[str],
    time: str,
    event: str,
    created: str | None,
    columns: Sequence[str],
    ttl: timedelta | None,
    known_only: bool,
) -> pl.DataFrame:
    """Return `labels` with `columns` of `features` as of each label's `time`.

    `keys` are the join keys in both frames (none: one series for all labels); `event` and `created` name the feature
    rows' times, UTC microseconds like `time`. `ttl` None or zero is unlimited. `known_only` hides rows whose created
    time is after the label, or null. The features of all rows that some label could see are in memory at once.
    """
    rows = features.select(
        *(pl.col(key).alias(f"{_KEY}{index}") for index, key in enumerate(keys)),
        pl.col(event).alias(_EVENT),
        pl.col(created or event).alias(_CREATED),
        *columns,
    )
    if labels.height == 0:
        return labels.hstack(rows.select(columns).head(0).collect())
    entities = _entities(labels, rows, keys)
    visible = rows.filter(_reachable(labels[time], ttl))
    if known_only and created is not None:
        visible = visible.drop_nulls(_CREATED)
    stored = _coded(visible, entities, len(keys)).collect()
    if stored[_CODE].null_count():  # rows of entities without a label; a copy costs as much as a read
        stored = stored.filter(pl.col(_CODE).is_not_null())
    requested = labels.select(pl.col(key).alias(f"{_KEY}{index}") for index, key in enumerate(keys))
    codes = _coded(requested.lazy(), entities, len(keys), keep=True).collect()[_CODE] if keys else None
    matched = _match(codes, labels[time], stored, ttl, known_only=known_only and created is not None)
    return labels.hstack(stored.select(pl.col(columns).gather(matched)))


def _reachable(times: pl.Series, ttl: timedelta | None) -> pl.Expr:
    """Return whether some label could see an event time; rows older than any TTL reaches need not be read."""
    visible = pl.col(_EVENT) <= times.max()
    return visible & (pl.col(_EVENT) >= times.min() - ttl) if ttl else visible  # type: ignore[operator]


def _entities(labels: pl.DataFrame, rows: pl.LazyFrame, keys: Sequence[str]) -> pl.DataFrame:
    """Return the labels' entities with keys in both types and a number each; those with a null key are left out."""
    types = rows.collect_schema()
    names = [f"{_KEY}{index}" for index in range(len(keys))]
    requested = labels.select(pl.col(key).alias(name) for key, name in zip(keys, names, strict=True)).unique()
    cast = requested.select(pl.col(name).cast(types[name]).alias(f"{name}_stored") for name in names)
    return requested.hstack(cast).drop_nulls().with_row_index(_CODE).with_columns(pl.col(_CODE).cast(pl.Int64))


def _coded(frame: pl.LazyFrame, entities: pl.DataFrame, keys: int, *, keep: bool = False) -> pl.LazyFrame:
    """Return `frame` with each row's entity number; rows of other entities have none or (several keys) are dropped."""
    names = [f"{_KEY}{index}" for index in range(keys)]
    if not keys:
        return frame.with_columns(pl.lit(0, pl.Int64).alias(_CODE))
    stored = names if keep else [f"{name}_stored" for name in names]
    numbers = entities.lazy().select(*(pl.col(old).alias(new) for old, new in zip(stored, names, strict=True)), _CODE)
    numbers = numbers.unique(names, keep="first") if not keep else numbers
    if keys == 1:
        table = numbers.collect()
        code = pl.col(names[0]).replace_strict(table[names[0]], table[_CODE], default=None, return_dtype=pl.Int64)
        return frame.with_columns(code.alias(_CODE))
    how = "left" if keep else "inner"
    return frame.join(numbers, on=names, how=how, maintain_order="left")  # type: ignore[arg-type]


def _match(
    codes: pl.Series | None, times: pl.Series, stored: pl.DataFrame, ttl: timedelta | None, *, known_only: bool
) -> pl.Series:
    """Return the position in `stored` of each label's row, null where it sees none."""
    if stored.height == 0:
        return pl.Series([None] * len(times), dtype=pl.UInt32)
    # A row without a created time is the oldest version of its event.
    event, created = (stored[name].to_physical().fill_null(_LEAST).to_numpy() for name in (_EVENT, _CREATED))
    visible = np.maximum(event, created) if known_only else event
    entity = stored[_CODE].to_numpy()
    requested = times.to_physical().to_numpy()
    known = np.ones(len(requested), dtype=bool) if codes is None else codes.is_not_null().to_numpy()
    label = np.zeros(len(requested), dtype=np.int64) if codes is None else codes.fill_null(0).to_numpy()
    if _too_wide(visible, entity):
        # Ranks instead of microseconds: their product with the entities' numbers fits into 64 bits again.
        instants = np.unique(visible)
        requested_rank = np.searchsorted(instants, requested, side="right") - 1
        row_key, label_key = _combined(entity, np.searchsorted(instants, visible), label, requested_rank)
    else:
        row_key, label_key = _combined(entity, visible, label, requested)
    order = _order(row_key, event, created)
    best = _not_overtaken(entity[order], event[order])
    order = order if best.all() else order[best]
    place = _search(row_key[order], label_key)
    known &= place >= 0
    # The row before a label may belong to the entity before it, or lie outside the clipped edge: checked below.
    row = order[np.maximum(place, 0)]
    known &= entity[row] == label
    known &= visible[row] <= requested
    if ttl:
        known &= requested - event[row] <= ttl // timedelta(microseconds=1)
    return pl.Series(row, dtype=pl.UInt32).set(~pl.Series(known), None)


def _too_wide(times: Ints, entity: Ints) -> bool:
    """Return whether entity and instant do not fit into one 64-bit integer."""
    return (int(entity.max()) + 1) * (int(times.max()) - int(times.min()) + 2) > _MOST


def _combined(entity: Ints, times: Ints, label: Ints, requested: Ints) -> tuple[Ints, Ints]:
    """Return (entity, instant) as one ascending integer, for rows and for labels.

    A label outside the rows' range is moved to its edge, one step before the first row or onto the last.
    """
    first, width = int(times.min()), int(times.max()) - int(times.min()) + 2
    inside = np.clip(requested - first, -1, width - 2) + 1
    return entity * width + (times - first + 1), label * width + inside


def _order(row_key: Ints, event: Ints, created: Ints) -> NDArray[np.intp]:
    """Return the order of rows by entity and instant of visibility, then event, created and place in the files."""
    # Files are written in this order, so there is mostly nothing to sort; only ties, which are rare, need lexsort.
    if len(row_key) > 1 and not (row_key[1:] > row_key[:-1]).all():
        order = np.argsort(row_key, kind="stable")
        ordered = row_key[order]
        if (ordered[1:] == ordered[:-1]).any():
            order = np.lexsort((created, event, row_key))
        return order
    return np.arange(len(row_key))


def _not_overtaken(entity: Ints, event: Ints) -> NDArray[np.bool_]:
    """Return whether a row's event is the newest of its entity so far: only such rows can be seen by a label."""
    rising = (event[1:] >= event[:-1]) | (entity[1:] != entity[:-1])
    if rising.all():
        return np.ones(len(event), dtype=bool)
    newest = pl.DataFrame({"entity": entity, "event": event}).select(pl.col("event").cum_max().over("entity"))
    return event >= newest.to_series().to_numpy()


def _search(row_key: Ints, label_key: Ints) -> NDArray[np.intp]:
    """Return the last row at or before each label; labels are looked up in ascending order, for the cache's sake."""
    if len(label_key) > 1 and not (label_key[1:] >= label_key[:-1]).all():
        order = np.argsort(label_key)
        place = np.empty(len(label_key), dtype=np.intp)
        place[order] = np.searchsorted(row_key, label_key[order], side="right") - 1
        return place
    return np.searchsorted(row_key, label_key, side="right") - 1
