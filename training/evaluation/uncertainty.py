"""Errors of Sharpe ratios, areas under ROC, rank correlations, and of differences between two of them.

All pairs of an hour are drawn together and hours in blocks (`training.evaluation.blocks`): 45 pairs of ten assets move
like a handful of independent ones, labels overlap for days, and neither may count as so many observations. What is
drawn are sums per hour, so that a thousand rows cost no more than one.

Source: docs/formulas.md, Errors of what is compared. Nothing here fills or drops a value: NaN is not allowed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.evaluation.blocks import WEEK, choose_block_length, count_drawn_hours
from training.evaluation.long_run import HOURS_PER_YEAR

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Statistic = Callable[[Floats], Floats]
"""Maps sums (draws × columns) to one value a draw."""

SEED = 42
_DRAWS = 200
_LEAST_HOURS = 10
_LEAST_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Estimate:
    """A statistic with its standard error and its two-sided 95% interval."""

    value: float
    error: float
    low: float
    high: float
    freedom: int
    """Degrees of freedom of Student's t: the number of blocks less one."""

    def probability_above(self, benchmark: float = 0.0) -> float:
        """Return the probability that the true value is above `benchmark`."""
        from scipy.stats import t

        return float(t.cdf((self.value - benchmark) / self.error, self.freedom))


def estimate_sharpe_error(returns: Floats) -> Estimate | None:
    """Return the annualised Sharpe ratio (mean/std·√8760) of hourly `returns` with its error.

    None for fewer than 10 hours, and where returns do not vary.
    """
    return _estimate(_sum_returns(returns), _compute_sharpe, WEEK)


def estimate_sharpe_difference(first: Floats, second: Floats) -> Estimate | None:
    """Return the annualised Sharpe ratio of `first` less that of `second`, hourly returns of the same hours.

    Both are drawn together, so that what moves them both cancels. None as `estimate_sharpe_error`, and where the two
    are the same.
    """
    sums = np.column_stack([_sum_returns(first), _sum_returns(second)])
    return _estimate(sums, lambda drawn: _compute_sharpe(drawn[:, :3]) - _compute_sharpe(drawn[:, 3:]), WEEK)


def estimate_auc(hours: Ints, labels: Ints, scores: Floats, reach: int) -> Estimate | None:
    """Return the area under ROC of n rows with its error; ties count half.

    `hours`: whole hours of the rows, `labels` 0/1; labels look `reach` hours ahead. The area is linear in each side's
    placements (DeLong et al. 1988), which are drawn by hour. None unless both labels occur, and for fewer than 10
    hours.
    """
    placed = _place_labels(labels, scores)
    if placed is None:
        return None
    above, below, area = placed
    sums = _sum_by_hour(hours, above, labels == 1, below, labels == 0)
    return _estimate(sums, lambda drawn: _compute_area(drawn) - area, max(reach, WEEK))


def estimate_auc_difference(hours: Ints, labels: Ints, first: Floats, second: Floats, reach: int) -> Estimate | None:
    """Return the area under ROC of the scores `first` less that of `second`, on the same rows (see `estimate_auc`)."""
    one, other = _place_labels(labels, first), _place_labels(labels, second)
    if one is None or other is None:
        return None
    sums = _sum_by_hour(hours, one[0] - other[0], labels == 1, one[1] - other[1], labels == 0)
    area = one[2] - other[2]
    return _estimate(sums, lambda drawn: _compute_area(drawn) - area, max(reach, WEEK))


def estimate_rank_ic(hours: Ints, scores: Floats, outcomes: Floats, reach: int) -> Estimate | None:
    """Return Spearman's correlation of n scores and outcomes, over all rows, with its error.

    Ranks are those among all rows. Outcomes look `reach` hours ahead. None without variation, and for fewer than 10
    hours.
    """
    from scipy.stats import rankdata

    if len(scores) == 0:
        return None
    # About the middle, so that sums of squares lose no digits
    x, y = (rankdata(values) - (len(values) + 1) / 2.0 for values in (scores, outcomes))
    if not x.any() or not y.any():
        return None
    sums = _sum_by_hour(hours, np.ones(len(x)), x, y, x * x, y * y, x * y)
    return _estimate(sums, _compute_correlation, max(reach, WEEK))


def _estimate(sums: Floats, statistic: Statistic, reach: int) -> Estimate | None:
    """Return the statistic of all hours with its error over drawn blocks; `sums`: hours × columns."""
    from scipy.stats import t

    hours = len(sums)
    if hours < _LEAST_HOURS:
        return None
    block = choose_block_length(hours, reach)
    value = float(statistic(sums.sum(axis=0, keepdims=True))[0])
    drawn = count_drawn_hours(hours, block=block, draws=_DRAWS, seed=SEED)
    # Sums of einsum have one order; those of a matrix product depend on the number of threads
    values = statistic(np.einsum("dh,hc->dc", drawn, sums))
    values = values[np.isfinite(values)]
    if not math.isfinite(value) or len(values) < _LEAST_SHARE * _DRAWS:
        return None
    blocks = -(-hours // block)
    # Blocks are drawn from themselves: with k of them the variance is too small by (k − 1)/k
    error = float(values.std(ddof=1)) * math.sqrt(blocks / (blocks - 1))
    if error <= 1e-12 * max(abs(value), 1.0):
        return None
    wide = float(t.ppf(0.975, blocks - 1)) * error
    return Estimate(value=value, error=error, low=value - wide, high=value + wide, freedom=blocks - 1)


def _sum_returns(returns: Floats) -> Floats:
    return np.column_stack([np.ones(len(returns)), returns, returns**2])


def _compute_sharpe(drawn: Floats) -> Floats:
    count, total, squares = drawn.T
    mean = total / count
    variance = (squares - count * mean**2) / (count - 1.0)
    flat = variance <= 1e-12 * squares / count
    ratio: Floats = mean / np.sqrt(np.where(flat, 1.0, variance)) * math.sqrt(HOURS_PER_YEAR)
    # Hours in which nothing was held earn nothing
    return np.where(flat, 0.0, ratio)


def _place_labels(labels: Ints, scores: Floats) -> tuple[Floats, Floats, float] | None:
    """Return, per row, how the other label's rows lie below it (positives) or above it (negatives), and the area."""
    up = labels == 1
    positives, negatives = np.sort(scores[up]), np.sort(scores[~up])
    if not len(positives) or not len(negatives):
        return None
    above, below = np.zeros(len(scores)), np.zeros(len(scores))
    above[up] = _share_below(negatives, scores[up])
    below[~up] = 1.0 - _share_below(positives, scores[~up])
    return above, below, float(above[up].mean())


def _share_below(ordered: Floats, values: Floats) -> Floats:
    """Return the share of `ordered` (ascending) that lies below each value; equal ones count half."""
    low, high = (np.searchsorted(ordered, values, side=side) for side in ("left", "right"))
    share: Floats = (low + high) / (2.0 * len(ordered))
    return share


def _compute_area(drawn: Floats) -> Floats:
    """Return both sides' mean placements, added; less the area of all rows, they are the area of the drawn ones."""
    above, positives, below, negatives = drawn.T
    with np.errstate(invalid="ignore", divide="ignore"):  # a draw without one of the labels is dropped
        area: Floats = above / positives + below / negatives
    return area


def _compute_correlation(drawn: Floats) -> Floats:
    count, x, y, xx, yy, xy = drawn.T
    with np.errstate(invalid="ignore", divide="ignore"):  # a draw without rows or variation is dropped
        spread = np.sqrt(np.maximum(xx - x * x / count, 0.0) * np.maximum(yy - y * y / count, 0.0))
        correlation: Floats = (xy - x * y / count) / spread
    return correlation


def _sum_by_hour(hours: Ints, *columns: NDArray[np.generic]) -> Floats:
    """Return the sums of each column by hour, from the first to the last: hours × columns."""
    places = hours - hours.min()
    length = int(places.max()) + 1
    return np.column_stack(
        [np.bincount(places, weights=column.astype(np.float64), minlength=length) for column in columns]
    )
