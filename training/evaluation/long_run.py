"""Errors of means over time whose values overlap or remember: Newey-West, and what it makes of a year.

A return over the next 24 hours shares 23 of them with the one an hour later. Taken as independent, such values give
t-values that exceed 1.96 in seven of ten cases where there is nothing at all.

Source: docs/formulas.md, Errors of what is compared.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

HOURS_PER_YEAR = 8760
DAY = 24
_LEAST = 3

Floats = NDArray[np.float64]


def choose_lags(overlap: int, count: int) -> int:
    """Return the lags for `count` values that each share their hours with the next `overlap` ones.

    Twice the overlap: Bartlett weights fall with the lag, and with as many lags as hours overlap a third of the common
    variance would be missing. No more than a quarter of the values.
    """
    return min(2 * overlap, count // 4)


def estimate_mean_error(values: Floats, lags: int) -> float | None:
    """Return the standard error of the mean of `values`, one per hour (NaN where there is none).

    Newey & West 1987: √(Σ_k w_k·Σ_t d_t·d_{t−k})/n over |k| ≤ `lags`, with d = value − mean and Bartlett weights
    w_k = 1 − |k|/(lags + 1). None for fewer than 3 values, or where they do not vary.
    """
    present = ~np.isnan(values)
    count = int(present.sum())
    if count < _LEAST:
        return None
    mean = float(values[present].mean())
    off = np.where(present, values - mean, 0.0)
    square = float(np.sum(off * off))
    if math.sqrt(square / count) <= abs(mean) * 1e-12:
        return None
    whole = square
    for lag in range(1, min(lags, len(off) - 1) + 1):
        whole += 2.0 * (1.0 - lag / (lags + 1.0)) * float(np.sum(off[lag:] * off[:-lag]))
    # Bartlett weights keep the sum from being negative, but for rounding and for holes among the values
    return math.sqrt(whole) / count if whole > 0.0 else None


def compute_mean_t(values: Floats, lags: int) -> float | None:
    """Return mean over `estimate_mean_error`; None where that is not defined."""
    error = estimate_mean_error(values, lags)
    return None if error is None else float(np.nanmean(values)) / error


def annualise_long_run(returns: Floats) -> float | None:
    """Return the Sharpe ratio of a year from hourly `returns` that remember each other: 8,760·mean/σ_year.

    σ_year² is 8,760 times the long-run variance (Newey & West 1987; the scaling of Lo 2002): where returns follow each
    other, √8760 times the hourly ratio is too large, and too small where they turn back. Lags: a day, or the larger
    4·(T/100)^(2/9) of Newey & West 1994. None as `estimate_mean_error`.
    """
    lags = min(max(DAY, int(4.0 * (len(returns) / 100.0) ** (2.0 / 9.0))), len(returns) // 4)
    t_value = compute_mean_t(returns, lags)
    return None if t_value is None else t_value / math.sqrt(len(returns)) * math.sqrt(HOURS_PER_YEAR)
