"""The point-in-time join, on frames: for each label the newest feature row that was known then.

For a label at t: among the entity's rows with event time ≤ t (and created time ≤ t, where knowledge counts) the newest
event time wins, then the newest created time, then the row that is stored last. The winner is shown only if it is not
older than the TTL (t − event time ≤ TTL); otherwise, and where there is none, the features are null. Labels are never
dropped, duplicated or reordered. A null entity key matches nothing.

The join itself runs over keys and times alone; feature values are read afterwards, for the rows that were matched.
Memory is thus a few narrow columns per stored row plus the result, not the width of the view.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import polars as pl

_LABEL = "__label"
_TIME = "__time"
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
    rows' times, UTC microseconds like `time`. `ttl` None or zero is unlimited. `known_only` hides rows whose created
    time is after the label, or null. `features` is read twice and must not change in between.
    """
    internal = [f"__key{index}" for index in range(len(keys))]
    rows = features.select(
        *(pl.col(key).alias(name) for key, name in zip(keys, internal, strict=True)),
        pl.col(event).alias(_EVENT),
        pl.col(created or event).alias(_CREATED),
        *columns,
    )
    if labels.height == 0:
        return labels.hstack(rows.select(columns).head(0).collect())
    types = rows.select(internal).collect_schema()
    asked = labels.select(
        *(pl.col(key).cast(types[name]).alias(name) for key, name in zip(keys, internal, strict=True)),
        pl.col(time).alias(_TIME),
    ).with_row_index(_LABEL)
    seen = rows.filter(_reachable(asked[_TIME], ttl))
    matched = _match(asked, _versions(seen, asked, internal, known_only and created is not None), internal)
    if ttl:
        matched = matched.filter(pl.col(_TIME) - pl.col(_EVENT) <= ttl)
    values = _values(seen, matched, [*internal, _EVENT, _CREATED])
    found = matched.join(values, on=[*internal, _EVENT, _CREATED], how="left", nulls_equal=True)
    shown = asked.select(_LABEL).join(found.select(_LABEL, *columns), on=_LABEL, how="left", maintain_order="left")
    return labels.hstack(shown.select(columns))


def _reachable(times: pl.Series, ttl: timedelta | None) -> pl.Expr:
    """Event times that some label could see; older ones than any TTL reaches need not be read."""
    visible = pl.col(_EVENT) <= times.max()
    return visible & (pl.col(_EVENT) >= times.min() - ttl) if ttl else visible  # type: ignore[operator]


def _versions(rows: pl.LazyFrame, asked: pl.DataFrame, keys: Sequence[str], known_only: bool) -> pl.DataFrame:
    """(keys, visible from, event, created) of the stored rows of the asked entities, in the order of visibility."""
    narrow = rows.select(*keys, _EVENT, _CREATED)
    if keys:
        narrow = narrow.drop_nulls(list(keys)).join(asked.lazy().select(keys).unique(), on=list(keys), how="semi")
    visible = pl.max_horizontal(_EVENT, _CREATED) if known_only else pl.col(_EVENT)
    if known_only:
        narrow = narrow.drop_nulls(_CREATED)
    return narrow.with_columns(visible.alias(_VISIBLE)).sort(*keys, _VISIBLE, _EVENT, _CREATED).collect()


def _match(asked: pl.DataFrame, versions: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """The version (event, created) that each label sees; labels that see none are left out.

    Walking along the instants at which rows became visible, the best row so far is the one with the greatest event
    time, the newest version of it: a running maximum per entity. What a label sees is the best row at its time, found
    by one sort-merge as-of join.
    """
    running = pl.col(_EVENT).cum_max()
    best = pl.col(_EVENT) >= (running.over(list(keys)) if keys else running)
    # A row that is not best when it appears (a late row of an older bar) never becomes so: the maximum only grows.
    steps = versions.filter(best).unique([*keys, _VISIBLE], keep="last", maintain_order=True).sort(_VISIBLE)
    matched = asked.sort(_TIME).join_asof(
        steps, left_on=_TIME, right_on=_VISIBLE, by=list(keys) or None, strategy="backward", check_sortedness=False
    )
    return matched.filter(pl.col(_EVENT).is_not_null())


def _values(rows: pl.LazyFrame, matched: pl.DataFrame, version: Sequence[str]) -> pl.DataFrame:
    """The features of the matched versions, one row each; of exact duplicates the one stored last."""
    needed = matched.lazy().select(version).unique()
    kept = rows.join(needed, on=list(version), how="semi", nulls_equal=True, maintain_order="left")
    found = kept.collect(engine="streaming")  # all other rows pass through without being held
    return found.unique(list(version), keep="last", maintain_order=True)
