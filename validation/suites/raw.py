"""Rules of the raw datasets, derived from their declarations."""

from __future__ import annotations

from collections.abc import Mapping

from feature_repo.raw_datasets import CANDLES, DATASETS, RawDataset
from validation.row_rules import list_row_rules
from validation.rules import Rule, require_measured, require_none
from validation.sequence_rules import STALE_BARS

_MEANINGS: Mapping[str, str] = {
    "null_values": "a price, volume, rate or time is missing",
    "nonfinite_values": "a number is NaN or infinite",
    "duplicate_times": "the same row more than once",
    "conflicting_duplicates": "different rows for the same instant, known at the same time",
    "non_monotone_times": "rows that came after a later one: not in time order",
    "misaligned_times": "a time does not lie on the grid",
    "future_times": "a bar that had not closed, or an instant that had not come",
    "known_too_early": "known before it could be known",
    "nonpositive_prices": "a price of zero or less",
    "negative_volumes": "an amount below zero",
    "high_low_violations": "high below, or low above, another price of the bar",
    "impossible_ranges": "a mark or index price that moves beyond 4.5 times within one bar",
    "crossed_books": "the best bid above the best ask",
    "rates_out_of_bounds": "a rate beyond ±5% per interval",
    "price_jump": "rows whose close is beyond 4.5 times, or below 1/4.5 of, the last accepted one (after a "
    "hole: about a power of ten away from it, as after a redenomination)",
    "stale_bars": f"the same bar with the same volume {STALE_BARS} times in a row or more, from its second bar on",
}


def list_raw_rules(dataset: RawDataset) -> tuple[Rule, ...]:
    """Return the rules that withhold rows (`list_row_rules`, or all rows of a partition), then those only reported."""
    reported = []
    if dataset.every is not None:
        reported.append(require_none("missing_rows", "bars that the venue did not give", critical=False))
    if dataset.name in CANDLES:
        reported.append(
            Rule(
                name="stale_run",
                column="longest_stale_run",
                meaning="the same bar over and over: nothing traded, an outage",
                upper=60.0,
                critical=False,
            )
        )
    if dataset.name == "funding":
        reported.append(
            require_none("irregular_intervals", "settlements that are not whole hours apart", critical=False)
        )
    stopping = (require_none(name, _MEANINGS[name]) for name in list_row_rules(dataset.name))
    return (
        Rule(name="rows", column="rows", meaning="a partition without rows", lower=1.0),
        require_measured(),
        *stopping,
        *reported,
    )


RAW_RULES: Mapping[str, tuple[Rule, ...]] = {name: list_raw_rules(dataset) for name, dataset in DATASETS.items()}
