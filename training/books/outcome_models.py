"""Models of the outcomes of pairs, and the margin above costs that earlier folds paid for.

The parameters are fixed: none was chosen by a result. Source: docs/formulas.md, Books.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_registry.lightgbm_text import REGRESSION, cut_text, read_trees
from model_registry.outcome_fits import PAIR_FEATURES, OutcomeTrees
from pairity.books.families import OutcomeModel
from training.evaluation.long_run import choose_lags, compute_mean_t

Floats = NDArray[np.float64]
SEED, THREADS = 19, 1
MARGINS = (0.0, 0.5, 1.0, 2.0, 4.0)
"""Margins that are tried, in round trips: a forecast is net already, and must be above this much more."""
LEAST_T = 1.64
"""t of a one-sided test at 5% that a margin must reach; where none does, nothing is traded."""
LEAST_ROWS = 400
"""Outcomes that a model needs: two leaves of boosting."""
_TREES = 100
_SHARED: dict[str, Any] = {
    "objective": "regression",
    "lambda_l2": 1.0,
    "seed": SEED,
    # The same trees whatever the number of threads: LightGBM then adds up histograms in one order.
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}
_OWN: Mapping[OutcomeModel, dict[str, Any]] = {
    OutcomeModel.BOOSTING: {
        "learning_rate": 0.05,
        "num_leaves": 15,
        "min_data_in_leaf": 200,
        "feature_fraction": 0.7,
    },
    OutcomeModel.FOREST: {
        "boosting": "rf",
        "num_leaves": 31,
        # Of the rows of one tree: with all rows it would be 200, too.
        "min_data_in_leaf": 60,
        "feature_fraction": 0.33,
        "bagging_fraction": 0.3,
        "bagging_freq": 1,
    },
}


def fit_outcomes(
    kind: OutcomeModel,
    rows: Floats,
    wanted: Floats,
    threads: int = THREADS,
    names: Sequence[str] = PAIR_FEATURES,
) -> OutcomeTrees:
    """Fit features (rows × `names`) to outcomes; the same rows give the same bits."""
    import lightgbm

    parameters = {**_SHARED, **_OWN[kind], "num_threads": threads}
    # Trees of a forest that cannot split say 0: what they say is added to the mean.
    mean = float(wanted.mean())
    data = lightgbm.Dataset(rows, wanted - mean, feature_name=list(names))
    text = cut_text(lightgbm.train(parameters, data, num_boost_round=_TREES).model_to_string())
    averaged = kind is OutcomeModel.FOREST
    # What is stored is what speaks: the walk-forward line is that of the text, too.
    trees = read_trees(text, names, "the fit that was made just now", REGRESSION, averaged=averaged)
    return OutcomeTrees(mean, text, trees, averaged)


def choose_margin(earned: Mapping[float, Sequence[float]], overlap: int) -> float | None:
    """Return the margin whose earnings have the largest t of their mean; None where none reaches 1.64.

    `earned`: margin → what the pairs above it earned on each day of the folds, outcomes that no model had seen.
    `overlap`: days that outcomes share with those that follow. Of equal ones the larger margin is taken.
    """
    found: list[tuple[float, float]] = []
    for margin, own in earned.items():
        t = compute_mean_t(np.asarray(own, dtype=np.float64), choose_lags(overlap, len(own)))
        if t is not None and t >= LEAST_T:
            found.append((t, margin))
    return max(found)[1] if found else None
