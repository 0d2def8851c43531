"""Which rows break which rule: the one definition behind the counts of a profile and the rows that quarantine shows.

An offence is a boolean per row; null (what it looks at is missing) is no offence, as a missing value is one of its own.
Each fault is one offence: comparisons look at finite numbers only, because what is not finite is told by
`nonfinite_values`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta

import polars as pl

from feature_repo.catalog import CREATED_TIME, EVENT_TIME, VIEWS, View
from pairity.errors import UnknownNameError
from pairity.timeline import HOUR, MINUTE

BAR_OF: Mapping[str, timedelta] = {"candles_1m": MINUTE, "candles_1h": HOUR}
MAX_FUNDING = 0.05
MAX_ABS_LOG_RETURN = 1.5
"""Between two closes; recorded markets reach 0.13 within a minute and 0.85 within an hour."""

_PRICES = ("open", "high", "low", "close")
_KNOWN = "known_at"


def candle_offences(bar: timedelta, now: datetime) -> dict[str, pl.Expr]:
    """Per rule, which candles break it; the frame in the order in which it came, `now` the venue's time."""
    open_time, high, low = pl.col("open_time"), pl.col("high"), pl.col("low")
    numbers = (*_PRICES, "volume")
    return {
        "null_values": _any_null(*numbers, "open_time", _KNOWN),
        "nonfinite_values": pl.any_horizontal(~pl.col(name).is_finite() for name in (*numbers, "volume_quote")),
        **_repetitions("open_time"),
        "non_monotone_times": open_time.diff() < timedelta(0),
        "misaligned_times": open_time.dt.truncate(bar) != open_time,
        "future_times": open_time + bar > now,
        "known_too_early": pl.col(_KNOWN) < open_time + bar,
        "nonpositive_prices": pl.any_horizontal(_finite(name) & (pl.col(name) <= 0) for name in _PRICES),
        "negative_volumes": pl.any_horizontal(
            _finite(name) & (pl.col(name) < 0) for name in ("volume", "volume_quote")
        ),
        "high_low_violations": pl.all_horizontal(pl.col(name).is_finite().fill_null(True) for name in _PRICES)
        & ((high < pl.max_horizontal("open", "close", "low")) | (low > pl.min_horizontal("open", "close", "high"))),
    }


def funding_offences(now: datetime) -> dict[str, pl.Expr]:
    """Per rule, which settlements break it; the frame in the order in which it came."""
    rate, time = pl.col("funding_rate"), pl.col("funding_time")
    return {
        "null_values": _any_null("funding_rate", "funding_time", _KNOWN),
        "nonfinite_values": ~rate.is_finite(),
        **_repetitions("funding_time"),
        "non_monotone_times": time.diff() < timedelta(0),
        "misaligned_times": time.dt.truncate(MINUTE) != time,
        "future_times": time > now,
        "known_too_early": pl.col(_KNOWN) < time,
        "rates_out_of_bounds": rate.is_finite() & (rate.abs() > MAX_FUNDING),
    }


def view_offences(view: View, now: datetime) -> dict[str, pl.Expr]:
    """Per rule, which feature rows of one entity break it."""
    floats = [feature.name for feature in view.features if feature.dtype == "float64"]
    rules = {
        "null_times": _any_null(EVENT_TIME, CREATED_TIME),
        "duplicate_keys": pl.col(EVENT_TIME).is_duplicated(),
        "known_before_event": pl.col(CREATED_TIME) < pl.col(EVENT_TIME),
        "future_times": pl.col(EVENT_TIME) > now,
        "nonfinite_values": pl.any_horizontal(~pl.col(name).is_finite() for name in floats),
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


def log_return(close_before: float | None = None) -> pl.Expr:
    """ln(close) − ln(close before) per candle of a frame in time order; null where either is no positive number.

    `close_before` (positive) stands before the first candle; None: it has no return. The difference of logarithms, as
    the quotient of extreme prices is 0 or infinite.
    """
    usable = _finite("close") & (pl.col("close") > 0)
    logarithm = pl.when(usable).then(pl.col("close")).log()
    return logarithm - logarithm.shift(1, fill_value=None if close_before is None else math.log(close_before))


def offending_rows(rows: pl.DataFrame, dataset: str, rule: str, now: datetime) -> pl.DataFrame:
    """The rows of one partition (raw dataset) or one entity (feature view) that break `rule`.

    UnknownNameError for a dataset that does not exist and for rules that no single row breaks (see `row_rules`).
    """
    rules = row_rules(dataset, now)
    if rule not in rules:
        raise UnknownNameError(f"rule on single rows of {dataset}", rule, rules)
    ordered = rows.sort("open_time", _KNOWN, maintain_order=True) if rule == "price_jump" else rows
    return ordered.filter(rules[rule])


def row_rules(dataset: str, now: datetime) -> dict[str, pl.Expr]:
    """The offences of a raw dataset or a feature view by rule (`price_jump` supposes time order)."""
    if dataset in BAR_OF:
        return {**candle_offences(BAR_OF[dataset], now), "price_jump": log_return().abs() > MAX_ABS_LOG_RETURN}
    if dataset == "funding":
        return funding_offences(now)
    if dataset in VIEWS:
        return view_offences(VIEWS[dataset], now)
    raise UnknownNameError("dataset", dataset, (*BAR_OF, "funding", *VIEWS))


def time_column(dataset: str) -> str:
    """The column that places a row of a raw dataset or a feature view in time."""
    if dataset in BAR_OF:
        return "open_time"
    return "funding_time" if dataset == "funding" else EVENT_TIME


def _repetitions(time: str) -> dict[str, pl.Expr]:
    """Rows that share their instant and knowledge time with another: with equal values, or contradicting it."""
    key, row = pl.struct(time, _KNOWN).is_duplicated(), pl.struct(pl.all()).is_duplicated()
    return {"duplicate_times": key & row, "conflicting_duplicates": key & ~row}


def _finite(name: str) -> pl.Expr:
    return pl.col(name).is_finite()


def _any_null(*names: str) -> pl.Expr:
    return pl.any_horizontal(pl.col(name).is_null() for name in names)
