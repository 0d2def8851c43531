"""Calibrated probabilities of training rows that neither the forest nor the map of its votes has seen.

A calibrated forest costs as many fits as it has folds, and one more; fitting it anew for each fold of its own training
rows costs that many times as much. What is asked for is the same from the votes of each fold's forest alone: the map of
a fold's votes is fitted on the votes of the other folds (cross-fitting). The forests behind those votes have seen the
fold's rows, but the map learns from the labels of its own rows only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def calibrate_across_folds(
    votes: Floats, labels: Ints, weights: Floats | None, splits: Sequence[tuple[Ints, Ints]], method: str
) -> Floats:
    """Return n probabilities: the votes of each fold's test side by the map that its training side's votes give.

    `votes`: shares of votes of n rows by models that had not seen them, NaN where there is none; `labels` 0 or 1;
    `weights` of the rows (None: all equal); `splits`: purged (training, test) places; `method`: isotonic or sigmoid.
    NaN where there is no vote, and in a fold whose training side has votes of one class alone.
    """
    found = np.full(len(votes), np.nan)
    there = np.isfinite(votes)
    for train, test in splits:
        learnt, said = train[there[train]], test[there[test]]
        if len(np.unique(labels[learnt])) == 2 and len(said):
            own = None if weights is None else weights[learnt]
            found[said] = _predict(_fit_map(votes[learnt], labels[learnt], own, method), votes[said])
    return found


def _fit_map(votes: Floats, labels: Ints, weights: Floats | None, method: str) -> Any:  # noqa: ANN401 - scikit-learn
    """Fit the map as that of a calibrated forest is fitted: by scikit-learn, with the votes in the forest's place."""
    from sklearn.calibration import CalibratedClassifierCV

    all_rows = np.arange(len(votes))
    calibrated = CalibratedClassifierCV(_make_votes(), method=method, cv=[(all_rows, all_rows)], ensemble=False)
    return calibrated.fit(_pair_up(votes), labels, sample_weight=weights)


def _make_votes() -> Any:  # noqa: ANN401 - scikit-learn
    """Return a classifier whose probabilities are its two columns: it learns nothing."""
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Votes(ClassifierMixin, BaseEstimator):
        def fit(self, _columns: Floats, labels: Ints, sample_weight: Floats | None = None) -> Any:  # noqa: ANN401
            self.classes_ = np.unique(labels)
            return self

        def predict(self, columns: Floats) -> Ints:
            return np.argmax(columns, axis=1)

        def predict_proba(self, columns: Floats) -> Floats:
            return columns

    return Votes()


def _pair_up(votes: Floats) -> Floats:
    return np.column_stack([1.0 - votes, votes])


def _predict(calibrated: Any, votes: Floats) -> Floats:  # noqa: ANN401 - scikit-learn
    probabilities: Floats = calibrated.predict_proba(_pair_up(votes))[:, 1]
    return probabilities
