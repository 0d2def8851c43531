"""Statistics of one backtest that people of the field expect beside its Sharpe ratio; each says what it lacks.

Returns are plain fractions per hour, in order of time; those of a day are compounded over its 24 hours (UTC), and the
first and last day count only where they are whole. A span of less than 30 days is not scaled to a year.

Source: docs/formulas.md, Tear sheet.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pairity.annualising import LEAST_TO_ANNUALISE
from pairity.errors import DataError
from pairity.number_formats import format_count
from training.evaluation.long_run import DAY, HOURS_PER_YEAR

Floats = NDArray[np.float64]
LEAST_TAIL_DAYS = 20
"""With fewer days not one of them lies beyond the 95% quantile."""
LEAST_DAYS = 3
TAIL = 0.05
_FLAT = 1e-12


@dataclass(frozen=True, slots=True)
class Statistic:
    """A value, or None with what is lacking for one."""

    value: float | None
    lacks: str = ""


def compute_returns(equity: pl.DataFrame, initial_equity: float) -> Floats:
    """Return the hourly returns of an equity curve (time, equity) that began at `initial_equity`.

    Nothing is earned any more after a ruin. DataError for equity that is no number.
    """
    worth = np.concatenate([[initial_equity], equity["equity"].cast(pl.Float64).to_numpy()])
    if not np.isfinite(worth).all():
        raise DataError("an equity curve holds values that are no numbers", "make the run again")
    before = worth[:-1]
    returns: Floats = np.divide(worth[1:], before, out=np.ones(len(before)), where=before > 0.0) - 1.0
    return returns


def compute_daily_returns(equity: pl.DataFrame, initial_equity: float) -> pl.DataFrame:
    """Return day and return (fraction) of each whole day; the hour that closes at midnight belongs to the day before.

    `equity`: time (bar close), equity, hourly without holes.
    """
    returns = pl.Series("return", compute_returns(equity, initial_equity), dtype=pl.Float64)
    return (
        equity.select("time")
        .with_columns(returns)
        .group_by(day=(pl.col("time") - timedelta(microseconds=1)).dt.date(), maintain_order=True)
        .agg(pl.len().alias("hours"), ((1.0 + pl.col("return")).product() - 1.0).alias("return"))
        .filter(pl.col("hours") == DAY)
        .select("day", "return")
    )


def measure_tear_sheet(
    equity: pl.DataFrame, initial_equity: float, holding: Floats | None = None
) -> dict[str, Statistic]:
    """Return the statistics of an hourly equity curve (time, equity), by the keys of `pairity.measures`.

    `volatility`: std (ddof 1) of hourly returns·√8760. `sortino`: their mean over √mean(min(return, 0)²), ·√8760
    (Sortino & Price 1994, target 0). `calmar`: net return of a year, compounded, over the deepest drawdown (Young 1991,
    over the whole span). `value_at_risk`: the loss that 5% of the days exceed, positive for a loss;
    `expected_shortfall`: mean loss of the days at or beyond it. `skew` and `kurtosis` (not in excess of 3): population
    moments of daily returns. `beta`: covariance with the hourly returns `holding` of holding the coin over their
    variance. No value is ever NaN: where one is not defined, it is None and `lacks` says why.
    """
    returns = compute_returns(equity, initial_equity)
    days = compute_daily_returns(equity, initial_equity)["return"].to_numpy()
    deepest = _find_deepest_fall(returns)
    return {
        "volatility": _scale(returns, _measure_volatility),
        "sortino": _scale(returns, _measure_sortino),
        "calmar": _scale(returns, lambda own: _measure_calmar(own, deepest)),
        **measure_tail(days),
        **_measure_shape(days),
        "beta": measure_beta(returns, holding),
    }


def measure_tail(days: Floats) -> dict[str, Statistic]:
    """Return `value_at_risk` and `expected_shortfall` of daily returns; quantile between neighbours is linear."""
    if len(days) < LEAST_TAIL_DAYS:
        lacking = Statistic(
            None, f"{LEAST_TAIL_DAYS} whole days are needed, {format_count(len(days), 'is there', 'are there')}"
        )
        return {"value_at_risk": lacking, "expected_shortfall": lacking}
    edge = float(np.quantile(days, TAIL))
    return {
        "value_at_risk": Statistic(-edge + 0.0),
        "expected_shortfall": Statistic(-float(days[days <= edge].mean()) + 0.0),
    }


def measure_beta(returns: Floats, holding: Floats | None) -> Statistic:
    """Return the beta of `returns` to `holding`, hourly returns over the same hours."""
    if holding is None:
        return Statistic(None, "the run has no line that holds the coin")
    if len(holding) != len(returns):
        return Statistic(None, f"{len(returns)} hours, and {len(holding)} of holding the coin")
    if len(returns) < LEAST_DAYS * DAY:
        return Statistic(
            None, f"{LEAST_DAYS * DAY} hours are needed, {format_count(len(returns), 'is there', 'are there')}"
        )
    if _is_flat(holding):
        return Statistic(None, "holding the coin does not move")
    centred = holding - holding.mean()
    return Statistic(float((centred * (returns - returns.mean())).sum() / (centred**2).sum()))


def _scale(returns: Floats, measure: Callable[[Floats], Statistic]) -> Statistic:
    """Measure what is scaled to a year, where the span can carry that."""
    needed = LEAST_TO_ANNUALISE.days
    if len(returns) < needed * DAY:
        return Statistic(
            None, f"{needed} days are needed, {format_count(len(returns) // DAY, 'is there', 'are there')}"
        )
    return measure(returns)


def _measure_volatility(returns: Floats) -> Statistic:
    return Statistic(float(returns.std(ddof=1)) * math.sqrt(HOURS_PER_YEAR))


def _measure_sortino(returns: Floats) -> Statistic:
    downside = math.sqrt(float(np.mean(np.minimum(returns, 0.0) ** 2)))
    if downside <= _FLAT:
        return Statistic(None, "no hour lost anything")
    return Statistic(float(returns.mean()) / downside * math.sqrt(HOURS_PER_YEAR))


def _measure_calmar(returns: Floats, deepest: float) -> Statistic:
    if deepest <= _FLAT:
        return Statistic(None, "there was no drawdown")
    grown = max(0.0, float(np.prod(1.0 + returns)))
    try:
        year = grown ** (HOURS_PER_YEAR / len(returns)) - 1.0
    except OverflowError:
        return Statistic(None, "compounded over a year it is no number any more")
    return Statistic(year / deepest)


def _measure_shape(days: Floats) -> dict[str, Statistic]:
    if len(days) < LEAST_DAYS:
        lacking = Statistic(
            None, f"{LEAST_DAYS} whole days are needed, {format_count(len(days), 'is there', 'are there')}"
        )
        return dict.fromkeys(("best_day", "worst_day", "skew", "kurtosis"), lacking)
    extremes = {"best_day": Statistic(float(days.max())), "worst_day": Statistic(float(days.min()))}
    if _is_flat(days):
        flat = Statistic(None, "all days are the same")
        return extremes | {"skew": flat, "kurtosis": flat}
    scaled = (days - days.mean()) / days.std()
    return extremes | {
        "skew": Statistic(float((scaled**3).mean())),
        "kurtosis": Statistic(float((scaled**4).mean())),
    }


def _find_deepest_fall(returns: Floats) -> float:
    worth = np.cumprod(np.concatenate([[1.0], 1.0 + returns]))
    return float((1.0 - worth / np.maximum.accumulate(worth)).max())


def _is_flat(values: Floats) -> bool:
    # Values that are all the same have a deviation of rounding errors
    return float(values.std()) <= _FLAT * max(1.0, float(np.abs(values).max()))
