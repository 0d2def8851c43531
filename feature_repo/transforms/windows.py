"""Window statistics, each window computed on its own from its own values.

Incremental kernels carry the rounding of everything that passed through a window before; here a result depends on the
values of its window and on nothing else: not on rows before or after, on block sizes or on threads. Inputs are the
values of one entity on its complete hourly grid, oldest first, NaN where nothing was observed; a result stands at the
row of its window's *last* value, NaN where it is not defined (the caller silences floating-point warnings).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MIN_SHARE = 0.9
"""Statistics of two series need this share of their window's bars for both assets."""
ROUNDING = 1e-12
"""Moves below this, relative to the value, are rounding of a division or a logarithm, not prices (a tick is ≥ 1e-7)."""

_BLOCK_ROWS = 128  # a block of 168-row windows and its temporaries stay in the processor's cache


def rolling_mean(values: Floats, window: int) -> Floats:
    """Arithmetic mean of `window` values; NaN unless all are observed."""
    out = np.full(len(values), np.nan)
    for rows, (block,) in _blocks(window, values):
        out[rows] = block.sum(axis=1) / window
    return out


def rolling_std(values: Floats, window: int, *, scale: float = 0.0) -> Floats:
    """Sample standard deviation (ddof 1) of `window` values; NaN unless all are observed.

    Exactly 0 where the values differ by no more than `ROUNDING` times their size; `scale` is the least size assumed
    (1 for returns and logarithms, whose rounding is that of the prices they come from).
    """
    out = np.full(len(values), np.nan)
    for rows, (block,) in _blocks(window, values):
        every = ~np.isnan(block)
        deviation = _deviations(block, every)
        spread = np.sqrt((deviation**2).sum(axis=1) / (window - 1))
        out[rows] = np.where(every.all(axis=1), np.where(_flat(block, every, scale), 0.0, spread), np.nan)
    return out


def correlation(first: Floats, second: Floats, window: int) -> Floats:
    """Pearson correlation of two return series over `window` rows, from the rows that both have.

    NaN where these are fewer than `MIN_SHARE` of the window, or where either series is flat.
    """
    out = np.full(len(first), np.nan)
    for rows, (a, b) in _blocks(window, first, second):
        both = ~(np.isnan(a) | np.isnan(b))
        a_dev, b_dev = _deviations(a, both), _deviations(b, both)
        value = (a_dev * b_dev).sum(axis=1) / np.sqrt((a_dev**2).sum(axis=1) * (b_dev**2).sum(axis=1))
        defined = _enough(both, window) & ~_flat(a, both, 1.0) & ~_flat(b, both, 1.0)
        out[rows] = np.where(defined, value, np.nan)
    return out


class Reversion(NamedTuple):
    """Hedge ratio (Δln a per Δln b) and half-life of its residual (rows), one value per row each."""

    hedge_ratio: Floats
    half_life: Floats


def hedge_and_half_life(log_a: Floats, log_b: Floats, window: int) -> Reversion:
    """OLS of `log_a` on `log_b` with intercept over `window` rows, and how fast its residual e reverts to its mean.

    half_life = −ln 2 / ln(1 + φ), φ = slope of OLS (with intercept) of Δe on e[−1] over neighbouring rows that are both
    observed. Both are NaN where fewer than `MIN_SHARE` of the window's rows are observed or `log_b` is flat; the
    half-life also where the residual is rounding only, or −1 < φ < 0 does not hold.
    """
    slope, half_life = np.full(len(log_a), np.nan), np.full(len(log_a), np.nan)
    for rows, (a, b) in _blocks(window, log_a, log_b):
        both = ~(np.isnan(a) | np.isnan(b))
        a_dev, b_dev = _deviations(a, both), _deviations(b, both)
        beta = (a_dev * b_dev).sum(axis=1) / (b_dev**2).sum(axis=1)
        beta = np.where(_enough(both, window) & ~_flat(b, both, 1.0), beta, np.nan)
        slope[rows] = beta
        half_life[rows] = _half_life(a_dev - beta[:, None] * b_dev, both)
    return Reversion(slope, half_life)


def _half_life(residual: Floats, observed: Bools) -> Floats:
    both = observed[:, 1:] & observed[:, :-1]
    change = np.where(both, residual[:, 1:] - residual[:, :-1], 0.0)
    lagged = _deviations(residual[:, :-1], both)
    phi = (lagged * change).sum(axis=1) / (lagged**2).sum(axis=1)
    reverts = (phi > -1.0) & (phi < 0.0) & ~_flat(residual, observed, 1.0)
    value: Floats = -math.log(2.0) / np.log1p(np.where(reverts, phi, np.nan))
    return value


def _blocks(window: int, *series: Floats) -> Iterator[tuple[slice, list[Floats]]]:
    """Blocks of rows with their windows, (rows, window); windows that begin before the first row begin with NaN."""
    if len(series[0]) == 0:
        return
    before = np.full(window - 1, np.nan)
    windows = [sliding_window_view(np.concatenate([before, values]), window) for values in series]
    for start in range(0, len(series[0]), _BLOCK_ROWS):
        rows = slice(start, min(start + _BLOCK_ROWS, len(series[0])))
        # Contiguous copies: a sum along a row then has one order, whatever the number of rows.
        yield rows, [np.ascontiguousarray(view[rows]) for view in windows]


def _deviations(values: Floats, observed: Bools) -> Floats:
    """Deviations from the mean of each row's observed values; 0 where nothing was observed."""
    count = np.maximum(observed.sum(axis=1), 1)
    mean = np.where(observed, values, 0.0).sum(axis=1) / count
    return np.where(observed, values - mean[:, None], 0.0)


def _flat(values: Floats, observed: Bools, scale: float) -> Bools:
    high = np.where(observed, values, -np.inf).max(axis=1)
    low = np.where(observed, values, np.inf).min(axis=1)
    flat: Bools = high - low <= ROUNDING * np.maximum(np.maximum(np.abs(high), np.abs(low)), scale)
    return flat


def _enough(observed: Bools, window: int) -> Bools:
    enough: Bools = observed.sum(axis=1) >= math.ceil(MIN_SHARE * window)
    return enough
