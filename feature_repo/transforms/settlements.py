"""Settled funding with the interval that each rate is of: what rates of different intervals are compared by.

Formulas: docs/formulas.md, Hourly bars and asset features.
"""

from __future__ import annotations

import polars as pl

from feature_repo.knowledge_time import inputs_known_at
from feature_repo.transforms.division import divide

INTERVALS_H = (1, 2, 3, 4, 6, 8)
"""Hours between settlements that venues use. Another distance is a hole: the interval of the rate is not known then."""
MISSED_SETTLEMENTS = 3
"""Intervals after which a rate is not in force any more: that many settlements are missing."""


def with_gaps(funding: pl.LazyFrame) -> pl.LazyFrame:
    """Add `gap_h` to settlements (asset, funding_time, …): hours since the asset's settlement before, withheld or not.

    Null for the first one. Sorted by asset and time.
    """
    hours = divide(pl.col("funding_time").diff().over("asset").dt.total_seconds(), 3600.0)
    return funding.sort("asset", "funding_time").with_columns(hours.alias("gap_h"))


def with_intervals(funding: pl.LazyFrame) -> pl.LazyFrame:
    """Add `funding_interval_h`, and let `known_at` be when all settlements that make it were known.

    `funding`: asset, funding_time, funding_rate (null where it is withheld), known_at. The interval is the hours since
    the settlement before: a venue that changes it from 8 h to 4 h shows so with the first settlement after 4 h. Hours
    that are more than those of one of the two settlements before may be a row that is missing, and are an interval only
    once they come twice in a row. Null for the first settlement, for a withheld rate, where the hours are none of
    `INTERVALS_H`, and while they may be a missing row.
    """
    gap = pl.col("gap_h")
    earlier = [gap.shift(back).over("asset") for back in (1, 2)]
    sure = ((gap <= pl.min_horizontal(earlier)) | (gap == earlier[0])).fill_null(True)
    usual = gap.is_in([float(hours) for hours in INTERVALS_H]) & pl.col("funding_rate").is_not_null() & sure
    interval = pl.when(usual).then("gap_h").alias("funding_interval_h")
    # What is withheld is known when it is; the settlements before it are waited for only where they make the interval.
    before = inputs_known_at(*(pl.col("known_at").shift(back).over("asset") for back in (1, 2, 3)))
    waited = pl.when(usual).then(before)
    known = inputs_known_at("known_at", waited)
    return with_gaps(funding).with_columns(interval, known.alias("known_at")).drop("gap_h")


def rate_per_hour(suffix: str = "") -> pl.Expr:
    """Return funding_rate / funding_interval_h, fraction per hour; null where either is. `suffix` names a leg."""
    return pl.col(f"funding_rate{suffix}") / pl.col(f"funding_interval_h{suffix}")
