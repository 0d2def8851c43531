"""Verdicts on the rows of a batch: which may be used, and which are withheld, with the rules that each broke."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from feature_repo.catalog import CREATED_TIME, View
from feature_repo.raw_datasets import KNOWN_AT
from validation.row_rules import list_single_row_rules, mark_feature_offences, mark_offences

BROKEN = "broken_rules"
"""Column of withheld rows with the names of the rules that they broke."""


@dataclass(frozen=True, slots=True)
class ReleasedRows:
    """Rows that a person has declared right although they break `rules`; `at` is when that was."""

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
    close_before: float | None = None,
    released: Sequence[ReleasedRows] = (),
) -> Verdicts:
    """Withhold the rows that are wrong by themselves, then the rest's rows that do not fit their neighbours.

    Two steps, because one row of the wrong century would put all rows after it out of order. Rows that were released
    are not withheld for the rules they were released for. `close_before` is the last accepted close before the batch.
    """
    first = _apply_rules(rows, mark_offences(rows, dataset, now).select(list_single_row_rules(dataset)), released)
    left = first.accepted
    among = mark_offences(left, dataset, now, close_before=close_before).drop(list_single_row_rules(dataset))
    second = _apply_rules(left, among, released)
    return Verdicts(second.accepted, pl.concat([first.withheld, second.withheld]))


def judge_feature_rows(
    view: View, rows: pl.DataFrame, now: datetime, released: Sequence[ReleasedRows] = ()
) -> Verdicts:
    """Withhold the feature rows that break a rule of their view."""
    return _apply_rules(rows, mark_feature_offences(view, rows, now), released)


def list_value_columns(rows: pl.DataFrame) -> list[str]:
    """Return the columns that make a row what it is: all but when it became known."""
    return [name for name in rows.columns if name not in (KNOWN_AT, CREATED_TIME, BROKEN)]


def _apply_rules(rows: pl.DataFrame, marks: pl.DataFrame, released: Sequence[ReleasedRows]) -> Verdicts:
    if not rows.height or not any(marks[name].any() for name in marks.columns):
        return Verdicts(rows, rows.clear().with_columns(pl.lit(None, pl.List(pl.String)).alias(BROKEN)))
    for item in released:
        exempt = pl.Series(_same_rows(rows, item.rows))
        marks = marks.with_columns(marks[name] & ~exempt for name in marks.columns if name in item.rules)
    names = pl.concat_list(pl.when(pl.col(name)).then(pl.lit(name)) for name in marks.columns).list.drop_nulls()
    broken = marks.select(names.alias(BROKEN))[BROKEN]
    wrong = broken.list.len() > 0
    return Verdicts(rows.filter(~wrong), rows.with_columns(broken).filter(wrong))


def _same_rows(rows: pl.DataFrame, known: pl.DataFrame) -> list[bool]:
    on = [name for name in list_value_columns(rows) if name in known.columns]
    marked = rows.select(on).with_row_index("_row")
    hits = set(marked.join(known.select(on).unique(), on=on, how="semi", nulls_equal=True)["_row"].to_list())
    return [place in hits for place in range(rows.height)]
