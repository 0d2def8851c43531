"""Sums over runs of rows, from left to right.

A group's sum in a query engine may add in another order when the group lies elsewhere in memory, and differ in the last
bit; these do not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from feature_repo.transforms.compiled import compiled

Floats = NDArray[np.float64]


@compiled
def run_sums(values: Floats, starts: NDArray[np.int64]) -> Floats:
    """Sum of the values that are not NaN in each run; `starts` ends with the number of values."""
    out = np.zeros(len(starts) - 1)
    for run in range(len(starts) - 1):
        for at in range(starts[run], starts[run + 1]):
            if values[at] == values[at]:
                out[run] += values[at]
    return out
