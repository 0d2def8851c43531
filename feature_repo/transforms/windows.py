"""Window statistics, each window computed on its own from its own values.

Incremental kernels carry the rounding of everything that passed through a window before. Here a result depends on the
values of its window and on nothing else: not on rows before or after, on block sizes or on threads.

Inputs are the values of one entity on its complete hourly grid, oldest first, NaN where nothing was observed. Results
have the same length. Each stands at the row of its window's *last* value, where it is known, and is NaN where it is not
defined. Rows before `begin` are NaN, because they are not wanted. See docs/formulas.md, Statistics.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from feature_repo.transforms import window_kernels

Floats = NDArray[np.float64]

MIN_SHARE = 0.9
"""Least share of a window's bars that both assets need for a statistic of two series."""
ROUNDING = 1e-12
"""Share of a value below which a move is rounding of a division or a logarithm, not a price (a tick is ≥ 1e-7)."""


def rolling_mean(values: Floats, window: int, *, min_share: float = 1.0, begin: int = 0) -> Floats:
    """Return the mean over `window` rows, in their units; NaN where less than `min_share` of them are observed."""
    return window_kernels.means(values, window, math.ceil(min_share * window), begin)


def rolling_std(values: Floats, window: int, *, scale: float = 0.0, begin: int = 0) -> Floats:
    """Return the sample standard deviation (ddof 1) of `window` values, in their units; NaN unless all are observed.

    Exactly 0 where the values differ by no more than `ROUNDING` times their size. `scale` is the least size assumed: 1
    for returns and logarithms, whose rounding is that of the prices they come from.
    """
    return window_kernels.deviations(values, window, scale, ROUNDING, begin)


def rolling_correlation(first: Floats, second: Floats, window: int, *, begin: int = 0) -> Floats:
    """Return the Pearson correlation (−1…1) of two return series over `window` rows, from the rows that both have.

    NaN where these are fewer than `MIN_SHARE` of the window, and where either series is flat.
    """
    return window_kernels.correlations(first, second, window, math.ceil(MIN_SHARE * window), ROUNDING, begin)


class Reversion(NamedTuple):
    """Hedge ratio (Δln a per Δln b) and half-life of its residual (rows): one value per row each."""

    hedge_ratio: Floats
    half_life: Floats


def hedge_and_half_life(log_a: Floats, log_b: Floats, window: int, *, begin: int = 0) -> Reversion:
    """Regress `log_a` on `log_b` (OLS with intercept) over `window` rows; return slope and residual's half-life.

    half_life = −ln 2 / ln(1 + φ). φ is the OLS slope (with intercept) of Δe on e[−1], for the residual e, over
    neighbouring rows that are both observed: the discrete Ornstein–Uhlenbeck process. Both are NaN where fewer than
    `MIN_SHARE` of the window's rows are observed and where `log_b` is flat. The half-life is NaN also where the
    residual is rounding only, and where −1 < φ < 0 does not hold.
    """
    return Reversion(*window_kernels.reversions(log_a, log_b, window, math.ceil(MIN_SHARE * window), ROUNDING, begin))
