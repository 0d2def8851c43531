"""Ranks within a universe: what a name's value is worth beside the others, whatever its scale."""

from __future__ import annotations

from collections.abc import Mapping

MIN_NAMES = 6
"""Names with a value below which there is no rank: half a book would be three names or fewer."""


def rank_names(values: Mapping[str, float]) -> dict[str, float]:
    """Return rank/(n − 1) − ½ of each name: −½ for the smallest value, +½ for the largest; no unit.

    Equal values share the mean of their ranks, so that no result depends on the order of the names. Names without a
    value are left out by the caller; fewer than `MIN_NAMES` have no ranks.

    >>> rank_names({"A": 3.0, "B": 1.0, "C": 2.0, "D": 9.0, "E": 4.0, "F": 2.0, "G": 5.0})["D"]
    0.5
    >>> rank_names({"A": 1.0, "B": 2.0})
    {}
    """
    count = len(values)
    if count < MIN_NAMES:
        return {}
    ordered = sorted(values.values())
    first: dict[float, int] = {}
    last: dict[float, int] = {}
    for place, value in enumerate(ordered):
        first.setdefault(value, place)
        last[value] = place
    return {name: (first[value] + last[value]) / 2 / (count - 1) - 0.5 for name, value in values.items()}


def average_ranks(several: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return the mean rank of each name that has a value in every one of `several` sets of values.

    Each set is ranked among the names that have it; a name that lacks one has no score.
    """
    ranked = [rank_names(values) for values in several.values()]
    if not ranked:
        return {}
    names = [name for name in ranked[0] if all(name in ranks for ranks in ranked)]
    return {name: sum(ranks[name] for ranks in ranked) / len(ranked) for name in names}
