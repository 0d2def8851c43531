"""Fitting the forest on labelled rows, and scoring every decision of the test period once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from feature_repo.catalog import EVENT_TIME, Service
from feature_repo.model_matrix import build_model_matrix
from pairity.settings import Settings
from training.data import training_sets as datasets
from training.data.folds import purged_positions
from training.data.splits import Split
from training.data.training_sets import Dataset
from training.labels.weights import training_weights
from training.models import pair_forest

_CALIBRATION_FOLDS = 3


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fitted pipeline with its scores over the whole test period."""

    pipeline: Any
    scored: pl.DataFrame
    """pair_id, event_timestamp, z_score, correlation_168h, hedge_ratio, known, label, probability."""


def fit_forest(rows: pl.DataFrame, service: Service, settings: Settings, fit_threads: int | None = None) -> Any:  # noqa: ANN401
    """Fit the forest on labelled rows (service features, label); a scikit-learn Pipeline."""
    labels = rows["label"].cast(pl.Int64).to_numpy()
    calibrated = settings.model.calibration != "none"
    return pair_forest.fit(
        build_model_matrix(rows, service),
        labels,
        settings.universe.assets,
        settings.model,
        fit_threads=fit_threads,
        weights=training_weights(rows, settings.label),
        splits=purged_positions(rows, folds=_CALIBRATION_FOLDS) if calibrated else None,
    )


def score(pipeline: Any, dataset: Dataset, split: Split, pair_id: str | None = None) -> Fitted:  # noqa: ANN401
    """Score every decision of the test period once (of one pair, if given); null where nothing was known."""
    rows = dataset.rows.filter(pl.col(EVENT_TIME) >= split.test_start)
    if pair_id is not None:
        rows = rows.filter(pl.col("pair_id") == pair_id)
    known = rows.filter(pl.col(datasets.KNOWN))
    probabilities = pair_forest.predict(pipeline, build_model_matrix(known, dataset.service))
    scored = pl.concat(
        [
            known.with_columns(pl.Series("probability", probabilities, dtype=pl.Float64)),
            rows.filter(~pl.col(datasets.KNOWN)).with_columns(pl.lit(None, dtype=pl.Float64).alias("probability")),
        ]
    )
    columns = [*datasets.KEY, "z_score", "correlation_168h", "hedge_ratio", datasets.KNOWN, "label", "probability"]
    return Fitted(pipeline, scored.select(columns).sort(EVENT_TIME, "pair_id"))


def seen_scores(pipeline: Any, dataset: Dataset, split: Split) -> pl.Series:  # noqa: ANN401 - sklearn.Pipeline
    """Probabilities on the training rows themselves: what the model's scores look like where it learnt."""
    values = pair_forest.predict(pipeline, build_model_matrix(split.train, dataset.service))
    return pl.Series("probability", values, dtype=pl.Float64)
