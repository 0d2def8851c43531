"""The point-in-time join, on frames: for each label the newest feature row that was known then.

For a label at t: among the entity's rows with event time ≤ t (and created time ≤ t, where knowledge counts) the newest
event time wins, then the newest created time, then the row that comes last. The winner is shown only if it is not older
than the TTL (t − event time ≤ TTL); otherwise, and where there is none, the features are null. Labels are never
dropped, duplicated or reordered.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import polars as pl

_ORDER = "__label"
_EVENT = "__event"
_CREATED = "__created"
_VISIBLE = "__visible"


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
    """`labels` with `columns` of `features` as of each label's `time`.

    `keys` are the join keys in both frames (none: one series for all labels); `event` and `created` name the feature
    rows' times, UTC. `ttl` None or zero is unlimited. `known_only` hides rows whose created time is after the label.
    """
    numbered = labels.with_row_index(_ORDER)
    if labels.height == 0:
        return labels.with_columns(features.select(columns).head(0).collect())
    right = _candidates(numbered, features, keys, time, event, created, columns)
    if known_only and created is not None:
        matched = _join_known(numbered, right, keys, time, columns)
    else:
        matched = _join(numbered, right, keys, time)
    fresh = pl.col(_EVENT).is_not_null()
    if ttl:
        fresh &= pl.col(time) - pl.col(_EVENT) <= ttl
    shown = [pl.when(fresh).then(pl.col(name)).alias(name) for name in columns]
    return matched.sort(_ORDER).select(*labels.columns, *shown)


def _candidates(
    labels: pl.DataFrame, features: pl.LazyFrame, keys: Sequence[str], time: str, event: str, created: str | None,
    columns: Sequence[str],
) -> pl.DataFrame:  # fmt: skip
    """Rows that some label could see, one version per (keys, event, created), sorted by event and created time."""
    selected = features.select(
        *keys,
        pl.col(event).alias(_EVENT),
        (pl.col(created) if created is not None else pl.col(event)).alias(_CREATED),
        *columns,
    ).filter(pl.col(_EVENT) <= labels[time].max())
    if keys:
        selected = selected.join(labels.lazy().select(keys).unique(), on=list(keys), how="semi")
    return selected.collect().unique([*keys, _EVENT, _CREATED], keep="last", maintain_order=True).sort(_EVENT, _CREATED)


def _join(labels: pl.DataFrame, right: pl.DataFrame, keys: Sequence[str], time: str) -> pl.DataFrame:
    latest = right.unique([*keys, _EVENT], keep="last", maintain_order=True)
    return labels.sort(time).join_asof(
        latest, left_on=time, right_on=_EVENT, by=list(keys) or None, strategy="backward", check_sortedness=False,
        coalesce=False,
    )  # fmt: skip


def _join_known(
    labels: pl.DataFrame, right: pl.DataFrame, keys: Sequence[str], time: str, columns: Sequence[str]
) -> pl.DataFrame:
    """The join with knowledge: walk along the instants at which rows became visible, keeping the best seen so far.

    A row is visible from the later of its event and created time. Sorted by that, the best row at t is the one with
    the greatest (event, created) among those visible by t: a running maximum per entity, found by an as-of join.
    """
    visible = pl.max_horizontal(_EVENT, _CREATED).alias(_VISIBLE)
    ordered = right.with_columns(visible).sort([*keys, _VISIBLE, _EVENT, _CREATED]).with_row_index("__row")
    position = ordered.select(*keys, "__row", _EVENT, _VISIBLE)
    # A row is best when no event seen before it is newer; later knowledge of the same event replaces earlier.
    running = pl.col(_EVENT).cum_max()
    best = pl.col("__row").cast(pl.Int64)
    is_best = pl.col(_EVENT) >= (running.over(list(keys)) if keys else running)
    carried = pl.when(is_best).then(best).forward_fill()
    steps = position.with_columns((carried.over(list(keys)) if keys else carried).alias("__best"))
    found = labels.sort(time).join_asof(
        steps.select(*keys, _VISIBLE, "__best").sort(_VISIBLE), left_on=time, right_on=_VISIBLE,
        by=list(keys) or None, strategy="backward", check_sortedness=False, coalesce=False,
    )  # fmt: skip
    values = ordered.select(pl.col("__row").cast(pl.Int64).alias("__best"), _EVENT, *columns)
    return found.join(values, on="__best", how="left", maintain_order="left")
