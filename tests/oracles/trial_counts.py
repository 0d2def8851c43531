"""Trials counted with loops: correlations pair by pair, clusters joined by hand, two at a time."""

import itertools
import math


def correlate(first, second, least):
    """Pearson's correlation over the hours that both have (None: no hour); 0 where there are too few."""
    both = [(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
    if len(both) < least:
        return 0.0
    one, two = (sum(values) / len(both) for values in zip(*both, strict=True))
    top = sum((a - one) * (b - two) for a, b in both)
    left, right = sum((a - one) ** 2 for a, _ in both), sum((b - two) ** 2 for _, b in both)
    return 0.0 if left <= 1e-18 or right <= 1e-18 else top / math.sqrt(left * right)


def count(series, cut, least):
    """Return trials, clusters and what they are worth; `series` are lists of returns or None."""
    moving = [s for s in series if len({v for v in s if v is not None}) > 1]
    known = {
        frozenset((i, j)): correlate(moving[i], moving[j], least)
        for i, j in itertools.combinations(range(len(moving)), 2)
    }
    clusters = [[i] for i in range(len(moving))]
    while len(clusters) > 1:
        score, first, second = max(
            (
                (_mean([known[frozenset((i, j))] for i in a for j in b]), m, n)
                for (m, a), (n, b) in itertools.combinations(enumerate(clusters), 2)
            ),
            key=lambda found: found[0],
        )
        if score < cut:
            break
        clusters[first] += clusters.pop(second)
    worth = 0.0
    for own in clusters:
        pairs = [known[frozenset(two)] for two in itertools.combinations(own, 2)]
        shared = _mean(pairs) if pairs else 1.0
        worth += shared + (1 - shared) * len(own)
    return len(moving), len(clusters), worth


def _mean(values):
    return sum(values) / len(values)
