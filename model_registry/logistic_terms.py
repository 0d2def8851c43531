"""A logistic model: intercept and slopes of standardised features, as numbers within bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_registry.scorer_card import CardReader

Floats = NDArray[np.float64]
LOGISTIC = "logistic"
_LISTS = ("means", "scales", "slopes", "missing")
_FAR = 10.0
"""Deviations from the mean beyond which no difference is seen: one wild value decides nothing."""
_MOST_SLOPE = 10.0
_LEAST_SCALE, _MOST_TERM = 1e-12, 1e12
_MOST_SCORE = 500.0


@dataclass(frozen=True, slots=True)
class LogisticTerms:
    """Terms of n features: score = intercept + Σ slope·(value − mean)/scale, `missing` in its place where unknown."""

    intercept: float
    means: tuple[float, ...]
    scales: tuple[float, ...]
    slopes: tuple[float, ...]
    missing: tuple[float, ...]

    def bounded(self) -> LogisticTerms:
        """Return the terms with intercept and slopes within ±10, as a stored model may have them."""

        def clip(value: float) -> float:
            return min(max(value, -_MOST_SLOPE), _MOST_SLOPE)

        slopes, missing = (tuple(map(clip, values)) for values in (self.slopes, self.missing))
        return replace(self, intercept=clip(self.intercept), slopes=slopes, missing=missing)

    def to_scorer(self) -> dict[str, Any]:
        """Return the `scorer` of a stored model."""
        return {"kind": LOGISTIC, **{name: _to_json(value) for name, value in asdict(self).items()}}

    def score(self, inputs: Floats) -> Floats:
        """Return the probability per row of `inputs` (rows × n, NaN where unknown), each row by itself."""
        total = np.full(len(inputs), self.intercept)
        for place, (mean, scale, slope, absent) in enumerate(
            zip(self.means, self.scales, self.slopes, self.missing, strict=True)
        ):
            values = inputs[:, place]
            total = total + np.where(np.isnan(values), absent, standardise(values, mean, scale) * slope)
        return map_logistic(np.clip(total, -_MOST_SCORE, _MOST_SCORE))


def read_terms(reader: CardReader, scorer: Mapping[str, Any], count: int) -> LogisticTerms:
    """Return the terms of a stored model over `count` features; the reader's refusal for anything else."""
    reader.require_fields(scorer, ("kind", "intercept", *_LISTS), "its scorer")
    bounds = {
        "means": (-_MOST_TERM, _MOST_TERM),
        "scales": (_LEAST_SCALE, _MOST_TERM),
        "slopes": (-_MOST_SLOPE, _MOST_SLOPE),
        "missing": (-_MOST_SLOPE, _MOST_SLOPE),
    }
    lists = {name: reader.read_numbers(scorer[name], name, count, *bounds[name]) for name in _LISTS}
    intercept = reader.read_number(scorer["intercept"], "intercept", -_MOST_SLOPE, _MOST_SLOPE)
    return LogisticTerms(intercept=intercept, **lists)


def standardise(values: Floats, mean: float, scale: float) -> Floats:
    """Return (value − mean)/scale, at most 10 away from 0; NaN stays NaN."""
    with np.errstate(over="ignore"):
        return np.clip((values - mean) / scale, -_FAR, _FAR)


def map_logistic(scores: Floats) -> Floats:
    """Return 1/(1 + exp(−score)) for scores within ±500, one by one.

    Vectors of exponentials differ in the last bit from one processor to another; the C library's are LightGBM's too.
    """
    return np.array([1.0 / (1.0 + math.exp(-score)) for score in scores.tolist()], dtype=np.float64)


def _to_json(value: float | tuple[float, ...]) -> float | list[float]:
    return list(value) if isinstance(value, tuple) else value
