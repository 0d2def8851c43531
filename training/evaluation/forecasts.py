"""Quality of forecasts of any model: rank correlation by month, outcome by decile, and trading the sign.

Source: docs/formulas.md, Forecasts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from training.evaluation.long_run import HOURS_PER_YEAR, choose_lags, compute_mean_t
from training.evaluation.metrics import average_by_place
from training.evaluation.uncertainty import estimate_rank_ic

_DECILES = 10
_LEAST = 20
_LEAST_ACROSS = 3


@dataclass(frozen=True, slots=True)
class SignTrading:
    """Result of being long after a forecast above 0 and short after one below; per bar, in logarithmic returns.

    `expected_value` = win_rate·average_win + (1 − win_rate)·average_loss. `total_return` and `max_drawdown` are
    fractions: exp(sum) − 1 and exp(deepest fall of the cumulative logarithmic return) − 1, which is 0 or negative.
    `sharpe` is annualised by the root of the bars of a year (8,760 hours). None where a value is not defined.
    """

    trades: int
    win_rate: float | None
    average_win: float | None
    average_loss: float | None
    expected_value: float | None
    total_return: float
    total_return_after_costs: float
    max_drawdown: float
    sharpe: float | None
    sharpe_after_costs: float | None


@dataclass(frozen=True, slots=True)
class FollowedSign:
    """Bar by bar: the side that was held (−1, 0, 1), and its logarithmic return before and after costs."""

    side: NDArray[np.float64]
    gross: NDArray[np.float64]
    net: NDArray[np.float64]


def follow_sign(forecast: NDArray[np.float64], realised: NDArray[np.float64], cost_bps_per_side: float) -> FollowedSign:
    """Be long after each of n forecasts above 0 and short after one below; `realised` are the n returns that followed.

    A bar in which forecast or return is NaN is flat. Every change of the position by one unit costs
    `cost_bps_per_side` once, at the beginning and at the end too; turning from long to short costs it twice.
    """
    side = np.where(np.isfinite(forecast) & np.isfinite(realised), np.sign(forecast), 0.0)
    gross = side * np.where(np.isfinite(realised), realised, 0.0)
    changes = np.abs(np.diff(np.concatenate([[0.0], side])))
    paid = changes * cost_bps_per_side * 1e-4
    if len(paid):
        paid[-1] += abs(side[-1]) * cost_bps_per_side * 1e-4
    return FollowedSign(side, gross, gross - paid)


def trade_sign(
    forecast: NDArray[np.float64],
    realised: NDArray[np.float64],
    cost_bps_per_side: float,
    periods_a_year: float = HOURS_PER_YEAR,
) -> SignTrading:
    """Evaluate `follow_sign`, whose arguments these are, over consecutive bars of which a year has `periods_a_year`."""
    followed = follow_sign(forecast, realised, cost_bps_per_side)
    side, gross, net = followed.side, followed.gross, followed.net
    taken = gross[side != 0.0]
    wins, losses = taken[taken > 0], taken[taken <= 0]
    rate = len(wins) / len(taken) if len(taken) else None
    win = float(wins.mean()) if len(wins) else None
    loss = float(losses.mean()) if len(losses) else None
    expected = None if rate is None else rate * (win or 0.0) + (1 - rate) * (loss or 0.0)
    return SignTrading(
        trades=len(taken),
        win_rate=rate,
        average_win=win,
        average_loss=loss,
        expected_value=expected,
        total_return=float(np.expm1(gross.sum())),
        total_return_after_costs=float(np.expm1(net.sum())),
        max_drawdown=compute_log_drawdown(gross),
        sharpe=_compute_sharpe(gross, periods_a_year),
        sharpe_after_costs=_compute_sharpe(net, periods_a_year),
    )


def correlate_ranks_by_month(scored: pl.DataFrame) -> pl.DataFrame:
    """Return month (first day), rows and rank_ic: Spearman's correlation of `score` and `label` per calendar month.

    Rows with a null score or label are left out. rank_ic is null for a month with fewer than 20 rows, or without
    variation.
    """
    known = scored.drop_nulls(["score", "label"]).filter(pl.col("score").is_finite())
    return (
        known.group_by(pl.col("event_timestamp").dt.truncate("1mo").dt.date().alias("month"))
        .agg(
            rows=pl.len().cast(pl.Int64),
            rank_ic=pl.when(pl.len() >= _LEAST)
            .then(pl.corr("score", pl.col("label").cast(pl.Float64), method="spearman"))
            .fill_nan(None),
        )
        .sort("month")
    )


def average_by_decile(scored: pl.DataFrame) -> pl.DataFrame:
    """Return what followed each tenth of all forecasts: decile (1 lowest … 10 highest), rows, mean_score, mean_outcome.

    `mean_outcome` is the mean label: a frequency for labels 0/1, a return for forecasts of returns. Rows with a null
    score or label are left out. Ties keep the order of time and pair. Scores that are all the same have no order: no
    row is returned.
    """
    known = scored.drop_nulls(["score", "label"]).filter(pl.col("score").is_finite())
    if known["score"].n_unique() < 2:
        known = known.clear()
    known = known.sort("event_timestamp", "pair_id")
    place = (pl.col("score").rank("ordinal").cast(pl.Int64) - 1) * _DECILES // pl.len() + 1
    places = known.select(place.alias("decile"))["decile"].to_numpy()
    columns = [known[name].cast(pl.Float64).to_numpy() for name in ("score", "label")]
    (scores, outcomes), rows = average_by_place(places, _DECILES + 1, *columns)
    filled = np.flatnonzero(rows)
    return pl.DataFrame(
        {"decile": filled, "rows": rows[filled], "mean_score": scores[filled], "mean_outcome": outcomes[filled]}
    )


def measure_information(scored: pl.DataFrame, reach: int) -> dict[str, float | None]:
    """Return `forecast_rows`, `forecast_rank_ic` (Spearman over all rows) and `forecast_top_minus_bottom` (deciles).

    Labels look `reach` hours ahead. `…_low` and `…_high` are the 95% interval of the rank correlation;
    `forecast_rank_ic_by_hour` is the mean of the correlations across the rows of each hour, and `…_t` its t-value
    (`correlate_ranks_by_hour`). None where a value is not defined: no variation, or fewer than ten deciles.
    """
    known = scored.drop_nulls(["score", "label"]).filter(pl.col("score").is_finite())
    deciles = average_by_decile(scored)
    ic = known.select(pl.corr("score", pl.col("label").cast(pl.Float64), method="spearman").fill_nan(None)).item()
    whole = deciles.height == _DECILES
    spread = deciles["mean_outcome"][-1] - deciles["mean_outcome"][0] if whole else None
    scores, outcomes = (known[name].cast(pl.Float64).to_numpy() for name in ("score", "label"))
    interval = estimate_rank_ic(number_hours(known), scores, outcomes, reach)
    hourly = correlate_ranks_by_hour(known)
    return {
        "forecast_rows": float(known.height),
        "forecast_rank_ic": ic,
        "forecast_rank_ic_low": None if interval is None else interval.low,
        "forecast_rank_ic_high": None if interval is None else interval.high,
        "forecast_rank_ic_by_hour": None if np.isnan(hourly).all() else float(np.nanmean(hourly)),
        "forecast_rank_ic_by_hour_t": compute_mean_t(hourly, choose_lags(reach, len(hourly))),
        "forecast_top_minus_bottom": spread,
    }


def correlate_ranks_by_hour(known: pl.DataFrame) -> NDArray[np.float64]:
    """Return Spearman's correlation of score and label across the rows of each hour, from the first hour to the last.

    `known`: event_timestamp, score and label without nulls. NaN for hours with fewer than 3 rows, and where score or
    label does not vary.
    """
    if known.is_empty():
        return np.empty(0)
    hours = number_hours(known)
    places = hours - hours.min()
    length = int(places.max()) + 1
    rows = np.bincount(places, minlength=length)
    ranks = known.select(
        pl.col(name).cast(pl.Float64).rank("average").over("event_timestamp") for name in ("score", "label")
    )
    x, y = (ranks[name].to_numpy() - (rows[places] + 1) / 2.0 for name in ("score", "label"))
    xy, xx, yy = (np.bincount(places, weights=values, minlength=length) for values in (x * y, x * x, y * y))
    defined = (rows >= _LEAST_ACROSS) & (xx > 0) & (yy > 0)
    correlations: NDArray[np.float64] = np.where(defined, xy / np.sqrt(np.where(defined, xx * yy, 1.0)), np.nan)
    return correlations


def number_hours(rows: pl.DataFrame) -> NDArray[np.int64]:
    """Return the whole hours since 1970 of the rows' event_timestamp."""
    hours: NDArray[np.int64] = (rows["event_timestamp"].dt.epoch("s") // 3600).to_numpy()
    return hours


def compute_log_drawdown(returns: NDArray[np.float64]) -> float:
    """Return 1 − exp(deepest fall of the cumulative logarithmic returns), a positive fraction like every drawdown."""
    curve = np.concatenate([[0.0], np.cumsum(returns)])
    return float(-np.expm1((curve - np.maximum.accumulate(curve)).min()))


def _compute_sharpe(returns: NDArray[np.float64], periods_a_year: float) -> float | None:
    if len(returns) < 2:
        return None
    deviation = float(returns.std(ddof=1))
    return float(returns.mean()) / deviation * periods_a_year**0.5 if deviation > 0 else None
