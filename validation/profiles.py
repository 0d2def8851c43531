"""One small row of numbers per partition: what Great Expectations judges instead of millions of raw rows.

Every profile has `key` (the partition), `rows`, and the columns that the suite of its dataset names. Counting is exact;
nothing is sampled.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from feature_repo.catalog import CREATED_TIME, EVENT_TIME, View
from pairity.timeline import HOUR, MINUTE

BAR_OF = {"candles_1m": MINUTE, "candles_1h": HOUR}
MAX_FUNDING = 0.05
_PRICES = ("open", "high", "low", "close")


def profile_candles(rows: pl.DataFrame, dataset: str, key: str, now: datetime) -> pl.DataFrame:
    """Profile of candles (`candles_1m`, `candles_1h`) in the order in which they came; `now` is the venue's time."""
    bar = BAR_OF[dataset]
    close_time = pl.col("open_time") + bar
    offences = {name: expression.sum() for name, expression in candle_offences(bar, now).items()}
    ordered = rows.sort("open_time")
    stale = pl.concat_str([pl.col(name).cast(pl.String) for name in (*_PRICES, "volume")], separator="|").rle_id()
    profile = ordered.select(
        rows=pl.len(),
        first=pl.col("open_time").min(),
        last=close_time.max(),
        missing_rows=_expected_rows("open_time", bar) - pl.col("open_time").n_unique().cast(pl.Int64),
        max_abs_log_return=(pl.col("close") / pl.col("close").shift(1)).log().abs().max().fill_null(0.0).fill_nan(0.0),
        longest_stale_run=stale.value_counts().struct.field("count").max(),
        duplicate_times=pl.struct("open_time", "known_at").is_duplicated().sum(),
    )
    return _finished(pl.concat([profile, rows.select(**offences)], how="horizontal"), key)


def candle_offences(bar: timedelta, now: datetime) -> dict[str, pl.Expr]:
    """Per rule, which rows break it (rules on single rows only; the frame in the order in which it came)."""
    high, low = pl.col("high"), pl.col("low")
    numbers = [pl.col(name) for name in (*_PRICES, "volume")]
    return {
        "null_values": pl.any_horizontal(*(column.is_null() for column in (*numbers, pl.col("open_time"))),
                                         pl.col("known_at").is_null()),
        "nonfinite_values": pl.any_horizontal(~column.is_finite() for column in (*numbers, pl.col("volume_quote"))),
        "non_monotone_times": pl.col("open_time").diff() < timedelta(0),
        "misaligned_times": pl.col("open_time").dt.truncate(bar) != pl.col("open_time"),
        "future_times": pl.col("open_time") + bar > now,
        "known_too_early": pl.col("known_at") < pl.col("open_time") + bar,
        "nonpositive_prices": pl.any_horizontal(pl.col(name) <= 0 for name in _PRICES),
        "negative_volumes": (pl.col("volume") < 0) | (pl.col("volume_quote") < 0),
        "high_low_violations": (high < pl.max_horizontal("open", "close", "low"))
        | (low > pl.min_horizontal("open", "close", "high")),
    }  # fmt: skip


def profile_funding(rows: pl.DataFrame, key: str, now: datetime) -> pl.DataFrame:
    """Profile of funding settlements in the order in which they came."""
    offences = {name: expression.sum() for name, expression in funding_offences(now).items()}
    times = pl.col("funding_time").sort()
    profile = rows.select(
        rows=pl.len(),
        first=pl.col("funding_time").min(),
        last=pl.col("funding_time").max(),
        duplicate_times=pl.struct("funding_time", "known_at").is_duplicated().sum(),
        irregular_intervals=(times.diff().dt.total_microseconds() % HOUR.total_seconds() != 0).sum(),
        **offences,
    )
    return _finished(profile, key)


def funding_offences(now: datetime) -> dict[str, pl.Expr]:
    """Per rule, which settlements break it."""
    rate, time = pl.col("funding_rate"), pl.col("funding_time")
    return {
        "null_values": pl.any_horizontal(rate.is_null(), time.is_null(), pl.col("known_at").is_null()),
        "nonfinite_values": ~rate.is_finite(),
        "non_monotone_times": time.diff() < timedelta(0),
        "misaligned_times": time.dt.truncate(MINUTE) != time,
        "future_times": time > now,
        "known_too_early": pl.col("known_at") < time,
        "rates_out_of_bounds": rate.abs() > MAX_FUNDING,
    }


def profile_view(view: View, rows: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """One profile row per entity of a feature view; `key` is the entity."""
    columns = {
        "rows": pl.len(),
        "first": pl.col(EVENT_TIME).min(),
        "last": pl.col(EVENT_TIME).max(),
        "duplicate_keys": pl.col(EVENT_TIME).is_duplicated().sum(),
        **{name: expression.sum() for name, expression in view_offences(view, now).items()},
        **{f"null_share__{feature.name}": pl.col(feature.name).is_null().mean() for feature in view.features},
    }
    profile = rows.group_by(pl.col(view.entity).alias("key"), maintain_order=True).agg(**columns)
    return profile.sort("key")


def view_offences(view: View, now: datetime) -> dict[str, pl.Expr]:
    """Per rule, which feature rows break it."""
    floats = [pl.col(feature.name) for feature in view.features if feature.dtype == "float64"]
    rules = {
        "known_before_event": pl.col(CREATED_TIME) < pl.col(EVENT_TIME),
        "future_times": pl.col(EVENT_TIME) > now,
        "nonfinite_values": pl.any_horizontal(~column.is_finite() for column in floats).fill_null(False),
    }
    for feature in view.features:
        value, outside = pl.col(feature.name), pl.lit(False)
        if feature.lower is not None:
            outside = outside | (value < feature.lower)
        if feature.upper is not None:
            outside = outside | (value > feature.upper)
        if feature.lower is not None or feature.upper is not None:
            rules[f"out_of_bounds__{feature.name}"] = outside
        if feature.nulls == "never null":
            rules[f"nulls__{feature.name}"] = value.is_null()
    return rules


def _expected_rows(time: str, step: timedelta) -> pl.Expr:
    span = pl.col(time).max() - pl.col(time).min()
    return span.dt.total_microseconds() // (step // timedelta(microseconds=1)) + 1


def _finished(profile: pl.DataFrame, key: str) -> pl.DataFrame:
    """`key` first; counts that nothing could be counted for are zero, extremes stay as they are."""
    counts = [pl.col(name).fill_null(0) for name, dtype in profile.schema.items() if dtype.is_integer()]
    return profile.with_columns(counts).select(pl.lit(key).alias("key"), pl.all())
