"""Probability of backtest overfitting: does the best trial in sample stay above the median out of sample?

Combinatorially symmetric cross-validation, CSCV (Bailey, Borwein, López de Prado, Zhu 2015, algorithm 2.3;
docs/formulas.md, What a Sharpe ratio is worth). It measures how stable **ranks** are: whether the choice among these
trials means anything for other hours. It is no probability that the best one loses, and none that it was luck to earn.
Trials that are no choices (holding a coin beside strategies) make ranks look stable and do not belong in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from pairity.errors import DataError

Floats = NDArray[np.float64]
_RUIN = -1.0 + 1e-12
BLOCKS = 16
"""Number of blocks in the paper: there are 12,870 ways to call half of them in sample."""


@dataclass(frozen=True, slots=True)
class Overfitting:
    """Consequence, out of sample, of choosing the best trial in sample."""

    probability: float
    """Share of the splits in which the best in sample is not above the median out of sample (logit ≤ 0)."""
    logits: Floats
    """ln(w/(1 − w)) per split, w = relative rank out of sample of the best in sample."""
    slope: float | None
    """Slope of the best trial's logarithmic return out of sample over that in sample; None where the latter does not
    vary."""
    loss_probability: float
    """Share of the splits in which the best in sample loses out of sample."""
    trials: int
    splits: int


def estimate_overfitting(returns: Floats, blocks: int = BLOCKS) -> Overfitting:
    """Run CSCV over a matrix of T periods × N trials: all ways to call half of `blocks` in sample.

    Rows are returns (fractions) in order of time; T is cut to a multiple of `blocks` at the old end. Performance is the
    net return compounded over the joined blocks: what leaderboard and grids are ranked by. Ties share their average
    rank. DataError for fewer than 2 trials, an odd number of blocks, fewer than 2 rows a block, or values that are not
    finite.
    """
    from scipy.stats import rankdata

    _require_usable(returns, blocks)
    size = returns.shape[0] // blocks
    cut = returns[returns.shape[0] - size * blocks :].reshape(blocks, size, -1)
    # Logarithms add up, so that the sum per block is enough for every split; a return of −100% has none
    sums = np.log1p(np.maximum(cut, _RUIN)).sum(axis=1)
    chosen = np.array(list(combinations(range(blocks), blocks // 2)))
    inside = np.zeros((len(chosen), blocks))
    inside[np.arange(len(chosen))[:, None], chosen] = 1.0
    within, without = inside @ sums, (1.0 - inside) @ sums
    best = within.argmax(axis=1)
    line = np.arange(len(chosen))
    ranks = rankdata(without, axis=1)[line, best] / (returns.shape[1] + 1.0)
    logits = np.log(ranks / (1.0 - ranks))
    earned, promised = without[line, best], within[line, best]
    return Overfitting(
        probability=float((logits <= 0.0).mean()),
        logits=logits,
        slope=_fit_slope(promised, earned),
        loss_probability=float((earned < 0.0).mean()),
        trials=returns.shape[1],
        splits=len(chosen),
    )


def estimate_overfitting_of_distinct(returns: Floats, blocks: int = BLOCKS) -> Overfitting | None:
    """Run CSCV among the trials that move and differ from each other.

    A trial that repeats another one, hour by hour, is no choice. None where fewer than two trials are left, or too few
    rows.
    """
    distinct = np.unique(returns[:, np.ptp(returns, axis=0) > 0], axis=1)
    if distinct.shape[1] < 2 or distinct.shape[0] < 2 * blocks:
        return None
    return estimate_overfitting(distinct, blocks)


def _fit_slope(promised: Floats, earned: Floats) -> float | None:
    if float(np.ptp(promised)) == 0.0:
        return None
    centred = promised - promised.mean()
    return float((centred * (earned - earned.mean())).sum() / (centred**2).sum())


def _require_usable(returns: Floats, blocks: int) -> None:
    if returns.ndim != 2 or returns.shape[1] < 2:
        raise DataError(f"overfitting needs at least 2 trials, found a table of shape {returns.shape}", "try more")
    if blocks < 2 or blocks % 2:
        raise DataError(f"{blocks} blocks cannot be halved", "choose an even number")
    if returns.shape[0] < 2 * blocks:
        raise DataError(
            f"{returns.shape[0]} periods are too few for {blocks} blocks", "use fewer blocks or a longer backtest"
        )
    if not np.isfinite(returns).all():
        raise DataError("returns hold values that are no numbers", "mark equity at every period before measuring it")
