"""The universal pair forest: one random forest over the rows of all pairs.

The pipeline is what is stored and served: it encodes the pair's identity itself, with categories fixed by the
universe, so that training and serving cannot number assets differently. Missing features stay missing (NaN): the
trees learn where they go.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pairity.errors import MissingDataError
from pairity.number_formats import format_count
from pairity.settings import ModelSettings

if TYPE_CHECKING:
    import pandas as pd

CATEGORIES = ("base_asset", "quote_asset")

Splits = Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]
"""Positions of (training rows, test rows); every row is tested once."""


def build_pipeline(
    universe: Sequence[str], settings: ModelSettings, fit_threads: int, splits: Splits | None = None
) -> Any:  # noqa: ANN401 - sklearn.Pipeline
    """Return an unfitted pipeline: ordinal encoding of both assets with fixed categories, then the forest.

    With `settings.calibration` the forest is fitted on all rows, and its votes are mapped to frequencies: forests that
    are fitted on the training side of `splits` and score the test side give the mapping. Prediction refuses an asset
    outside `universe` (ValueError of the encoder): nothing was learnt about it.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OrdinalEncoder

    identity = OrdinalEncoder(categories=[list(universe)] * len(CATEGORIES), handle_unknown="error")
    encoder = ColumnTransformer(
        [("assets", identity, list(CATEGORIES))], remainder="passthrough", verbose_feature_names_out=False
    )
    forest = RandomForestClassifier(
        n_estimators=settings.n_estimators,
        max_depth=settings.max_depth,
        min_samples_leaf=settings.min_samples_leaf,
        class_weight={0: 1.0, 1: settings.positive_weight},
        random_state=settings.seed,
        # Calibration learns from predictions, and votes summed in parallel differ in the last bit from run to run.
        n_jobs=fit_threads if settings.calibration == "none" else 1,
    )
    if settings.calibration == "none":
        return Pipeline([("encode", encoder), ("forest", forest)])
    from sklearn.calibration import CalibratedClassifierCV

    calibrated = CalibratedClassifierCV(
        forest, method=settings.calibration, cv=splits, ensemble=False, n_jobs=fit_threads
    )
    return Pipeline([("encode", encoder), ("forest", calibrated)])


def fit_pipeline(
    matrix: pd.DataFrame,
    labels: NDArray[np.int64],
    universe: Sequence[str],
    settings: ModelSettings,
    fit_threads: int | None = None,
    weights: NDArray[np.float64] | None = None,
    splits: Splits | None = None,
) -> Any:  # noqa: ANN401 - sklearn.Pipeline
    """Fit on (n rows × features) with labels 0/1 and n weights (None: all equal); `splits` are for calibration.

    MissingDataError unless both classes occur.

    The result does not depend on `fit_threads` (default: all cores): each tree has its own seed. The fitted forest is
    set to one thread: summing the trees' votes in parallel would change the last bit from run to run, and is slower
    for the few rows of one decision.
    """
    from joblib import parallel_config

    _require_both_classes(labels, settings)
    pipeline = build_pipeline(universe, settings, fit_threads or os.cpu_count() or 1, splits)
    with parallel_config(backend="threading"):
        pipeline.fit(matrix, labels, forest__sample_weight=weights)
    for forest in (pipeline.named_steps["forest"], _unwrap_forest(pipeline)):
        forest.set_params(**{name: 1 for name in forest.get_params() if name.endswith("n_jobs")})
    return pipeline


def predict_probability(pipeline: Any, matrix: pd.DataFrame) -> NDArray[np.float64]:  # noqa: ANN401 - sklearn.Pipeline
    """Return the probability of class 1 per row of `matrix`, on one thread; an empty matrix gives an empty array."""
    if len(matrix) == 0:
        return np.empty(0, dtype=np.float64)
    probabilities: NDArray[np.float64] = pipeline.predict_proba(matrix)[:, 1]
    return probabilities


def compute_importances(pipeline: Any) -> dict[str, float]:  # noqa: ANN401 - sklearn.Pipeline
    """Return the mean decrease in impurity per feature (sums to 1), largest first.

    It is biased towards features with many values.
    """
    names = pipeline.named_steps["encode"].get_feature_names_out()
    values = _unwrap_forest(pipeline).feature_importances_
    return dict(
        sorted(
            ((str(name), float(value)) for name, value in zip(names, values, strict=True)), key=lambda item: -item[1]
        )
    )


def _unwrap_forest(pipeline: Any) -> Any:  # noqa: ANN401 - RandomForestClassifier
    """Return the fitted forest, whether or not its votes are calibrated."""
    last = pipeline.named_steps["forest"]
    return last.calibrated_classifiers_[0].estimator if hasattr(last, "calibrated_classifiers_") else last


def _require_both_classes(labels: NDArray[np.int64], settings: ModelSettings) -> None:
    rows, positives = len(labels), int(labels.sum())
    if positives in (0, rows):
        raise MissingDataError(
            f"all {rows} training labels are {int(positives > 0)}: a classifier needs both classes",
            "ingest a longer history, or change label.kind, label.target or label.horizon_bars",
        )
    if rows < 2 * settings.min_samples_leaf:
        raise MissingDataError(
            f"{format_count(rows, 'training row cannot', 'training rows cannot')} be divided into two leaves of "
            f"{settings.min_samples_leaf}",
            "ingest a longer history, or lower model.min_samples_leaf",
        )
