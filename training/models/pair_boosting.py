"""LightGBM over the rows of all pairs; its few parameters are chosen inside the training rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_repo.catalog import Service
from feature_repo.model_matrix import build_model_matrix
from pairity.errors import MissingDataError
from pairity.number_formats import format_count
from pairity.settings import Settings
from training.data.folds import index_purged_kfold
from training.labels.weights import weigh_rows
from training.tasks import run_cases

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
CATEGORIES = ("base_asset", "quote_asset")
_FIXED: dict[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.05,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 10.0,
    "verbosity": -1,
    # The same trees whatever the number of threads: LightGBM then adds up histograms in one order.
    "deterministic": True,
    "force_row_wise": True,
}
_ROUNDS = 120
_GRID = tuple({"num_leaves": leaves, "min_data_in_leaf": least} for leaves, least in product((7, 31), (100, 1000)))
_INNER_FOLDS = 3
_LEAST_ROWS = 60
_SMALL = 50_000
"""Number of rows below which more threads cost more than they save."""


@dataclass(frozen=True, slots=True)
class PairBoosting:
    """Fitted booster; `text` is LightGBM's own model format: data, no code."""

    text: str
    service: Service
    universe: tuple[str, ...]
    chosen: dict[str, int]
    """Parameters with the lowest loss on the inner folds."""

    def predict(self, rows: pl.DataFrame) -> Floats:
        """Return the probability of label 1; MissingDataError for an asset outside the universe."""
        import lightgbm

        if rows.is_empty():
            return np.empty(0)
        booster = lightgbm.Booster(model_str=self.text)
        probabilities: Floats = np.asarray(
            booster.predict(_make_matrix(rows, self.service, self.universe), num_threads=1)
        )
        return probabilities

    def compute_importances(self) -> dict[str, float]:
        """Return each feature's share of the total gain, largest first."""
        import lightgbm

        booster = lightgbm.Booster(model_str=self.text)
        gains = booster.feature_importance("gain")
        total = float(gains.sum()) or 1.0
        shares = zip(self.service.features, gains, strict=True)
        return dict(sorted(((name, float(gain) / total) for name, gain in shares), key=lambda item: -item[1]))


def fit_boosting(
    rows: pl.DataFrame,
    service: Service,
    settings: Settings,
    *,
    threads: int = 0,
    chosen: Mapping[str, int] | None = None,
) -> PairBoosting:
    """Choose parameters by log loss on purged inner folds of `rows`, then fit on all of them.

    `rows`: the service's features, label, event_timestamp, t0, t1. The result does not depend on `threads` (0: all).
    With `chosen` parameters nothing is chosen. MissingDataError unless both classes occur, and for too few rows.
    """
    require_both_classes(rows)
    shared = (rows, service, threads)
    if chosen is None:
        chosen = _choose(settings, shared, rows)
    (text,) = run_cases(settings, "boosting", _fit_text, [(dict(chosen),)], shared=shared)
    return PairBoosting(text, service, settings.universe.traded, dict(chosen))


def _choose(settings: Settings, shared: tuple[object, ...], rows: pl.DataFrame) -> dict[str, int]:
    """Return the candidate with the lowest mean log loss over inner folds whose training part holds both classes."""
    horizon = settings.label.horizon_bars
    splits = index_purged_kfold(rows, folds=_INNER_FOLDS, horizon_bars=horizon, trainable_only=True)
    trainable = [(train, test) for train, test in splits if rows["label"][train].n_unique() > 1]
    cases = [(candidate, train, test) for candidate in _GRID for train, test in trainable]
    measured = list(run_cases(settings, "boosting-candidate", _measure_loss, cases, shared=shared))
    size = len(trainable)
    means = [float(np.mean(measured[first * size : (first + 1) * size] or [np.inf])) for first in range(len(_GRID))]
    return _GRID[int(np.argmin(means))]


def _measure_loss(
    settings: Settings,
    rows: pl.DataFrame,
    service: Service,
    threads: int,
    candidate: dict[str, int],
    train: NDArray[np.int64],
    test: NDArray[np.int64],
) -> float:
    """Return the mean log loss of the rows at the places `test` by what is learnt from those at `train`."""
    booster = _train(rows[train], service, settings, candidate, threads)
    matrix = _make_matrix(rows[test], service, settings.universe.traded)
    probability = np.clip(np.asarray(booster.predict(matrix, num_threads=1)), 1e-12, 1 - 1e-12)
    label = rows["label"][test].to_numpy()
    return -float(np.mean(np.where(label == 1, np.log(probability), np.log1p(-probability))))


def _fit_text(settings: Settings, rows: pl.DataFrame, service: Service, threads: int, candidate: dict[str, int]) -> str:
    text: str = _train(rows, service, settings, candidate, threads).model_to_string()
    return text


def _train(rows: pl.DataFrame, service: Service, settings: Settings, candidate: dict[str, int], threads: int) -> Any:  # noqa: ANN401 - lightgbm.Booster
    import lightgbm

    matrix = _make_matrix(rows, service, settings.universe.traded)
    data = lightgbm.Dataset(
        data=matrix,
        label=rows["label"].to_numpy(),
        free_raw_data=True,
        weight=weigh_rows(rows, settings.label),
        categorical_feature=[name for name in CATEGORIES if name in matrix.columns],
    )
    if not threads and rows.height < _SMALL:
        threads = 1
    parameters = _FIXED | candidate | {"seed": settings.model.seed, "num_threads": threads}
    return lightgbm.train(parameters, data, num_boost_round=_ROUNDS)


def _make_matrix(rows: pl.DataFrame, service: Service, universe: tuple[str, ...]) -> pd.DataFrame:
    """Return the model matrix with assets as their places in the universe."""
    matrix = build_model_matrix(rows, service)
    places = {asset: place for place, asset in enumerate(universe)}
    for name in CATEGORIES:
        if name in matrix.columns:
            unknown = sorted(set(matrix[name]) - set(places))
            if unknown:
                raise MissingDataError(
                    f"nothing was learnt about {', '.join(unknown)}", "train with it in the universe"
                )
            matrix[name] = matrix[name].map(places).astype("int64")
    return matrix


def require_both_classes(rows: pl.DataFrame) -> None:
    """Raise MissingDataError unless labels of both classes occur among enough rows."""
    positives = int(rows["label"].sum())
    if positives in (0, rows.height):
        raise MissingDataError(
            f"all {rows.height} training labels are {int(positives > 0)}: a classifier needs both classes",
            "ingest a longer history, or change label.kind, label.target or label.horizon_bars",
        )
    if rows.height < _LEAST_ROWS:
        raise MissingDataError(
            f"{format_count(rows.height, 'training row is', 'training rows are')} too few to tune on",
            "ingest a longer history",
        )
