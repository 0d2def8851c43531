"""Evaluation of a daily cross-sectional ranking: rank correlation, returns by rank, turnover, costs.

Source: docs/formulas.md, Evaluation of a ranking.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

import numpy as np
import polars as pl

from training.evaluation.metrics import average_by_place

_BUCKETS = 10
_BPS = 1e-4
_LEAST = 3


@dataclass(frozen=True, slots=True)
class RankingReport:
    """Means over days, returns as fractions; None where too few days (2) or assets a day (3) allow no statement."""

    days: int
    rank_ic: float | None
    """Mean of the days' Spearman correlations of signal and forward return."""
    rank_ic_t: float | None
    """Mean over standard error; days are taken as independent."""
    top_return: float | None
    """Mean forward return of the sheet, equally weighted, per day."""
    all_return: float | None
    """Mean forward return of all ranked assets per day."""
    turnover: float | None
    """Share of the sheet that is replaced from one day to the next."""
    cost: float | None
    """Cost per day, as a fraction: replaced positions pay two sides, those that stay on the sheet pay nothing."""
    net_return: float | None
    net_low: float | None
    """Lower end of the 95% interval of the mean net return per day (Student's t; days are taken as independent)."""
    net_high: float | None
    by_bucket: pl.DataFrame
    """bucket (1 lowest … 10 highest signal; fewer for fewer assets), mean_return, count."""


def evaluate_ranking(rows: pl.DataFrame, *, top: int, cost_bps_per_side: float) -> RankingReport:
    """Evaluate signals that were known at each day's decision against the returns that followed.

    `rows`: day, asset, signal, forward_return (fraction, from the decision to the next one). Rows with a null signal or
    return, and days with fewer than three assets, are left out. **Looks ahead**: forward returns are known a day after
    the decision only.
    """
    known = rows.drop_nulls(["signal", "forward_return"]).sort("day", "asset")
    sized = known.filter(pl.len().over("day") >= _LEAST)
    daily = sized.group_by("day", maintain_order=True).agg(
        pl.corr("signal", "forward_return", method="spearman").alias("ic"),
        pl.col("forward_return").mean().alias("mean"),
    )
    ics = daily["ic"].drop_nans().drop_nulls()
    best_first = sized.sort("day", "signal", "asset", descending=[False, True, False])
    sheets = best_first.group_by("day", maintain_order=True).agg(
        pl.col("asset").head(top), pl.col("forward_return").head(top).mean().alias("mean")
    )
    replaced = _compute_turnover(sheets["asset"].to_list())
    gross, turnover = _compute_mean(sheets["mean"]), _compute_mean(pl.Series(replaced, dtype=pl.Float64))
    cost = None if turnover is None else 2 * cost_bps_per_side * _BPS * turnover
    net = None if gross is None or cost is None else gross - cost
    paid = 2 * cost_bps_per_side * _BPS * pl.Series([0.0, *replaced][: sheets.height], dtype=pl.Float64)
    reach = _compute_reach(sheets["mean"] - paid)
    return RankingReport(
        days=daily.height,
        rank_ic=_compute_mean(ics),
        rank_ic_t=_compute_t_value(ics),
        top_return=gross,
        all_return=_compute_mean(daily["mean"]),
        turnover=turnover,
        cost=cost,
        net_return=net,
        net_low=None if reach is None or net is None else net - reach,
        net_high=None if reach is None or net is None else net + reach,
        by_bucket=_average_by_bucket(sized),
    )


def _average_by_bucket(rows: pl.DataFrame) -> pl.DataFrame:
    count = pl.len().over("day")
    buckets = pl.min_horizontal(count, pl.lit(_BUCKETS))
    place = (pl.col("signal").rank("ordinal").over("day") - 1) * buckets // count + 1
    places = rows.select(place.cast(pl.Int64).alias("bucket"))["bucket"].to_numpy()
    (means,), counts = average_by_place(places, _BUCKETS + 1, rows["forward_return"].to_numpy())
    filled = np.flatnonzero(counts)
    counted = pl.Series(counts[filled], dtype=pl.UInt32)
    return pl.DataFrame({"bucket": filled, "mean_return": means[filled], "count": counted})


def _compute_turnover(sheets: list[list[str]]) -> list[float]:
    return [len(set(after) - set(before)) / max(len(after), 1) for before, after in pairwise(sheets)]


def _compute_mean(values: pl.Series) -> float | None:
    mean = values.mean()
    return float(mean) if isinstance(mean, int | float) else None


def _compute_t_value(values: pl.Series) -> float | None:
    mean, std = values.mean(), values.std()
    if not isinstance(mean, float) or not isinstance(std, float) or std == 0.0:
        return None
    return mean / (std / sqrt(len(values)))


def _compute_reach(values: pl.Series) -> float | None:
    """Return half the width of the mean's 95% interval; None for fewer than two values, or where they do not vary."""
    from scipy.stats import t

    std = values.std()
    if not isinstance(std, float) or std == 0.0:
        return None
    return float(t.ppf(0.975, len(values) - 1)) * std / sqrt(len(values))
