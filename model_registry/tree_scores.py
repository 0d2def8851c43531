"""Scores of boosted trees: the sum of one leaf per tree, in the order of the trees."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from feature_repo.transforms.compiled import compiled
from model_registry.lightgbm_text import CATEGORICAL, DEFAULT_LEFT, NAN_IS_MISSING, ZERO_IS_MISSING, TreeArrays

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_NOTHING = 1e-35
"""LightGBM takes magnitudes up to this one for zero."""


def sum_leaves(trees: TreeArrays, inputs: Floats) -> Floats:
    """Return the score of each row of `inputs` (rows × features, float64, NaN where missing).

    A row's score does not depend on the other rows. `trees` are trusted: see `lightgbm_text.read_trees`. ValueError for
    rows that lack a feature.
    """
    if inputs.shape[1] <= trees.features.max(initial=-1):  # compiled code reads what lies behind a row without asking
        raise ValueError(f"the trees ask for feature {trees.features.max()}, rows have {inputs.shape[1]}")
    scores: Floats = _sum_leaves(
        np.ascontiguousarray(inputs, dtype=np.float64),
        trees.roots,
        trees.features,
        trees.thresholds,
        trees.decisions,
        trees.left,
        trees.right,
        trees.first_bit,
        trees.bit_count,
        trees.bits,
        trees.leaves,
    )
    return scores


@compiled
def _sum_leaves(
    inputs: Floats,
    roots: Ints,
    features: Ints,
    thresholds: Floats,
    decisions: Ints,
    left: Ints,
    right: Ints,
    first_bit: Ints,
    bit_count: Ints,
    bits: NDArray[np.bool_],
    leaves: Floats,
) -> Floats:
    out = np.zeros(len(inputs))
    for row in range(len(inputs)):
        total = 0.0
        for tree in range(len(roots)):
            node = roots[tree]
            while node >= 0:
                value = inputs[row, features[node]]
                decision = decisions[node]
                missing = np.isnan(value)
                if decision & CATEGORICAL:
                    # A category that the split does not name, or none at all, goes right
                    goes_left = False
                    if not missing and 0.0 <= value < bit_count[node]:
                        goes_left = bits[first_bit[node] + int(value)]
                else:
                    if missing and not decision & NAN_IS_MISSING:
                        value = 0.0
                        missing = False
                    if decision & ZERO_IS_MISSING:
                        missing = -_NOTHING <= value <= _NOTHING
                    goes_left = decision & DEFAULT_LEFT != 0 if missing else value <= thresholds[node]
                node = left[node] if goes_left else right[node]
            total += leaves[-1 - node]
        out[row] = total
    return out
