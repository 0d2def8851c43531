"""Sums over runs of rows, added from left to right.

A group's sum in Polars may add in another order when the group lies elsewhere in memory, and then differs in the last
bit. These sums do not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from feature_repo.transforms.compiled import compiled

Floats = NDArray[np.float64]


@compiled
def sum_runs(values: Floats, starts: NDArray[np.int64]) -> Floats:
    """Return the sum of each run's values that are not NaN; `starts`: each run's first row, then the number of rows."""
    out = np.zeros(len(starts) - 1)
    for run in range(len(starts) - 1):
        for at in range(starts[run], starts[run + 1]):
            if values[at] == values[at]:  # not NaN
                out[run] += values[at]
    return out
