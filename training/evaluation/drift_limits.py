"""Limits of drift from the training's own months: how far each lies from the rest, and how often a limit errs.

Every series (a feature or the scores, pooled or of one pair) has one index per month against the other months. Their
logarithms are spread differently per series, and all tails are of one kind: so the level that is exceeded as often as
wished is sought over all series together, in standard deviations of each, and each gets the limit at that level.

Source: docs/formulas.md, Drift per month and pair.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST_MONTHS = 4
"""Fewer months cannot be held out one by one and leave a spread to measure."""
_PRIOR = 4.0
"""Degrees of freedom of the spread of all series together in that of one: a few months alone say little of it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limit per series (NaN where its months say nothing), and how often they erred on months that they did not know.

    `alarms`: series above their limit, per held-out month; `alarmed`: share of the held-out months with any. Neither is
    below one in months + 1: so few months cannot show that limits err more seldom.
    """

    values: Floats
    alarms: float
    alarmed: float


def calibrate_limits(indices: Floats, allowed: float) -> Limits | None:
    """Return limits that `allowed` series exceed per month, by chance; None for fewer than 4 months.

    `indices`: series × months, NaN where a month has no value. The level is the one that at most `allowed`·months of
    all values exceed when each is judged by the other months. That count is not how often the limits err: it was
    chosen. So every month is held out once, level included, and counted.
    """
    months = indices.shape[1]
    if months < LEAST_MONTHS or not indices.size:
        return None
    logs = np.log(np.maximum(indices, 1e-9))
    beyond = np.array([_count_beyond(logs, month, allowed) for month in range(months)])
    least = 1.0 / (months + 1)
    return Limits(
        np.exp(_find_limits(logs, allowed)), max(float(beyond.mean()), least), max(float((beyond > 0).mean()), least)
    )


def _count_beyond(logs: Floats, month: int, allowed: float) -> int:
    limits = _find_limits(np.delete(logs, month, axis=1), allowed)
    return int(np.sum(logs[:, month] > limits))


def _find_limits(logs: Floats, allowed: float) -> Floats:
    months = logs.shape[1]
    judged = np.concatenate([_judge(np.delete(logs, month, axis=1), logs[:, month]) for month in range(months)])
    known = np.sort(judged[~np.isnan(judged)])[::-1]
    if not len(known):
        return np.full(len(logs), np.nan)
    level = known[min(int(allowed * months), len(known) - 1)]
    mean, spread = _measure(logs)
    limits: Floats = mean + level * spread
    return limits


def _judge(others: Floats, values: Floats) -> Floats:
    """Return how many spreads of the other months each value lies above their mean."""
    mean, spread = _measure(others)
    judged: Floats = (values - mean) / spread
    return judged


def _measure(logs: Floats) -> tuple[Floats, Floats]:
    """Return mean and predictive spread of each series; the spread of few months leans on that of all series."""
    count = np.sum(~np.isnan(logs), axis=1).astype(np.float64)
    mean = np.divide(np.nansum(logs, axis=1), count, out=np.full(len(logs), np.nan), where=count > 0)
    squares = np.nansum((logs - mean[:, None]) ** 2, axis=1)
    own = np.divide(squares, count - 1, out=np.full(len(logs), np.nan), where=count > 1)
    common = float(np.nanmedian(own)) if np.any(~np.isnan(own)) else 0.0
    variance = np.where(count > 1, (squares + _PRIOR * common) / (count - 1 + _PRIOR), np.nan)
    spread: Floats = np.sqrt(np.maximum(variance, 1e-12) * (1.0 + 1.0 / np.maximum(count, 1.0)))
    return mean, spread
