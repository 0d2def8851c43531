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


FLAT = 0.1
"""Largest exponent of what does not grow."""


def fit_last_exponent(points: Sequence[tuple[float, float]]) -> float:
    """Return the exponent between the two largest sizes: what a run takes in any case hides growth at small ones.

    >>> round(fit_last_exponent([(1, 100.0), (10, 101.0), (20, 202.0)]), 6)
    1.0
    """
    return fit_exponent(sorted(points)[-2:])
