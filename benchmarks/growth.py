"""How work grows with its size: the exponent of a power law through measured points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def fit_exponent(points: Sequence[tuple[float, float]]) -> float:
    """Return the slope of the least-squares line through the logarithms of (size, value); both are positive.

    1: twice the size takes twice as much; 2: four times as much.

    >>> round(fit_exponent([(1, 3.0), (2, 12.0), (4, 48.0)]), 6)
    2.0
    """
    sizes, values = np.log(np.array(points, dtype=np.float64)).T
    return float(np.polyfit(sizes, values, 1)[0])
