"""Logistic regression over the rows of all pairs, on standardised features: the plainest model that is fitted.

Source: docs/formulas.md, Families. A missing feature has a slope of its own, so that unknown is not zero. The assets
themselves are no inputs: all pairs have one set of slopes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_repo.catalog import Service
from feature_repo.model_matrix import list_categories
from model_registry.logistic_terms import LogisticTerms, standardise
from pairity.settings import Settings
from training.labels.weights import weigh_rows
from training.models.pair_boosting import require_both_classes

Floats = NDArray[np.float64]
_RIDGE = 10.0
"""Penalty of the squared slopes, as in boosting; without one, separable rows have slopes without end."""
_MOST_STEPS = 50
_TOLERANCE = 1e-9
_LEAST_SCALE = 1e-9


@dataclass(frozen=True, slots=True)
class PairLogistic:
    """Fitted terms of the features `names`."""

    names: tuple[str, ...]
    terms: LogisticTerms

    def predict(self, rows: pl.DataFrame) -> Floats:
        """Return the probability of label 1 per row."""
        return self.terms.score(_select_inputs(rows, self.names))

    def compute_importances(self) -> dict[str, float]:
        """Return the share of each slope in the sum of their magnitudes: features are standardised."""
        total = sum(map(abs, self.terms.slopes)) or 1.0
        shares = {name: abs(slope) / total for name, slope in zip(self.names, self.terms.slopes, strict=True)}
        return dict(sorted(shares.items(), key=lambda item: -item[1]))


def fit_logistic(rows: pl.DataFrame, service: Service, settings: Settings) -> PairLogistic:
    """Fit by Newton's method with a ridge penalty; the same rows give the same bits.

    `rows`: the service's features (null where missing), label 0/1, t0, t1. MissingDataError unless both classes occur,
    and for too few rows.
    """
    require_both_classes(rows)
    categories = list_categories(service)
    names = tuple(name for name in service.features if name not in categories)
    inputs = _select_inputs(rows, names)
    missing = np.isnan(inputs)
    means, scales = _measure_spread(inputs, missing)
    columns = [standardise(inputs[:, at], means[at], scales[at]) for at in range(len(names))]
    known = np.where(missing, 0.0, np.column_stack(columns))
    labels = rows["label"].cast(pl.Float64).to_numpy()
    weights = weigh_rows(rows, settings.label)
    solution = _solve(
        np.column_stack([np.ones(rows.height), known, missing.astype(np.float64)]),
        labels,
        np.ones(rows.height) if weights is None else weights,
    )
    terms = LogisticTerms(
        intercept=float(solution[0]),
        means=tuple(map(float, means)),
        scales=tuple(map(float, scales)),
        slopes=tuple(map(float, solution[1 : 1 + len(names)])),
        missing=tuple(map(float, solution[1 + len(names) :])),
    )
    return PairLogistic(names, terms.bounded())


def _select_inputs(rows: pl.DataFrame, names: tuple[str, ...]) -> Floats:
    return rows.select(pl.col(name).cast(pl.Float64).fill_null(float("nan")) for name in names).to_numpy()


def _measure_spread(inputs: Floats, missing: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return mean and deviation per column over what is known; 0 and 1 where nothing varies."""
    counts = (~missing).sum(axis=0)
    filled = np.where(missing, 0.0, inputs)
    means = filled.sum(axis=0) / np.maximum(counts, 1)
    squares = np.where(missing, 0.0, (filled - means) ** 2).sum(axis=0)
    scales = np.sqrt(squares / np.maximum(counts, 1))
    return means, np.where(scales > _LEAST_SCALE, scales, 1.0)


def _solve(design: Floats, labels: Floats, weights: Floats) -> Floats:
    """Return the coefficients of the penalised logistic regression; the intercept, which comes first, is free."""
    penalty = np.full(design.shape[1], _RIDGE)
    penalty[0] = 1e-9
    solution = np.zeros(design.shape[1])
    for _ in range(_MOST_STEPS):
        # Sums of einsum have one order; those of a matrix product depend on the number of threads
        scores = np.einsum("ij,j->i", design, solution)
        probability = 1.0 / (1.0 + np.exp(-np.clip(scores, -30.0, 30.0)))
        gradient = np.einsum("ij,i->j", design, weights * (labels - probability)) - penalty * solution
        spread = design * (weights * probability * (1.0 - probability))[:, None]
        curvature = np.einsum("ij,ik->jk", design, spread) + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        step = step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        solution = solution + step
        if float(np.abs(step).max()) < _TOLERANCE:
            break
    return solution
