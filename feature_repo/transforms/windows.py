"""Window statistics of two aligned series that Polars has no rolling form for.

Every window is computed on its own from its own values, in blocks: a result depends on the window and on nothing else.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_BLOCK_ROWS = 2048
MIN_SHARE = 0.9
"""A window needs this share of its bars for both assets."""


class WindowStatistics(NamedTuple):
    """One value per row; NaN where the window is too short or the statistic is not defined."""

    correlation: Floats
    hedge_ratio: Floats
    half_life: Floats


def correlation(first: Floats, second: Floats, window: int) -> Floats:
    """Pearson correlation of two series (NaN = not observed) over `window` rows; NaN where either is constant."""
    out = np.full(len(first), np.nan)
    for rows, a, b in _blocks(first, second, window):
        present = ~(np.isnan(a) | np.isnan(b))
        a_dev, b_dev = _deviations(a, present), _deviations(b, present)
        with np.errstate(divide="ignore", invalid="ignore"):
            value = (a_dev * b_dev).sum(axis=1) / np.sqrt((a_dev**2).sum(axis=1) * (b_dev**2).sum(axis=1))
        value[_constant(a, present) | _constant(b, present) | _too_few(present, window)] = np.nan
        out[rows] = value
    return out


def hedge_and_half_life(log_a: Floats, log_b: Floats, window: int) -> tuple[Floats, Floats]:
    """Slope of OLS of `log_a` on `log_b` with intercept, and the half-life of its residual's mean reversion, in rows.

    The half-life follows from the slope φ of Δe on e[−1] (OLS with intercept, over adjacent rows that are both
    observed): −ln 2 / ln(1 + φ); NaN unless −1 < φ < 0. Both are NaN where the window has too few rows, and the slope
    where `log_b` is constant.
    """
    slope, half_life = np.full(len(log_a), np.nan), np.full(len(log_a), np.nan)
    for rows, a, b in _blocks(log_a, log_b, window):
        present = ~(np.isnan(a) | np.isnan(b))
        a_dev, b_dev = _deviations(a, present), _deviations(b, present)
        with np.errstate(divide="ignore", invalid="ignore"):
            beta = (a_dev * b_dev).sum(axis=1) / (b_dev**2).sum(axis=1)
        beta[_constant(b, present) | _too_few(present, window)] = np.nan
        slope[rows] = beta
        half_life[rows] = _half_life(a_dev - beta[:, None] * b_dev, present)
    return slope, half_life


def _half_life(residual: Floats, present: Bools) -> Floats:
    both = present[:, 1:] & present[:, :-1]
    change = np.where(both, residual[:, 1:] - residual[:, :-1], 0.0)
    lagged = _deviations(np.where(both, residual[:, :-1], np.nan), both)
    with np.errstate(divide="ignore", invalid="ignore"):
        phi = (lagged * change).sum(axis=1) / (lagged**2).sum(axis=1)
        phi = np.where((phi > -1.0) & (phi < 0.0), phi, np.nan)
        value: Floats = -math.log(2.0) / np.log1p(phi)
    return value


def _blocks(first: Floats, second: Floats, window: int) -> list[tuple[slice, Floats, Floats]]:
    if len(first) < window:
        return []
    a, b = sliding_window_view(first, window), sliding_window_view(second, window)
    starts = range(0, len(a), _BLOCK_ROWS)
    return [
        (slice(start + window - 1, min(start + _BLOCK_ROWS, len(a)) + window - 1),
         a[start : start + _BLOCK_ROWS], b[start : start + _BLOCK_ROWS])
        for start in starts
    ]  # fmt: skip


def _deviations(values: Floats, present: Bools) -> Floats:
    """Deviations from the mean of the observed values; 0 where nothing was observed."""
    filled = np.where(present, values, 0.0)
    count = np.maximum(present.sum(axis=1), 1)
    mean = filled.sum(axis=1) / count
    return np.where(present, filled - mean[:, None], 0.0)


def _constant(values: Floats, present: Bools) -> Bools:
    high = np.where(present, values, -np.inf).max(axis=1)
    low = np.where(present, values, np.inf).min(axis=1)
    flat: Bools = high <= low
    return flat


def _too_few(present: Bools, window: int) -> Bools:
    few: Bools = present.sum(axis=1) < math.ceil(MIN_SHARE * window)
    return few
