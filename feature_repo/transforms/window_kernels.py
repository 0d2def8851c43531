"""Loops behind `windows`: one value per row, computed from the `window` values that end at it.

NaN stands for "not observed" in inputs and for "not defined" in results. Every window is added from left to right from
its own values; sums of deviations are taken in a second pass around the mean, because Σx² − (Σx)²/n loses the digits of
prices that hardly move.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from feature_repo.transforms.compiled import compiled

Floats = NDArray[np.float64]


@compiled
def means(values: Floats, window: int, needed: int) -> Floats:
    """Return the mean of the observed values; NaN where fewer than `needed` are observed."""
    out = np.full(len(values), np.nan)
    for row in range(len(values)):
        count, total = 0, 0.0
        for at in range(max(0, row - window + 1), row + 1):
            if not math.isnan(values[at]):
                count += 1
                total += values[at]
        if count >= needed:
            out[row] = total / count
    return out


@compiled
def deviations(values: Floats, window: int, scale: float, rounding: float) -> Floats:
    """Return the sample standard deviation; NaN unless all are observed, 0 where they differ by rounding alone."""
    out = np.full(len(values), np.nan)
    for row in range(window - 1, len(values)):
        first = row - window + 1
        total, low, high = 0.0, values[first], values[first]
        for at in range(first, row + 1):
            value = values[at]
            total += value
            low, high = min(low, value), max(high, value)
        if math.isnan(total):  # one missing value makes the whole sum NaN
            continue
        if high - low <= rounding * max(abs(high), abs(low), scale):
            out[row] = 0.0
            continue
        mean, squares = total / window, 0.0
        for at in range(first, row + 1):
            moved = values[at] - mean
            squares += moved * moved
        out[row] = math.sqrt(squares / (window - 1))
    return out


@compiled
def correlations(first: Floats, second: Floats, window: int, needed: int, rounding: float) -> Floats:
    """Return the Pearson correlation over the rows that both have; NaN where they are too few or a series is flat."""
    out = np.full(len(first), np.nan)
    for row in range(len(first)):
        start = max(0, row - window + 1)
        count, a_total, b_total = 0, 0.0, 0.0
        a_low = b_low = np.inf
        a_high = b_high = -np.inf
        for at in range(start, row + 1):
            a, b = first[at], second[at]
            if math.isnan(a) or math.isnan(b):
                continue
            count += 1
            a_total += a
            b_total += b
            a_low, a_high = min(a_low, a), max(a_high, a)
            b_low, b_high = min(b_low, b), max(b_high, b)
        if count < needed or a_high - a_low <= rounding * max(abs(a_high), abs(a_low), 1.0):
            continue
        if b_high - b_low <= rounding * max(abs(b_high), abs(b_low), 1.0):
            continue
        a_mean, b_mean = a_total / count, b_total / count
        cross = a_squares = b_squares = 0.0
        for at in range(start, row + 1):
            a, b = first[at], second[at]
            if math.isnan(a) or math.isnan(b):
                continue
            a -= a_mean
            b -= b_mean
            cross += a * b
            a_squares += a * a
            b_squares += b * b
        out[row] = cross / math.sqrt(a_squares * b_squares)
    return out


@compiled
def _half_life(residual: Floats, rounding: float) -> float:
    """Return −ln 2 / ln(1 + φ) of one window's residual, in rows; NaN where it does not revert to its mean.

    φ comes from the neighbouring rows that are both observed. φ ≥ 0 never reverts; φ ≤ −1 jumps past the mean.
    """
    low, high = np.inf, -np.inf
    steps, lagged_total = 0, 0.0
    for at in range(len(residual)):
        value = residual[at]
        if math.isnan(value):
            continue
        low, high = min(low, value), max(high, value)
        if at > 0 and not math.isnan(residual[at - 1]):
            steps += 1
            lagged_total += residual[at - 1]
    if steps == 0 or high - low <= rounding * max(abs(high), abs(low), 1.0):
        return math.nan
    lagged_mean = lagged_total / steps
    cross = squares = 0.0
    for at in range(1, len(residual)):
        if not (math.isnan(residual[at]) or math.isnan(residual[at - 1])):
            lagged = residual[at - 1] - lagged_mean
            cross += lagged * (residual[at] - residual[at - 1])
            squares += lagged * lagged
    phi = cross / squares
    # log1p: φ is close to 0 for slow reversion, where ln(1 + φ) would lose its digits.
    return -math.log(2.0) / math.log1p(phi) if -1.0 < phi < 0.0 else math.nan


@compiled
def reversions(log_a: Floats, log_b: Floats, window: int, needed: int, rounding: float) -> tuple[Floats, Floats]:
    """Return the OLS slope of a on b, and the half-life of the residual in rows (see `windows.hedge_and_half_life`)."""
    slopes, half_lives = np.full(len(log_a), np.nan), np.full(len(log_a), np.nan)
    residual = np.empty(window)
    for row in range(len(log_a)):
        start = max(0, row - window + 1)
        count, a_total, b_total = 0, 0.0, 0.0
        b_low, b_high = np.inf, -np.inf
        for at in range(start, row + 1):
            a, b = log_a[at], log_b[at]
            if math.isnan(a) or math.isnan(b):
                continue
            count += 1
            a_total += a
            b_total += b
            b_low, b_high = min(b_low, b), max(b_high, b)
        if count < needed or b_high - b_low <= rounding * max(abs(b_high), abs(b_low), 1.0):
            continue
        a_mean, b_mean = a_total / count, b_total / count
        cross = squares = 0.0
        for at in range(start, row + 1):
            a, b = log_a[at] - a_mean, log_b[at] - b_mean
            if not (math.isnan(a) or math.isnan(b)):
                cross += a * b
                squares += b * b
        slope = cross / squares
        slopes[row] = slope
        length = row + 1 - start
        for at in range(length):
            residual[at] = (log_a[start + at] - a_mean) - slope * (log_b[start + at] - b_mean)
        half_lives[row] = _half_life(residual[:length], rounding)
    return slopes, half_lives
