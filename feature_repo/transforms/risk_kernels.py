"""Loops behind the risk factors: windows of minutes as sums over full hours and parts of hours.

A window's moments are the sum of its full hours' moments and of those of the partial hours at its ends. Each is summed
on its own, in a fixed order: the result depends on the window's values alone, unlike a running sum, which keeps the
rounding of everything that left the window. It costs little more than one pass over the data.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from feature_repo.transforms.compiled import compiled

Floats = NDArray[np.float64]
_HOUR = 60
_SINGULAR = 1e-12
"""Share below which a difference is rounding: of the diagonal for a pivot (the regressors are collinear), of the sum of
squares for a sum of squared deviations (the series is flat)."""
_UNDERFLOW = 1e-200
"""Sums of squares below this are near the smallest floats and have lost their digits."""


@compiled
def bucket_means(returns: Floats, members: Floats, wanted: float) -> Floats:
    """Return each minute's mean return of the assets in bucket `wanted` (both minutes × assets); NaN without any."""
    out = np.full(len(returns), np.nan)
    for at in range(len(returns)):
        count, total = 0, 0.0
        for asset in range(returns.shape[1]):
            if members[at, asset] == wanted and not math.isnan(returns[at, asset]):
                count += 1
                total += returns[at, asset]
        if count > 0:
            out[at] = total / count
    return out


@compiled
def market_moments(returns: Floats, market: Floats) -> Floats:
    """Return count, Σr, Σm, Σrm, Σmm of one asset and day, over the minutes that have both returns."""
    out = np.zeros(5)
    for at in range(len(returns)):
        r, m = returns[at], market[at]
        if not (math.isnan(r) or math.isnan(m)):
            out[0] += 1.0
            out[1] += r
            out[2] += m
            out[3] += r * m
            out[4] += m * m
    return out


@compiled
def weighted_sum(values: Floats, weights: Floats) -> float:
    """Return Σ value·weight over the values that are not NaN, added from left to right."""
    total = 0.0
    for at in range(len(values)):
        if not math.isnan(values[at]):
            total += values[at] * weights[at]
    return total


@compiled
def _add(moments: Floats, row: Floats) -> None:
    """Add one observation (regressors, then the response) to packed moments, if none of its values is NaN.

    Packed: the count, the sums, then the products of the upper triangle row by row.
    """
    for value in row:
        if math.isnan(value):
            return
    size, at = len(row), 1 + len(row)
    moments[0] += 1.0
    for first in range(size):
        moments[1 + first] += row[first]
        for second in range(first, size):
            moments[at] += row[first] * row[second]
            at += 1


@compiled
def _centred(moments: Floats, size: int) -> Floats:
    """Return the sums of products of deviations from the means; exactly 0 on the diagonal where a series is flat."""
    gram = np.empty((size, size))
    at = 1 + size
    for first in range(size):
        for second in range(first, size):
            product = moments[at] - moments[1 + first] * moments[1 + second] / moments[0]
            if first == second and product <= max(_SINGULAR * moments[at], _UNDERFLOW):
                product = 0.0
            gram[first, second] = gram[second, first] = product
            at += 1
    return gram


@compiled
def _cholesky(gram: Floats, factors: int, ridge: float, lower: Floats) -> bool:
    """Write the lower triangle of gram + ridge·1 into `lower`; return False where the regressors are collinear."""
    for row in range(factors):
        for column in range(row + 1):
            value = gram[row, column] + (ridge if row == column else 0.0)
            for inner in range(column):
                value -= lower[row, inner] * lower[column, inner]
            if row != column:
                lower[row, column] = value / lower[column, column]
            elif value <= _SINGULAR * (gram[row, row] + ridge):
                return False
            else:
                lower[row, row] = math.sqrt(value)
    return True


@compiled
def _substitute(lower: Floats, gram: Floats, factors: int) -> Floats:
    """Return the slopes, from the triangle and the products with the response (the last column of `gram`)."""
    slopes = np.empty(factors)
    for row in range(factors):
        value = gram[row, factors]
        for inner in range(row):
            value -= lower[row, inner] * slopes[inner]
        slopes[row] = value / lower[row, row]
    for step in range(factors):
        row = factors - 1 - step
        value = slopes[row]
        for inner in range(row + 1, factors):
            value -= lower[inner, row] * slopes[inner]
        slopes[row] = value / lower[row, row]
    return slopes


@compiled
def _fit(moments: Floats, size: int, ridge: float, needed: float, out: Floats) -> None:
    """Write constant, coefficients, R² and adjusted R² of one window into `out`; leave it NaN if they are not defined.

    Minimises Σ(y − c − xb)² + ridge·Σb² in units of the returns themselves. The intercept is free; the coefficients are
    (X'X + ridge·1)⁻¹X'y with X and y centred on the window's means (ridge regression, Hoerl & Kennard 1970). R² = 1 −
    Σe²/Σ(y − ȳ)², with the residuals e of these coefficients.
    """
    count, factors = moments[0], size - 1
    if count < needed or count <= factors + 1:
        return
    gram, lower = _centred(moments, size), np.zeros((factors, factors))
    for series in range(size):
        if gram[series, series] == 0.0:
            return
    if not _cholesky(gram, factors, ridge, lower):
        return
    slopes = _substitute(lower, gram, factors)
    # Σe² = Σy² − 2·b'X'y + b'X'Xb in full: the shorter Σy² − b'X'y holds for a ridge of 0 only.
    constant, error = moments[size] / count, gram[factors, factors]
    for row in range(factors):
        constant -= slopes[row] * moments[1 + row] / count
        error -= 2.0 * slopes[row] * gram[row, factors]
        for inner in range(factors):
            error += slopes[row] * slopes[inner] * gram[row, inner]
        out[1 + row] = slopes[row]
    out[0] = constant
    share = error / gram[factors, factors]
    out[size] = 1.0 - share
    out[size + 1] = 1.0 - share * (count - 1.0) / (count - factors - 1.0)


@compiled
def _hour_blocks(observations: Floats) -> Floats:
    """Return the packed moments of each full hour."""
    size = observations.shape[1]
    blocks = np.zeros((len(observations) // _HOUR, 1 + size + size * (size + 1) // 2))
    for at in range(len(blocks) * _HOUR):
        _add(blocks[at // _HOUR], observations[at])
    return blocks


@compiled
def _between(blocks: Floats, first: int, end: int) -> Floats:
    """Return the sum of the blocks first … end − 1, added in this order."""
    total = np.zeros(blocks.shape[1])
    for block in range(first, end):
        total += blocks[block]
    return total


@compiled
def hourly_fits(observations: Floats, hours: int, ridge: float, min_share: float) -> Floats:
    """Regress the last column on the others over the last `hours` hours, at the end of each full hour.

    `observations`: minutes × (regressors, response), beginning at a full hour; NaN where not observed. Returns hours ×
    (constant, coefficients, R², adjusted R²): NaN before the first whole window, where less than `min_share` of the
    window's minutes have all values, where the regressors are collinear, and where one of them or the response is flat.
    """
    size = observations.shape[1]
    blocks = _hour_blocks(observations)
    out = np.full((len(blocks), size + 2), np.nan)
    for block in range(hours - 1, len(blocks)):
        # The last hour is added last, as in `minute_fits`, where it is the partial hour at the window's end.
        window = _between(blocks, block - hours + 1, block) + blocks[block]
        _fit(window, size, ridge, min_share * hours * _HOUR, out[block])
    return out


@compiled
def minute_fits(observations: Floats, hours: int, ridge: float, min_share: float) -> Floats:
    """Regress at every minute as `hourly_fits` does at every hour; at an hour's last minute the bits are the same.

    A window of minutes is the rest of its oldest hour (`tail`), whole hours between (`middle`) and the begun hour at
    its end (`head`).
    """
    size = observations.shape[1]
    blocks = _hour_blocks(observations)
    out = np.full((len(observations), size + 2), np.nan)
    tail = np.zeros((_HOUR, blocks.shape[1]))
    for block in range(hours - 1, (len(observations) - 1) // _HOUR + 1):
        middle = _between(blocks, block - hours + 1, block)
        tail[:] = 0.0
        if block >= hours:
            # tail[m]: the moments of the oldest hour's minutes after m, built from the hour's end backwards.
            for step in range(_HOUR - 1):
                minute = _HOUR - 2 - step
                tail[minute] = tail[minute + 1]
                _add(tail[minute], observations[(block - hours) * _HOUR + minute + 1])
        head = np.zeros(blocks.shape[1])
        for minute in range(min(_HOUR, len(observations) - block * _HOUR)):
            at = block * _HOUR + minute
            _add(head, observations[at])
            if at + 1 >= hours * _HOUR:
                _fit(tail[minute] + (middle + head), size, ridge, min_share * hours * _HOUR, out[at])
    return out
