"""What the map of a calibrated forest looks like in its stored file: from the forest's votes to frequencies.

A map is data: two parameters of a logistic curve, or steps that rise from finite votes to frequencies from 0 to 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from model_registry.schema_kinds import FLOAT64, SchemaReader, array_of, constant, number_of, object_of, scalar

_ROUNDING = 1e-9
"""Means of ones may exceed 1 by the last bit; scikit-learn takes them for 1."""
_SIGMOID = object_of(
    "sklearn.calibration",
    "_SigmoidCalibration",
    {"a_": number_of(FLOAT64), "b_": number_of(FLOAT64), "_sklearn_version": scalar(str)},
    "a_",
    "b_",
)
_ISOTONIC = object_of(
    "sklearn.isotonic",
    "IsotonicRegression",
    {
        "y_min": scalar(int, float, type(None)),
        "y_max": scalar(int, float, type(None)),
        "increasing": scalar(bool),
        "increasing_": scalar(bool),
        "out_of_bounds": constant("clip"),
        "X_min_": number_of(FLOAT64),
        "X_max_": number_of(FLOAT64),
        "X_thresholds_": array_of(FLOAT64),
        "y_thresholds_": array_of(FLOAT64),
        "_sklearn_version": scalar(str),
    },
    "X_thresholds_",
    "y_thresholds_",
    "X_min_",
    "X_max_",
)


def read_sigmoid(reader: SchemaReader, part: dict[str, Any], path: str) -> dict[str, Any]:
    """Return a logistic map from votes to frequencies; refuse numbers that are not finite."""
    state: dict[str, Any] = _SIGMOID(reader, part, path)
    if not np.isfinite([state["a_"], state["b_"]]).all():
        reader.refuse(path, "it has parameters that are not finite")
    return state


def read_isotonic(reader: SchemaReader, part: dict[str, Any], path: str) -> dict[str, Any]:
    """Return a map of steps from votes to frequencies; refuse one that does not rise, or leaves 0 … 1."""
    state: dict[str, Any] = _ISOTONIC(reader, part, path)
    votes, shares = state["X_thresholds_"], state["y_thresholds_"]
    if not len(votes) or len(votes) != len(shares):
        reader.refuse(path, f"it has {len(votes)} votes and {len(shares)} frequencies")
    if not np.isfinite(votes).all() or not (np.diff(votes) > 0).all():
        reader.refuse(path, "its votes do not rise")
    if not ((shares >= 0) & (shares <= 1 + _ROUNDING)).all() or not (np.diff(shares) >= 0).all():
        reader.refuse(path, "its frequencies do not rise from 0 to 1")
    if (state["X_min_"], state["X_max_"]) != (votes[0], votes[-1]):
        reader.refuse(path, "its ends are not those of its votes")
    return state
