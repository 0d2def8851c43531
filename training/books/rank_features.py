"""Features of the ranker at a close, from published bars and settlements alone, and the target that it learns.

Every value is computed from rows that were known at the close. Source: docs/formulas.md, Books.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from training.books.history_features import measure_deviations, measure_means, read_known
from training.books.panel import BookPanel

Floats = NDArray[np.float64]
RETURN_DAYS = (1, 2, 3, 5, 7, 10, 14, 21, 28, 42, 60, 90)
FUNDING_DAYS = (3, 7, 30)
VWAP_HOURS = (24, 72, 168, 720)
HORIZON_DAYS = (3, 5)
FEATURES = (
    *(f"return_{days}d" for days in RETURN_DAYS),
    *(f"funding_{days}d" for days in FUNDING_DAYS),
    *(f"funding_share_{days}d" for days in FUNDING_DAYS),
    *(f"vwap_distance_{hours}h" for hours in VWAP_HOURS),
    "volatility",
    "volatility_shock",
    "notional",
    "volume_shock_1d",
    "volume_shock_7d",
    "drawdown",
    "daily_range",
    "daily_skew",
)
_MONTH = 720
_LEAST_SHARE = 0.9
_CLIP = 4.0


def compute_rank_features(panel: BookPanel, hour: int) -> Floats:
    """Return the features of every name at row `hour`, `FEATURES` × names; NaN where one is not known.

    Returns and distances are natural logarithms. Funding is per hour and needs 90% of the hours; `volatility_shock` is
    ln σ(168 h)/σ(720 h), a volume shock ln of the mean notional of 1 or 7 days over that of 30; `drawdown` is ln of the
    close over the highest of 720 hours; range and skew are of thirty days of closes.
    """
    closes = read_known(panel, panel.closes, hour, 24 * max(RETURN_DAYS) + 1)
    volumes = read_known(panel, panel.volumes, hour, _MONTH)
    month = closes[-_MONTH:]
    notional = month * volumes
    moves = np.diff(np.log(closes[-_MONTH - 1 :]), axis=0)
    volatility, average = measure_deviations(moves), measure_means(notional)
    with np.errstate(divide="ignore", invalid="ignore"):
        rows = [np.log(closes[-1] / closes[-1 - 24 * days]) for days in RETURN_DAYS]
        funding = [_average_funding(panel, hour, 24 * days) for days in FUNDING_DAYS]
        rows += [mean for mean, _ in funding] + [share for _, share in funding]
        rows += [np.log(closes[-1] / _average_price(month[-hours:], volumes[-hours:])) for hours in VWAP_HOURS]
        rows += [
            volatility,
            np.log(measure_deviations(moves[-168:]) / volatility),
            average,
            np.log(measure_means(notional[-24:]) / average),
            np.log(measure_means(notional[-168:]) / average),
            np.log(closes[-1] / _reduce(np.fmax, month)),
            *_describe_days(closes[-_MONTH - 1 :]),
        ]
    table: Floats = np.array(rows)
    return np.where(np.isfinite(table) & ~np.isnan(closes[-1]), table, np.nan)


def compute_targets(panel: BookPanel, hour: int, columns: list[int], days: int) -> Floats:
    """Return what the ranker learns of the names of a universe (columns of the panel): known `days` later only.

    The log return from the next open to the open `days` later, less the mean over the universe, over σ·√(24·days);
    clipped to ±4. NaN where an open or σ is missing, and where the panel ends before.
    """
    begin, end = hour + 1, hour + 1 + 24 * days
    if end >= panel.hours or not columns:
        return np.full(len(columns), np.nan)
    moved = np.log(panel.opens[end, columns] / panel.opens[begin, columns])
    known = ~np.isnan(moved)
    if not known.any():
        return moved
    window = read_known(panel, panel.closes, hour, _MONTH + 1)[:, columns]
    risk = measure_deviations(np.diff(np.log(window), axis=0)) * math.sqrt(24 * days)
    excess = (moved - moved[known].mean()) / np.where(risk > 0, risk, np.nan)
    return np.clip(excess, -_CLIP, _CLIP)


def _average_price(closes: Floats, volumes: Floats) -> Floats:
    """Return the volume-weighted mean of closes per name; NaN where fewer than 90% of the hours are known."""
    known = ~np.isnan(closes) & ~np.isnan(volumes)
    traded = np.where(known, closes * volumes, 0.0).sum(axis=0)
    average = traded / np.where(known, volumes, 0.0).sum(axis=0)
    return np.where(known.sum(axis=0) >= _LEAST_SHARE * len(closes), average, np.nan)


def _average_funding(panel: BookPanel, hour: int, hours: int) -> tuple[Floats, Floats]:
    """Return the mean settled funding per hour (NaN below 90% of the hours) and the share that is known."""
    begin = max(0, hour - hours + 1)
    rates, covered = panel.rates[begin : hour + 1], panel.covered[begin : hour + 1]
    use = ~np.isnan(rates) & (covered > 0)
    known = np.where(use, covered, 0.0).sum(axis=0)
    total = np.array([math.fsum(rates[use[:, column], column]) for column in range(len(known))])
    share = np.minimum(1.0, known / hours)
    return np.where(share >= _LEAST_SHARE, total / np.where(known > 0, known, 1.0), np.nan), share


def _describe_days(closes: Floats) -> tuple[Floats, Floats]:
    """Return, per name, the mean of ln(highest/lowest close) of thirty days, and the skew of their returns."""
    days = closes[1:].reshape(_MONTH // 24, 24, -1)
    ranges = np.log(_reduce(np.fmax, days, 1) / _reduce(np.fmin, days, 1))
    returns = np.log(closes[24::24] / closes[:-1:24])
    centred = returns - measure_means(returns)
    deviation = np.sqrt(measure_means(centred**2))
    return measure_means(ranges), measure_means(centred**3) / np.where(deviation > 0, deviation, np.nan) ** 3


def _reduce(ufunc: np.ufunc, values: Floats, axis: int = 0) -> Floats:
    """Reduce along an axis past what is not known; NaN where nothing is."""
    reduced: Floats = ufunc.reduce(values, axis=axis)
    return reduced
