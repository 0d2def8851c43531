"""The probability above which a position pays: set by what positions earned and lost after costs in training.

A model's probability is that of its label, and a label is no money. What a candidate earns on average where the label
came true, and where it did not, is measured on the training rows, after fees on both sides, slippage and funding. A
position is worth its costs where q·win + (1 − q)·loss is above a margin, q being the probability as it proves to be on
rows that the model has not seen.

Source: docs/formulas.md, Threshold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Splits = Sequence[tuple[Ints, Ints]]
"""Positions of (training rows, test rows) of purged folds; every row is tested once at most."""

MARGINS = (0.0, 0.0005, 0.001, 0.002, 0.004, 0.008)
"""Margins that are tried, as fractions of the notional entered."""
CLOSED = 1.0
"""Threshold above which no probability is: nothing is traded."""
LEAST_OF_A_KIND = 30
"""Candidates of either label without which an average says nothing."""
_DIGITS = 10_000
"""Thresholds are rounded up to 1/10000, so that what is shown is what is traded by."""
_CLIP = 1e-6
_MOST_STEPS = 100
_TOLERANCE = 1e-10


@dataclass(frozen=True, slots=True, kw_only=True)
class CostThreshold:
    """Threshold of one model, and what it follows from. Outcomes and margin are fractions of the notional entered."""

    value: float
    """A pair may be traded where its probability is above it; 1: nothing is."""
    margin: float | None
    """What the expected outcome must exceed; None where no margin was chosen."""
    win: float | None
    """Mean outcome after costs of the candidates whose label came true; None where there are too few."""
    loss: float | None
    """The same of those whose label did not."""
    candidates: int
    """Candidates of the training rows with a probability from outside of their fold and a known outcome."""
    passing: int
    """How many of them are above the threshold."""
    note: str = ""
    """Why nothing, or everything, passes; empty where the threshold divides the candidates."""


@dataclass(frozen=True, slots=True)
class _Payoff:
    """Outcome that a probability p stands for: q = 1/(1 + exp(−intercept − slope·logit p)), q·win + (1 − q)·loss.

    The slope is that within folds, the intercept makes as many labels come true as did over all folds.
    """

    intercept: float
    slope: float
    win: float
    loss: float

    def find_threshold(self, margin: float) -> float:
        """Return the probability above which the expected outcome is above `margin`, rounded up; from 0 to 1."""
        needed = (margin - self.loss) / (self.win - self.loss)
        if needed >= 1.0:
            return CLOSED
        if needed <= 0.0:
            return 0.0
        exact = _map_logistic((_logit(needed) - self.intercept) / self.slope)
        return min(CLOSED, math.ceil(exact * _DIGITS) / _DIGITS)


def choose_threshold(
    probabilities: Floats, labels: Ints, outcomes: Floats, hours: Ints, splits: Splits
) -> CostThreshold:
    """Return the threshold of a model, from n training rows.

    `probabilities`: what models said that had not seen the row's fold; `outcomes`: net of costs, as a fraction of the
    notional entered; rows where either is NaN are left out. `labels` are 0 or 1, `hours` whole hours, `splits` the
    purged folds.

    The payoff is fitted on all of them: probabilities are calibrated by a logistic curve (Platt 1999) whose slope is
    that within folds, win and loss are means. Between folds the probabilities fall where labels come true more often,
    whatever a model knows: it has learnt the frequency of the others. The margin is the one of MARGINS whose candidates
    earned the most in the folds, where the payoff of a fold's training side sets the threshold on its test side; an
    hour counts with the mean of its candidates. Nothing is traded (CLOSED, with a note) where either label has fewer
    than 30 candidates, where probabilities do not rise with the labels or outcomes not with the labels, and where every
    margin lost.
    """
    used = np.isfinite(probabilities) & np.isfinite(outcomes)
    own = probabilities[used]
    places = number_folds(len(probabilities), splits)
    fitted = _fit_payoff(own, labels[used], outcomes[used], places[used])
    if isinstance(fitted, str):
        return CostThreshold(
            value=CLOSED, margin=None, win=None, loss=None, candidates=len(own), passing=0, note=fitted
        )
    earned, traded = _try_margins(probabilities, labels, outcomes, hours, used, splits)
    best = int(np.argmax(earned))  # the first of equals: the smallest margin
    value, note = fitted.find_threshold(MARGINS[best]), ""
    if traded.any() and earned[best] <= 0.0:
        value, note = CLOSED, "in the training folds, what passed lost after costs at every margin"
    passing = int(np.sum(own > value))
    if not note and not passing:
        note = "no candidate of the training rows is above it"
    elif passing == len(own):
        note = "every candidate of the training rows is above it: it does not bind"
    return CostThreshold(
        value=value,
        margin=MARGINS[best],
        win=fitted.win,
        loss=fitted.loss,
        candidates=len(own),
        passing=passing,
        note=note,
    )


def _try_margins(
    probabilities: Floats, labels: Ints, outcomes: Floats, hours: Ints, used: NDArray[np.bool_], splits: Splits
) -> tuple[Floats, Ints]:
    """Return what the candidates of all test sides earned at each margin, and how many passed."""
    places = number_folds(len(probabilities), splits)
    earned, traded = np.zeros(len(MARGINS)), np.zeros(len(MARGINS), dtype=np.int64)
    for train, test in splits:
        before, after = train[used[train]], test[used[test]]
        payoff = _fit_payoff(probabilities[before], labels[before], outcomes[before], places[before])
        if isinstance(payoff, str):
            continue
        for place, margin in enumerate(MARGINS):
            taken = after[probabilities[after] > payoff.find_threshold(margin)]
            earned[place] += _sum_by_hour(outcomes[taken], hours[taken])
            traded[place] += len(taken)
    return earned, traded


def _sum_by_hour(outcomes: Floats, hours: Ints) -> float:
    """Return the sum over hours of the mean outcome of each: one position at a time, whichever it is."""
    _, places = np.unique(hours, return_inverse=True)
    counts = np.bincount(places)
    return float(np.sum(np.bincount(places, weights=outcomes) / counts)) if len(counts) else 0.0


def number_folds(rows: int, splits: Splits) -> Ints:
    """Return the number of the fold that tests each of n rows; −1 where none does."""
    places = np.full(rows, -1, dtype=np.int64)
    for number, (_, test) in enumerate(splits):
        places[test] = number
    return places


def _fit_payoff(probabilities: Floats, labels: Ints, outcomes: Floats, folds: Ints) -> _Payoff | str:
    """Return the payoff, or in words why there is none."""
    for kind, name in ((1, "wins"), (0, "loses")):
        count = int(np.sum(labels == kind))
        if count < LEAST_OF_A_KIND:
            return (
                f"{count} of {len(labels)} candidates have the label {kind}: what a position then {name} is not known "
                f"({LEAST_OF_A_KIND} are needed)"
            )
    win, loss = float(outcomes[labels == 1].mean()), float(outcomes[labels == 0].mean())
    if win <= loss:
        return "positions earn no more where the label comes true than where it does not"
    intercept, slope = _calibrate(probabilities, labels, folds)
    if not slope > 0.0:
        return "within the folds, higher probabilities do not go with more labels that come true"
    return _Payoff(intercept, slope, win, loss)


def _calibrate(probabilities: Floats, labels: Ints, folds: Ints) -> tuple[float, float]:
    """Return intercept and slope of the logistic curve of the labels on logit p, by Newton's method (Platt 1999).

    First with an intercept for each fold, which gives the slope; then with that slope and one intercept.
    """
    inputs = np.log(np.clip(probabilities, _CLIP, 1.0 - _CLIP))
    inputs -= np.log1p(-np.clip(probabilities, _CLIP, 1.0 - _CLIP))
    _, places = np.unique(folds, return_inverse=True)
    counts = np.bincount(places)
    moved = inputs - (np.bincount(places, weights=inputs) / counts)[places]
    if np.ptp(moved) == 0.0:
        return 0.0, 0.0
    targets = _smooth(labels, places, counts)
    levels, slope = np.zeros(len(counts)), 0.0
    for _ in range(_MOST_STEPS):
        said = _map_all(levels[places] + slope * moved)
        weights, rest = said * (1.0 - said), targets - said
        # The information of the levels is diagonal: the slope's step follows from what they leave (Schur complement).
        own = np.maximum(np.bincount(places, weights=weights), 1e-12)
        across = np.bincount(places, weights=weights * moved)
        up = np.bincount(places, weights=rest)
        left = max(float((weights * moved * moved).sum() - (across**2 / own).sum()), 1e-12)
        along = (float((rest * moved).sum()) - float((across * up / own).sum())) / left
        steps = (up - across * along) / own
        largest = max(float(np.abs(steps).max()), abs(along))
        short = min(1.0, 2.0 / max(largest, 1e-12))
        levels, slope = levels + short * steps, slope + short * along
        if largest < _TOLERANCE:
            break
    return _find_level(inputs, labels, slope), slope


def _smooth(labels: Ints, places: Ints, counts: Ints) -> Floats:
    """Return Platt's targets within each fold: certain ones would give separable rows a slope without end."""
    positives = np.bincount(places, weights=labels)
    targets: Floats = np.where(
        labels == 1, ((positives + 1.0) / (positives + 2.0))[places], (1.0 / (counts - positives + 2.0))[places]
    )
    return targets


def _find_level(inputs: Floats, labels: Ints, slope: float) -> float:
    """Return the intercept with which as many labels are said to come true as did, all folds together."""
    wanted = float(np.mean(_smooth(labels, np.zeros(len(labels), dtype=np.int64), np.array([len(labels)]))))
    centre = float(np.mean(inputs))
    moved, level = slope * (inputs - centre), _logit(wanted)
    for _ in range(_MOST_STEPS):
        said = _map_all(level + moved)
        step = (wanted - float(said.mean())) / max(float((said * (1.0 - said)).mean()), 1e-12)
        level += min(max(step, -2.0), 2.0)
        if abs(step) < _TOLERANCE:
            break
    return level - slope * centre


def _map_all(values: Floats) -> Floats:
    mapped: Floats = 1.0 / (1.0 + np.exp(-np.clip(values, -30.0, 30.0)))
    return mapped


def _logit(share: float) -> float:
    return math.log(share) - math.log1p(-share)


def _map_logistic(value: float) -> float:
    return 1.0 / (1.0 + math.exp(-min(max(value, -700.0), 700.0)))
