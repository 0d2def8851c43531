"""The votes of a forest, summed tree by tree.

scikit-learn hands each tree to a scheduler of tasks, even on one thread. For the few rows of one decision that is most
of the time that scoring takes. Here the trees are asked one after another, in the same order and with the same sums, so
that the probabilities are the same to the bit. Whatever is not such a forest scores itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd


def predict_probabilities(estimator: Any, matrix: pd.DataFrame) -> NDArray[np.float64]:  # noqa: ANN401 - scikit-learn's
    """Return what `estimator.predict_proba` does, the probability of each class (rows × classes); it raises the same.

    `estimator` is a fitted pipeline or model of scikit-learn's kind.
    """
    inputs = _forest_inputs(estimator, matrix)
    if inputs is None:
        probabilities: NDArray[np.float64] = estimator.predict_proba(matrix)
        return probabilities
    forest = estimator[-1]
    votes = np.zeros((len(inputs), forest.n_classes_), dtype=np.float64)
    for tree in forest.estimators_:
        votes += tree.tree_.predict(inputs)[:, : forest.n_classes_]
    votes /= len(forest.estimators_)
    return votes


def _forest_inputs(estimator: Any, matrix: pd.DataFrame) -> NDArray[np.float32] | None:  # noqa: ANN401 - scikit-learn's
    """Return the rows as the trees of a pipeline's forest want them; None for everything else."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import Pipeline
    from sklearn.utils import get_tags

    if not (isinstance(estimator, Pipeline) and type(estimator[-1]) is RandomForestClassifier):
        return None
    forest = estimator[-1]
    # Votes that are summed on several threads have no order, and several outputs are several arrays.
    if forest.n_jobs not in (None, 1) or forest.n_outputs_ != 1:
        return None
    encoded = estimator[:-1].transform(matrix)
    if type(encoded) is not np.ndarray or encoded.shape[1:] != (forest.n_features_in_,):
        return None
    inputs = np.ascontiguousarray(encoded, dtype=np.float32)
    known = np.isfinite(inputs)
    if not known.all() and (np.isinf(inputs).any() or not get_tags(forest).input_tags.allow_nan):
        return None
    return inputs
