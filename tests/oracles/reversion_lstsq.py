"""Hedge ratio and half-life of one window, by two least-squares solves."""

import math

import numpy as np

NAN = float("nan")


def reversion(close_a, close_b, window: int) -> tuple[float, float]:
    """Of the last `window` closes (NaN: not observed): (hedge ratio, half-life)."""
    log_a, log_b = np.log(np.asarray(close_a, float)[-window:]), np.log(np.asarray(close_b, float)[-window:])
    seen = ~np.isnan(log_a) & ~np.isnan(log_b)
    if 10 * seen.sum() < 9 * window or np.ptp(log_b[seen]) <= 1e-12:
        return NAN, NAN
    # Centring leaves the slope alone and keeps the solve well conditioned.
    x, y = log_b - log_b[seen].mean(), log_a - log_a[seen].mean()
    design = np.column_stack([np.ones(seen.sum()), x[seen]])
    (intercept, slope), *_ = np.linalg.lstsq(design, y[seen], rcond=None)
    residual = y - intercept - slope * x
    if np.ptp(residual[seen]) <= 1e-12:
        return float(slope), NAN
    rows = [t for t in range(1, len(seen)) if seen[t] and seen[t - 1]]
    before = np.array([residual[t - 1] for t in rows])
    change = np.array([residual[t] - residual[t - 1] for t in rows])
    (_, phi), *_ = np.linalg.lstsq(np.column_stack([np.ones(len(rows)), before]), change, rcond=None)
    return float(slope), (-math.log(2) / math.log1p(phi) if -1 < phi < 0 else NAN)
