"""Loops behind `windows`: one value per row, computed from the `window` values that end at it.

NaN stands for "not observed" in inputs and for "not defined" in results. Every window is added from left to right from
its own values; sums of deviations are taken in a second pass around the mean, because Σx² − (Σx)²/n loses the digits of
prices that hardly move.

`begin` is the first row that is wanted: rows before it are NaN and cost nothing, the others have the same bits.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from feature_repo.transforms.compiled import compiled

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PAIR_STATISTICS = (
    "spread",
    "z_score",
    "spread_rsi",
    "spread_roc",
    "spread_change_1h",
    "vol_ratio",
    "vol_ratio_rel",
    "correlation_168h",
    "hedge_ratio",
    "half_life_h",
)
"""Columns of the result of `pair_statistics`, in order."""
_COLUMNS = len(PAIR_STATISTICS)


@compiled
def means(values: Floats, window: int, needed: int, begin: int) -> Floats:
    """Return the mean of the observed values; NaN where fewer than `needed` are observed."""
    out = np.full(len(values), np.nan)
    for row in range(begin, len(values)):
        count, total = 0, 0.0
        for at in range(max(0, row - window + 1), row + 1):
            if not math.isnan(values[at]):
                count += 1
                total += values[at]
        if count >= needed:
            out[row] = total / count
    return out


@compiled
def deviations(values: Floats, window: int, scale: float, rounding: float, begin: int) -> Floats:
    """Return the sample standard deviation; NaN unless all are observed, 0 where they differ by rounding alone."""
    out = np.full(len(values), np.nan)
    for row in range(max(begin, window - 1), len(values)):
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
def correlations(first: Floats, second: Floats, window: int, needed: int, rounding: float, begin: int) -> Floats:
    """Return the Pearson correlation over the rows that both have; NaN where they are too few or a series is flat."""
    out = np.full(len(first), np.nan)
    for row in range(begin, len(first)):
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
def reversions(
    log_a: Floats, log_b: Floats, window: int, needed: int, rounding: float, begin: int
) -> tuple[Floats, Floats]:
    """Return the OLS slope of a on b, and the half-life of the residual in rows (see `windows.hedge_and_half_life`)."""
    slopes, half_lives = np.full(len(log_a), np.nan), np.full(len(log_a), np.nan)
    residual = np.empty(window)
    for row in range(begin, len(log_a)):
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


@compiled
def wilder_indices(values: Floats, period: int, rounding: float) -> Floats:
    """Return Wilder's relative strength index, 0–100; NaN where it is not defined (see `rsi.wilder_rsi`)."""
    out = np.full(len(values), np.nan)
    share = 1.0 / period
    position = 0
    gain = loss = gain_lost = loss_lost = 0.0
    for row in range(1, len(values)):
        change = values[row] - values[row - 1]
        if math.isnan(change):  # a hole: averages never run across it
            position = 0
            continue
        if abs(change) <= rounding * abs(values[row]):
            change = 0.0
        up, down = max(change, 0.0), max(-change, 0.0)
        if position == 0:
            gain = loss = gain_lost = loss_lost = 0.0
        position += 1
        if position <= period:
            # The mean of the first changes is a compensated sum (Kahan 1965): moves differ by orders of magnitude.
            gain, gain_lost = _compensated(gain, up, gain_lost)
            loss, loss_lost = _compensated(loss, down, loss_lost)
            if position == period:
                gain, loss = gain / period, loss / period
        else:
            gain += (up - gain) * share
            loss += (down - loss) * share
        if position >= period:
            if loss > 0.0:
                out[row] = 100.0 - 100.0 / (1.0 + gain / loss)
            elif gain > 0.0:
                out[row] = 100.0
    return out


@compiled
def _compensated(total: float, value: float, lost: float) -> tuple[float, float]:
    """Return total + value, and what the addition lost of it, given what earlier additions lost."""
    corrected = value - lost
    added = total + corrected
    return added, (added - total) - corrected


@compiled
def _ratios(numerators: Floats, denominators: Floats) -> Floats:
    """Return the quotients; NaN where a denominator is not positive or a value is missing."""
    out = np.full(len(numerators), np.nan)
    for row in range(len(numerators)):
        if denominators[row] > 0.0:
            out[row] = numerators[row] / denominators[row]
    return out


@compiled
def pair_statistics(
    a: Floats, b: Floats, both: NDArray[np.bool_], windows: Ints, needed: Ints, rounding: float, begin: int
) -> Floats:
    """Return rows × `PAIR_STATISTICS` of one pair, NaN where a statistic is not defined.

    `a`, `b`: (close, ln close, quote volume, return) × hours of the two assets, NaN where missing; `both` says where
    both have a bar. `windows`: of z, RSI, rate of change, mean volume ratio, correlation and hedge, in rows; `needed`:
    the least observed rows of the last three. Rows from `begin` on are returned.
    """
    spread = np.full(len(both), np.nan)
    for row in range(len(both)):
        if both[row]:
            spread[row] = a[0, row] / b[0, row]
    strength = wilder_indices(spread, windows[1], rounding)
    # Windows reach back so far and no farther; only the averages of the strength remember everything.
    first = max(0, begin - max(windows) - 1)
    spread, from_ = spread[first:], begin - first
    mean = means(spread, windows[0], windows[0], from_)
    deviation = deviations(spread, windows[0], 0.0, rounding, from_)
    volumes = _ratios(a[2, first:], b[2, first:])
    for row in range(len(volumes)):
        if not both[first + row]:
            volumes[row] = np.nan
    usual = means(volumes, windows[3], needed[0], from_)
    correlated = correlations(a[3, first:], b[3, first:], windows[4], needed[1], rounding, from_)
    slopes, half_lives = reversions(a[1, first:], b[1, first:], windows[5], needed[2], rounding, from_)
    out = np.full((len(both) - begin, _COLUMNS), np.nan)
    for place in range(len(out)):
        row = from_ + place
        out[place, 0] = spread[row]
        if deviation[row] > 0.0:
            out[place, 1] = (spread[row] - mean[row]) / deviation[row]
        out[place, 2] = strength[begin + place]
        if row >= windows[2]:
            out[place, 3] = 100.0 * (spread[row] / spread[row - windows[2]] - 1.0)
        if row >= 1:
            out[place, 4] = spread[row] / spread[row - 1] - 1.0
        out[place, 5] = volumes[row]
        if usual[row] > 0.0:
            out[place, 6] = volumes[row] / usual[row]
        out[place, 7], out[place, 8], out[place, 9] = correlated[row], slopes[row], half_lives[row]
    return out


@compiled
def all_pair_statistics(
    assets: Floats,
    present: NDArray[np.bool_],
    pairs: Ints,
    windows: Ints,
    needed: Ints,
    rounding: float,
    begin: int,
    least: int,
) -> tuple[Ints, Floats]:
    """Return (pair, hour, common hours so far) and the `pair_statistics` of every row that a pair has, pair by pair.

    `assets`: assets × 4 × hours (see `pair_statistics`); `present`: assets × hours; `pairs`: pairs × (base, quote),
    places in `assets`. A pair has a row in every hour from `begin` on that both assets have, from its `least`-th on.
    """
    count = 0
    for pair in range(len(pairs)):
        common = 0
        for hour in range(present.shape[1]):
            if present[pairs[pair, 0], hour] and present[pairs[pair, 1], hour]:
                common += 1
                if hour >= begin and common >= least:
                    count += 1
    keys, out = np.empty((count, 3), np.int64), np.empty((count, _COLUMNS))
    at = 0
    for pair in range(len(pairs)):
        base, quote = pairs[pair, 0], pairs[pair, 1]
        both = present[base] & present[quote]
        if both[begin:].sum() == 0 or both.sum() < least:
            continue
        rows = pair_statistics(assets[base], assets[quote], both, windows, needed, rounding, begin)
        common = both[:begin].sum()
        for place in range(len(rows)):
            if both[begin + place]:
                common += 1
                if common >= least:
                    keys[at, 0], keys[at, 1], keys[at, 2] = pair, begin + place, common
                    out[at] = rows[place]
                    at += 1
    return keys, out
