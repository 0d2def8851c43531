"""Rules of the raw datasets."""

from __future__ import annotations

from validation.offences import MAX_ABS_LOG_RETURN
from validation.rules import Rule, none_of, unmeasured

_TIMES = (
    unmeasured(),
    none_of("null_values", "a price, volume, rate or time is missing"),
    none_of("nonfinite_values", "a number is NaN or infinite"),
    none_of("duplicate_times", "the same row more than once"),
    none_of("conflicting_duplicates", "different rows for the same instant, known at the same time"),
    none_of("non_monotone_times", "rows are not in time order"),
    none_of("misaligned_times", "a time does not lie on the grid"),
    none_of("future_times", "a bar that had not closed, or a settlement that had not happened"),
    none_of("known_too_early", "known before it could be known"),
)
CANDLE_RULES = (
    Rule("rows", "rows", "a partition without rows", lower=1.0),
    *_TIMES,
    none_of("nonpositive_prices", "a price of zero or less"),
    none_of("negative_volumes", "a volume below zero"),
    none_of("high_low_violations", "high below, or low above, another price of the bar"),
    Rule("price_jump", "max_abs_log_return", "a close beyond 4.5 times, or 1/4.5 of, the one before",
         upper=MAX_ABS_LOG_RETURN),
    none_of("missing_rows", "bars that the venue did not give", critical=False),
    Rule("stale_run", "longest_stale_run", "the same bar over and over", upper=60.0, critical=False),
)  # fmt: skip
FUNDING_RULES = (
    Rule("rows", "rows", "a partition without rows", lower=1.0),
    *_TIMES,
    none_of("rates_out_of_bounds", "a rate beyond ±5 % per interval"),
    none_of("irregular_intervals", "settlements that are not whole hours apart", critical=False),
)
