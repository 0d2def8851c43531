"""Verdicts on the rows of a batch: which may be used, and which are withheld, with the rules that each broke."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from feature_repo.catalog import CREATED_TIME, View
from feature_repo.raw_datasets import KNOWN_AT, find_dataset
from feature_repo.redenominations import NO_CHANGES, Units
from validation.row_rules import list_neighbour_rules, mark_feature_offences, mark_neighbours, mark_single_rows
from validation.sequence_rules import NO_CLOSES

BROKEN = "broken_rules"
"""Column of withheld rows with the names of the rules that they broke."""


@dataclass(frozen=True, slots=True)
class ReleasedRows:
    """Rows of one asset or pair that a person has declared right although they break `rules`; `at` is when."""

    entity: str
    rules: frozenset[str]
    rows: pl.DataFrame
    at: datetime


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Rows of a batch that may be used, and rows withheld with `broken_rules` (list of names); order is kept."""

    accepted: pl.DataFrame
    withheld: pl.DataFrame


def judge_raw_rows(
    rows: pl.DataFrame,
    dataset: str,
    now: datetime,
    *,
    closes_before: Mapping[str, float] = NO_CLOSES,
    units: Units = NO_CHANGES,
    released: Sequence[ReleasedRows] = (),
    marks: pl.DataFrame | None = None,
) -> Verdicts:
    """Withhold the rows that are wrong by themselves, then the rest's rows that do not fit their neighbours.

    `rows`: `asset` and the dataset's columns, of any number of instruments, an asset's rows in the order in which they
    came. Two steps, because one row of the wrong century would put all rows after it out of order. Rows that were
    released are not withheld for the rules they were released for. `closes_before` has per asset the last accepted
    close before its rows, in the newest of `units`. `marks` may be given where they are known already:
    `mark_offences` of the same rows.
    """
    if marks is not None and not _has_any(marks):
        return _accept(rows)
    kind = find_dataset(dataset)
    among = list_neighbour_rules(kind)
    own = mark_single_rows(kind, rows, now) if marks is None else marks.drop(among)
    first = _apply_rules(rows, own, released)
    if marks is None or first.withheld.height:
        left = mark_neighbours(kind, first.accepted, closes_before, units)
    else:  # all rows are left: they have the same neighbours
        left = marks.select(among)
    second = _apply_rules(first.accepted, left, released)
    return Verdicts(second.accepted, pl.concat([first.withheld, second.withheld]))


def judge_feature_rows(
    view: View,
    rows: pl.DataFrame,
    now: datetime,
    released: Sequence[ReleasedRows] = (),
    *,
    marks: pl.DataFrame | None = None,
) -> Verdicts:
    """Withhold the feature rows, of any number of entities, that break a rule of their view.

    `marks` may be given where they are known already: `mark_feature_offences` of the same rows.
    """
    return _apply_rules(rows, mark_feature_offences(view, rows, now) if marks is None else marks, released)


def list_value_columns(rows: pl.DataFrame) -> list[str]:
    """Return the columns that make a row what it is: all but when it became known."""
    return [name for name in rows.columns if name not in (KNOWN_AT, CREATED_TIME, BROKEN)]


def _apply_rules(rows: pl.DataFrame, marks: pl.DataFrame, released: Sequence[ReleasedRows]) -> Verdicts:
    if not _has_any(marks):
        return _accept(rows)
    suspect = marks.select(pl.any_horizontal(pl.all())).to_series()
    # Names are put together for these rows only: they are few.
    marked, left = rows.filter(suspect), marks.filter(suspect)
    for item in released:
        exempt = _find_released(marked, item)
        left = left.with_columns(left[name] & ~exempt for name in left.columns if name in item.rules)
    names = pl.concat_list(pl.when(pl.col(name)).then(pl.lit(name)) for name in left.columns).list.drop_nulls()
    broken = left.select(names.alias(BROKEN))[BROKEN]
    wrong = broken.list.len() > 0
    withheld = marked.with_columns(broken).filter(wrong)
    return Verdicts(rows.filter(~suspect.scatter(suspect.arg_true(), wrong)), withheld)


def _has_any(marks: pl.DataFrame) -> bool:
    return any(marks[name].any() for name in marks.columns)


def _accept(rows: pl.DataFrame) -> Verdicts:
    nothing = rows.clear()
    return Verdicts(rows, nothing.insert_column(nothing.width, pl.Series(BROKEN, [], dtype=pl.List(pl.String))))


def _find_released(rows: pl.DataFrame, item: ReleasedRows) -> pl.Series:
    """Return which of `rows` are those of the item, whenever they became known."""
    known = item.rows
    if "asset" in rows.columns and "asset" not in known.columns:  # raw rows are kept as they came, without their name
        known = known.with_columns(pl.lit(item.entity).alias("asset"))
    on = [name for name in list_value_columns(rows) if name in known.columns]
    places = rows.select(on).with_row_index("_row")
    hits = places.join(known.select(on).unique(), on=on, how="semi", nulls_equal=True)["_row"]
    return places["_row"].is_in(hits.implode())
