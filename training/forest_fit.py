"""Fit the forest on labelled rows, and score every decision of the test period once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from feature_repo.catalog import EVENT_TIME, Service
from feature_repo.model_matrix import build_model_matrix
from pairity.settings import Settings
from training.data.folds import index_purged_kfold
from training.data.point_in_time import KNOWN
from training.data.splits import Split
from training.data.training_sets import KEY, TrainingSet
from training.labels.weights import weigh_rows
from training.models import pair_forest
from training.tasks import run_cases

_CALIBRATION_FOLDS = 3


@dataclass(frozen=True, slots=True)
class ScoredForest:
    """Fitted pipeline with its scores over the whole test period."""

    pipeline: Any
    scored: pl.DataFrame
    """pair_id, event_timestamp, z_score, correlation_168h, hedge_ratio, known, label, probability, threshold (the
    model's own; null where it has none)."""


def fit_forest(rows: pl.DataFrame, service: Service, settings: Settings, fit_threads: int | None = None) -> Any:  # noqa: ANN401
    """Fit the forest on labelled rows (service features, label) and return the scikit-learn Pipeline."""
    (pipeline,) = run_cases(settings, "forest", _fit, [(fit_threads,)], shared=(rows, service))
    return pipeline


def _fit(settings: Settings, rows: pl.DataFrame, service: Service, fit_threads: int | None) -> Any:  # noqa: ANN401
    labels = rows["label"].cast(pl.Int64).to_numpy()
    calibrated = settings.model.calibration != "none"
    return pair_forest.fit_pipeline(
        build_model_matrix(rows, service),
        labels,
        settings.universe.traded,
        settings.model,
        fit_threads=fit_threads,
        weights=weigh_rows(rows, settings.label),
        splits=index_purged_kfold(rows, folds=_CALIBRATION_FOLDS, horizon_bars=settings.label.horizon_bars)
        if calibrated
        else None,
    )


def score_test_period(
    pipeline: Any,  # noqa: ANN401 - sklearn.Pipeline
    training_set: TrainingSet,
    split: Split,
    pair_id: str | None = None,
    *,
    threshold: float | None = None,
) -> ScoredForest:
    """Score every decision of the test period (of one pair, if given); null where no features were known in time.

    `threshold` is that of the model, and stands beside its scores.
    """
    rows = training_set.rows.filter(pl.col(EVENT_TIME) >= split.test_start)
    if split.until is not None:
        rows = rows.filter(pl.col(EVENT_TIME) < split.until)
    if pair_id is not None:
        rows = rows.filter(pl.col("pair_id") == pair_id)
    known = rows.filter(pl.col(KNOWN))
    probabilities = pair_forest.predict_probability(pipeline, build_model_matrix(known, training_set.service))
    scored = pl.concat(
        [
            known.with_columns(pl.Series("probability", probabilities, dtype=pl.Float64)),
            rows.filter(~pl.col(KNOWN)).with_columns(pl.lit(None, dtype=pl.Float64).alias("probability")),
        ]
    )
    columns = [*KEY, "z_score", "correlation_168h", "hedge_ratio", KNOWN, "label", "probability"]
    own = pl.lit(threshold, pl.Float64).alias("threshold")
    return ScoredForest(pipeline, scored.select(*columns, own).sort(EVENT_TIME, "pair_id"))
