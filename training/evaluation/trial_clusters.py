"""How many trials were really made: series of returns that move together are clusters, and count as less.

Trials are joined into clusters of return series before their luck is counted (López de Prado & Lewis 2019). The
clusters are cut at a fixed correlation: a cut that is chosen by silhouettes joins trials that have nothing in common.
Within a cluster of m trials with mean correlation ρ, ρ + (1 − ρ)·m count (Bailey & López de Prado 2014, appendix 3):
copies are one trial, and what a cluster joins wrongly is counted nearly in full.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pairity.errors import DataError
from pairity.number_formats import format_count

Floats = NDArray[np.float64]
CUT = 0.5
"""Mean correlation below which clusters are not joined any more (average linkage)."""
LEAST_COMMON = 48
"""Hours that two trials must have in common for a correlation; below, they count as unrelated."""

MOST_AT_ONCE = 2000
"""Trials whose correlations are computed at once; beyond, trials of different batches count as unrelated."""


@dataclass(frozen=True, slots=True)
class TrialCount:
    """Number of trials with a ratio, of clusters among them, and of independent trials that they are worth."""

    trials: int
    clusters: int
    effective: float

    def __str__(self) -> str:
        if self.trials <= 1:
            return "1 trial" if self.trials else "no trial"
        return f"{format_count(self.trials, 'trial')}, worth {self.effective:.1f} independent ones"


def count_trials(returns: Floats) -> TrialCount:
    """Count the trials of a matrix of hours × trials; NaN where a trial had no hour.

    A trial that never moves has no ratio and is left out; one that repeats another is worth nothing more. DataError for
    a table that is no matrix, and for infinite values.
    """
    if returns.ndim != 2 or np.isinf(returns).any():
        raise DataError(f"trials are a table of hours and finite returns, not of shape {returns.shape}", "report this")
    moving = np.flatnonzero(_find_moving(returns))
    clusters, worth = 0, 0.0
    for begin in range(0, len(moving), MOST_AT_ONCE):
        correlations = correlate_trials(returns[:, moving[begin : begin + MOST_AT_ONCE]])
        members = cluster_trials(correlations)
        clusters += len(members)
        worth += sum(_count_cluster(correlations[np.ix_(own, own)]) for own in members)
    return TrialCount(len(moving), clusters, worth)


def correlate_trials(returns: Floats) -> Floats:
    """Return the correlations of the columns over the hours that each two have in common.

    0 where these are fewer than `LEAST_COMMON`, or one of the two does not move in them.
    """
    present = np.isfinite(returns)
    mask = present.astype(np.float64)
    count = np.maximum(mask.sum(axis=0), 1.0)
    centred = np.where(present, returns, 0.0)
    centred = np.where(present, centred - centred.sum(axis=0) / count, 0.0)
    common = mask.T @ mask
    # Means over the common hours: a trial's own mean would correlate two that merely drift
    safe = np.maximum(common, 1.0)
    sums, squares = centred.T @ mask, (centred**2).T @ mask
    covariance = centred.T @ centred - sums * sums.T / safe
    variance = squares - sums**2 / safe
    scale = np.sqrt(np.maximum(variance, 0.0) * np.maximum(variance.T, 0.0))
    still = (variance <= 1e-12 * squares) | (variance.T <= 1e-12 * squares.T)
    unknown = (common < LEAST_COMMON) | still | (scale == 0.0)
    correlations: Floats = np.clip(np.where(unknown, 0.0, covariance / np.where(unknown, 1.0, scale)), -1.0, 1.0)
    np.fill_diagonal(correlations, 1.0)
    return correlations


def cluster_trials(correlations: Floats) -> list[Sequence[int]]:
    """Return the clusters as lists of positions: joined while their mean correlation is at least `CUT`."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    if len(correlations) == 1:
        return [[0]]
    distances = squareform(1.0 - correlations, checks=False)
    labels = fcluster(linkage(distances, "average"), 1.0 - CUT, "distance")
    return [np.flatnonzero(labels == label).tolist() for label in np.unique(labels)]


def _find_moving(returns: Floats) -> NDArray[np.bool_]:
    if not returns.size:
        return np.zeros(returns.shape[1], dtype=np.bool_)
    present = np.isfinite(returns)
    high = np.where(present, returns, -np.inf).max(axis=0)
    low = np.where(present, returns, np.inf).min(axis=0)
    moving: NDArray[np.bool_] = high > low
    return moving


def _count_cluster(correlations: Floats) -> float:
    members = len(correlations)
    if members == 1:
        return 1.0
    shared = (correlations.sum() - members) / (members * (members - 1))
    return float(shared + (1.0 - shared) * members)
