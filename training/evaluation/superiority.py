"""Is any of many trials better than doing nothing, and which? Tests that know how the trials move together.

Two answers from one bootstrap of the matrix of returns, hours × trials, all over the same hours:

- superior predictive ability (Hansen 2005, the consistent p-value): whether the best trial earns more than nothing,
  given that it is the best of so many. Trials that clearly lose do not make the test milder.
- stepwise multiple testing (Romano & Wolf 2005; adjusted p-values as in 2016): for each trial, whether *it* does, so
  that the probability of even one false yes is bounded.

Hours are resampled in blocks of random length (stationary bootstrap, Politis & Romano 1994), the same for all trials:
what moves together stays together. Draws are seeded, so that the same returns have the same p-values.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pairity.errors import DataError

Floats = NDArray[np.float64]
DRAWS = 1000
BLOCK_HOURS = 24
"""Mean length of a block: a day."""
LEAST_BLOCKS = 40
"""Blocks below which the draws are too alike: of worlds without an edge twice as many would be called superior."""
_MOST_VALUES = 2_000_000
"""Running sums that are looked up at once: 16 MB."""
_SEED = 20050101


@dataclass(frozen=True, slots=True)
class Superiority:
    """p-values of a matrix of trials."""

    best: float
    """Of the hypothesis that no trial earns more than nothing (Hansen)."""
    adjusted: Floats
    """Per trial, of the hypothesis that it earns no more than nothing (Romano & Wolf)."""
    trials: int
    hours: int


def assess_superiority(returns: Floats, *, draws: int = DRAWS, block_hours: int = BLOCK_HOURS) -> Superiority:
    """Test the mean returns of `returns` (hours × trials, fractions per hour) against nothing.

    A trial whose returns do not vary has the p-value 1. DataError for a table without trials, with fewer than
    `LEAST_BLOCKS` blocks of hours, and for values that are not finite.
    """
    if returns.ndim != 2 or not returns.shape[1] or returns.shape[0] < LEAST_BLOCKS * block_hours:
        raise DataError(
            f"a table of shape {returns.shape} is too small to test trials over blocks of {block_hours} hours",
            "test over a longer history",
        )
    if not np.isfinite(returns).all():
        raise DataError("returns hold values that are no numbers", "mark equity at every period before measuring it")
    hours, trials = returns.shape
    means = returns.mean(axis=0)
    # Centred: what a draw adds is the error of a mean, whatever the mean
    errors = np.concatenate(list(_draw_sums(returns - means, draws, block_hours))) / math.sqrt(hours)
    spread = errors.std(axis=0)
    usable = spread > 1e-12 * np.abs(returns).max(initial=0.0)
    adjusted = np.ones(trials)
    if not usable.any():
        return Superiority(1.0, adjusted, trials, hours)
    scores = math.sqrt(hours) * means[usable] / spread[usable]
    noise = errors[:, usable] / spread[usable]
    adjusted[usable] = _step_down(scores, noise)
    return Superiority(_test_best(scores, noise, hours), adjusted, trials, hours)


def _test_best(scores: Floats, noise: Floats, hours: int) -> float:
    """Return Hansen's consistent p-value: trials far below 0 keep their losses in the draws."""
    threshold = -math.sqrt(2.0 * math.log(math.log(hours)))
    kept = np.where(scores < threshold, scores, 0.0)
    found = max(0.0, float(scores.max()))
    drawn = np.maximum(0.0, (noise + kept).max(axis=1))
    return _count_above(drawn, found) if found > 0.0 else 1.0


def _step_down(scores: Floats, noise: Floats) -> Floats:
    """Return Romano & Wolf's adjusted p-values: the best against all, the next against all but the best, …"""
    order = np.argsort(-scores, kind="stable")
    # Largest draw among a trial and all behind it
    behind = np.maximum.accumulate(noise[:, order[::-1]], axis=1)[:, ::-1]
    steps = [_count_above(behind[:, place], float(scores[trial])) for place, trial in enumerate(order)]
    adjusted = np.empty(len(scores))
    adjusted[order] = np.maximum.accumulate(steps)
    return adjusted


def _count_above(drawn: Floats, found: float) -> float:
    return (1.0 + float((drawn >= found).sum())) / (1.0 + len(drawn))


def _draw_sums(centred: Floats, draws: int, block_hours: int) -> Iterator[Floats]:
    """Yield the sums of resampled returns, draws × trials, some draws at a time.

    A draw is made of blocks that begin anywhere and have geometric lengths; after the last hour comes the first. The
    sum of a block is a difference of running sums.
    """
    rng = np.random.default_rng(_SEED)
    hours, trials = centred.shape
    running = np.concatenate([np.zeros((1, trials)), np.cumsum(np.concatenate([centred, centred]), axis=0)])
    most = int(1.3 * hours / block_hours) + 60  # blocks of a draw, with room; the last one fills what is left
    at_once = max(1, _MOST_VALUES // (most * trials))
    for begin in range(0, draws, at_once):
        shape = min(at_once, draws - begin), most
        lengths = rng.geometric(1.0 / block_hours, shape)
        lengths[:, -1] = hours
        ends = np.minimum(np.cumsum(lengths, axis=1), hours)
        lengths = np.diff(ends, axis=1, prepend=0)
        starts = rng.integers(0, hours, shape)
        yield (running[starts + lengths] - running[starts]).sum(axis=1)
