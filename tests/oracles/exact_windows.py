"""Window statistics in rational arithmetic: no rounding until the last step. One window at a time; None: not there."""

import math
from fractions import Fraction
from itertools import pairwise


def exact(values):
    return [None if math.isnan(value) else Fraction(float(value)) for value in values]


def mean(values):
    return None if None in values else float(sum(values) / len(values))


def deviation(values):
    """Sample standard deviation."""
    if None in values:
        return None
    centre = sum(values) / len(values)
    return root(sum((value - centre) ** 2 for value in values) / (len(values) - 1))


def correlation(first, second, needed):
    both = [(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
    if len(both) < needed:
        return None
    cross, a_squares, b_squares = moments(both)
    return math.copysign(root(cross**2 / (a_squares * b_squares)), cross) if a_squares and b_squares else None


def slope_and_phi(log_a, log_b, needed):
    """Slope of a on b; slope of the change of its residual on the residual before, over neighbours both observed."""
    seen = [a is not None and b is not None for a, b in zip(log_a, log_b, strict=True)]
    both = [(b, a) for a, b, ok in zip(log_a, log_b, seen, strict=True) if ok]
    if len(both) < needed:
        return None, None
    cross, squares, _ = moments(both)
    if not squares:
        return None, None
    slope = cross / squares
    # Without the intercept, which neither a change nor a slope with an intercept of its own notices.
    residual = [a - slope * b if ok else None for a, b, ok in zip(log_a, log_b, seen, strict=True)]
    steps = [(x, y - x) for x, y in pairwise(residual) if x is not None and y is not None]
    cross, squares, _ = moments(steps)
    return float(slope), float(cross / squares) if squares else None


def moments(points):
    """Σ dx·dy, Σ dx², Σ dy² of deviations from the means."""
    x_mean, y_mean = (sum(side) / len(points) for side in zip(*points, strict=True))
    moved = [(x - x_mean, y - y_mean) for x, y in points]
    return sum(x * y for x, y in moved), sum(x * x for x, _ in moved), sum(y * y for _, y in moved)


def root(value):
    """Square root of a fraction, far beyond double precision before it is rounded."""
    scale = 1 << 400
    return math.isqrt(value.numerator * scale * scale // value.denominator) / scale
