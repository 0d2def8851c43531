"""Which rows break which rule: the one definition behind the counts of a profile and the rows that are withheld.

An offence is a boolean per row. A null (a value that the rule looks at is missing) is no offence: a missing value is an
offence of its own. Each fault counts once: comparisons look at finite numbers only, because `nonfinite_values` reports
the others. The rules of a raw dataset follow from its declaration: its grid and its columns.

A frame of raw rows holds any number of instruments: `asset` (short name) and the dataset's columns, the rows of an
asset in the order in which they came. The number of calls does not depend on the number of instruments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import polars as pl

from feature_repo.catalog import CREATED_TIME, EVENT_TIME, VIEWS, View
from feature_repo.raw_datasets import DATASETS, KNOWN_AT, RawDataset, instant
from feature_repo.redenominations import NO_CHANGES, Units
from pairity.errors import UnknownNameError
from pairity.timeline import MINUTE
from validation.sequence_rules import (
    MAX_ABS_LOG_RETURN,
    NO_CLOSES,
    build_out_of_order,
    keep_newest,
    mark_price_jumps,
    mark_stale_bars,
)

BAR = ("open", "high", "low", "close")
PRICES = (*BAR, "bid_price", "ask_price")
NONNEGATIVE = (
    "volume",
    "volume_quote",
    "trade_count",
    "taker_buy_volume",
    "buy_volume",
    "sell_volume",
    "open_interest",
    "open_interest_usd",
    "bid_size",
    "ask_size",
    "bid_size_20",
    "ask_size_20",
    "long_notional",
    "short_notional",
    "inflow",
)
MAX_FUNDING = 0.05
"""Largest funding rate per interval that can be right, either sign (docs/formulas.md, Sources)."""
# For names of rules only: no row is read, so no instant lies in the future of this one.
_EVER = datetime.max.replace(tzinfo=UTC)


def infer_grid(dataset: RawDataset) -> timedelta | None:
    """Return the grid on which the instants of a raw dataset lie; None where they have none."""
    return dataset.every or dataset.known_after or (MINUTE if dataset.name == "funding" else None)


def build_own_rules(dataset: RawDataset, now: datetime, columns: Iterable[str]) -> dict[str, pl.Expr]:
    """Return per rule on single rows which rows of a frame with `columns` break it; `now` is the venue's time."""
    present = tuple(name for name in dataset.values if name in set(columns))
    # The other expressions are the same at every verdict, and there are hundreds of them.
    return _build_timeless_rules(dataset, present) | {
        "future_times": pl.col(dataset.time) + dataset.known_after > instant(now),
    }


@lru_cache(maxsize=64)
def _build_timeless_rules(dataset: RawDataset, present: tuple[str, ...]) -> dict[str, pl.Expr]:
    """Return all rules on single rows; `future_times` only holds its place."""
    time, known = pl.col(dataset.time), pl.col(KNOWN_AT)
    required = [name for name in present if name not in dataset.nullable]
    missing = _any(pl.col(name).is_null() for name in (*required, dataset.time, KNOWN_AT))
    if present and not required:
        missing |= pl.all_horizontal(pl.col(name).is_null() for name in present)
    rules = {
        "null_values": missing,
        "nonfinite_values": _any(~pl.col(name).is_finite() for name in present),
        **_build_repetition_rules(dataset.time),
        "future_times": pl.lit(False),
        "known_too_early": known < time + dataset.known_after,
    }
    grid = infer_grid(dataset)
    if "close" in present and "volume" not in dataset.values:  # a traded wick may be real, a mark price has none
        wide = pl.col("high").log() - pl.col("low").log() > MAX_ABS_LOG_RETURN
        rules["impossible_ranges"] = pl.all_horizontal(_finite(name) & (pl.col(name) > 0) for name in BAR) & wide
    if grid is not None:
        rules["misaligned_times"] = time.dt.truncate(grid) != time
    return rules | _build_value_rules(present)


def _build_value_rules(present: Sequence[str]) -> dict[str, pl.Expr]:
    rules = {}
    if prices := [name for name in present if name in PRICES]:
        rules["nonpositive_prices"] = _any(_finite(name) & (pl.col(name) <= 0) for name in prices)
    if amounts := [name for name in present if name in NONNEGATIVE]:
        rules["negative_volumes"] = _any(_finite(name) & (pl.col(name) < 0) for name in amounts)
    if "high" in present:
        finite = pl.all_horizontal(pl.col(name).is_finite().fill_null(True) for name in BAR)
        high, low = pl.col("high"), pl.col("low")
        rules["high_low_violations"] = finite & (
            (high < pl.max_horizontal("open", "close", "low")) | (low > pl.min_horizontal("open", "close", "high"))
        )
    if "ask_price" in present:
        rules["crossed_books"] = (
            _finite("bid_price") & _finite("ask_price") & (pl.col("bid_price") > pl.col("ask_price"))
        )
    if "funding_rate" in present:
        rules["rates_out_of_bounds"] = _finite("funding_rate") & (pl.col("funding_rate").abs() > MAX_FUNDING)
    return rules


def mark_neighbours(
    dataset: RawDataset,
    rows: pl.DataFrame,
    closes_before: Mapping[str, float] = NO_CLOSES,
    units: Units = NO_CHANGES,
) -> pl.DataFrame:
    """Return one boolean column per rule on a row among its neighbours, one line per row.

    `closes_before` has per asset the last close that was accepted before its first row, in the newest of `units`.
    """
    marked = rows.select(build_out_of_order(dataset.time).fill_null(False).alias("non_monotone_times"))
    rules = list_neighbour_rules(dataset)
    if len(rules) == 1:
        return marked
    newest = keep_newest(rows, dataset.time)
    marks = [mark_price_jumps(rows, newest, dataset, closes_before, units)]
    if "stale_bars" in rules:
        marks.append(mark_stale_bars(rows, newest, dataset.time))
    return marked.with_columns(marks)


def list_neighbour_rules(dataset: RawDataset) -> tuple[str, ...]:
    """Return the rules on a row among its neighbours."""
    rules = ["non_monotone_times"]
    if "close" in dataset.values:
        rules.append("price_jump")
        if "volume" in dataset.values and dataset.every is not None:
            rules.append("stale_bars")
    return tuple(rules)


def mark_single_rows(dataset: RawDataset, rows: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Return one boolean column per rule on a row by itself, one line per row."""
    own = build_own_rules(dataset, now, rows.columns)
    return rows.select(**{rule: broken.fill_null(False) for rule, broken in own.items()})


def mark_offences(
    rows: pl.DataFrame,
    name: str,
    now: datetime,
    *,
    closes_before: Mapping[str, float] = NO_CLOSES,
    units: Units = NO_CHANGES,
) -> pl.DataFrame:
    """Return one boolean column per rule, one line per row of a raw dataset (`rows` in the order of arrival)."""
    dataset = _find_raw(name)
    marks = mark_single_rows(dataset, rows, now), mark_neighbours(dataset, rows, closes_before, units)
    return pl.concat(marks, how="horizontal")


def build_view_offences(view: View, now: datetime) -> dict[str, pl.Expr]:
    """Return per rule which feature rows, of any number of entities, break it; `now` is the venue's time."""
    # The other expressions are the same at every verdict, and there are hundreds of them.
    return _build_timeless_offences(view) | {"future_times": pl.col(EVENT_TIME) > instant(now)}


@lru_cache(maxsize=64)
def _build_timeless_offences(view: View) -> dict[str, pl.Expr]:
    """Return all rules on feature rows; `future_times` only holds its place."""
    floats = [feature.name for feature in view.features if feature.dtype == "float64"]
    rules = {
        "null_times": _any(pl.col(name).is_null() for name in (EVENT_TIME, CREATED_TIME)),
        "duplicate_keys": pl.struct(view.entity, EVENT_TIME).is_duplicated(),
        "known_before_event": pl.col(CREATED_TIME) < pl.col(EVENT_TIME),
        "future_times": pl.lit(False),
        "nonfinite_values": _any(~pl.col(name).is_finite() for name in floats) if floats else pl.lit(False),
    }
    for feature in view.features:
        value, outside = pl.col(feature.name), pl.lit(False)
        if feature.lower is not None:
            outside = outside | (value < feature.lower)
        if feature.upper is not None:
            outside = outside | (value > feature.upper)
        if feature.lower is not None or feature.upper is not None:
            rules[f"out_of_bounds__{feature.name}"] = value.is_finite() & outside
        if feature.nulls == "never null":
            rules[f"nulls__{feature.name}"] = value.is_null()
    return rules


def mark_feature_offences(view: View, rows: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Return one boolean column per rule, one line per feature row of any number of entities."""
    rules = build_view_offences(view, now)
    return rows.select(**{name: broken.fill_null(False) for name, broken in rules.items()})


@lru_cache(maxsize=64)
def list_row_rules(name: str) -> tuple[str, ...]:
    """Return the names of the rules of a raw dataset or feature view that say which rows break them."""
    if name in VIEWS:
        return tuple(build_view_offences(VIEWS[name], _EVER))
    dataset = _find_raw(name)
    return (*build_own_rules(dataset, _EVER, dataset.schema), *list_neighbour_rules(dataset))


def find_time_column(name: str) -> str:
    """Return the name of the time column of a raw dataset or a feature view."""
    return EVENT_TIME if name in VIEWS else _find_raw(name).time


def _find_raw(name: str) -> RawDataset:
    if name not in DATASETS:
        raise UnknownNameError("dataset", name, (*DATASETS, *VIEWS))
    return DATASETS[name]


def _build_repetition_rules(time: str) -> Mapping[str, pl.Expr]:
    """Return rows that share instant and knowledge time with another: those with equal values, and those without."""
    key, row = pl.struct("asset", time, KNOWN_AT).is_duplicated(), pl.struct(pl.all()).is_duplicated()
    return {"duplicate_times": key & row, "conflicting_duplicates": key & ~row}


def _finite(name: str) -> pl.Expr:
    return pl.col(name).is_finite()


def _any(conditions: Iterable[pl.Expr]) -> pl.Expr:
    return pl.any_horizontal(*conditions)
