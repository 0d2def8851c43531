"""Features of names and pairs at a close, from the window before it alone.

Every value is computed from the rows that end at the close: there is no state that could carry something from later.
Source: docs/formulas.md, Books.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from itertools import combinations
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from pairity.books.continuation import PairNames
from pairity.books.features import TREND_DAYS, NameFeatures
from training.books.panel import BookPanel

Floats = NDArray[np.float64]
Ints = NDArray[np.integer]
T = TypeVar("T")
WINDOW = 720
"""Hours of volatility, notional and the z-scores of pairs."""
FUNDING_WINDOW = 168
_LEAST_SHARE = 0.9
"""Share of a window's hours that must have a bar."""


class FeatureHistory:
    """A panel with the features of its closes, each computed once: variations of a book see the same market."""

    def __init__(self, panel: BookPanel) -> None:
        self.panel = panel
        self._bars = (~np.isnan(panel.closes)).cumsum(axis=0, dtype=np.int32)
        self._names: dict[int, dict[str, NameFeatures]] = {}
        self._pairs: dict[tuple[int, tuple[str, ...]], dict[PairNames, float]] = {}
        self._kept: dict[str, tuple[Hashable, object]] = {}

    def name_features(self, hour: int) -> dict[str, NameFeatures]:
        """Return `compute_name_features` of row `hour`."""
        if hour not in self._names:
            self._names[hour] = compute_name_features(self.panel, hour, self._bars[hour])
        return self._names[hour]

    def forget(self) -> None:
        """Forget the features of all closes: hours of decision that no other study shares need not stay in memory."""
        self._names.clear()
        self._pairs.clear()

    def keep(self, place: str, key: Hashable, make: Callable[[], T]) -> T:
        """Return what `make` made of this history for `key`; a place holds what was made for its newest key."""
        known = self._kept.get(place)
        if known is None or known[0] != key:
            known = self._kept[place] = key, make()
        return cast(T, known[1])

    def z_scores(self, hour: int, names: tuple[str, ...]) -> dict[PairNames, float]:
        """Return `compute_z_scores` of row `hour`."""
        key = hour, tuple(sorted(names))
        if key not in self._pairs:
            self._pairs[key] = compute_z_scores(self.panel, *key)
        return self._pairs[key]


def compute_name_features(panel: BookPanel, hour: int, bars: Ints | None = None) -> dict[str, NameFeatures]:
    """Return the features of the names that have a bar at row `hour`, as known at its close.

    `bars`: per name, the bars up to the row, where the caller has counted them already.
    """
    window = read_known(panel, panel.closes, hour, WINDOW + 1)
    volatility = measure_deviations(np.diff(np.log(window), axis=0))
    notional = measure_means(window[1:] * read_known(panel, panel.volumes, hour, WINDOW))
    if bars is None:
        bars = (~np.isnan(panel.closes[: hour + 1])).sum(axis=0)
    funding, share = _average_funding(panel, hour)
    trend = {days: values for days in TREND_DAYS if (values := _measure_return(panel, hour, 24 * days)) is not None}
    columns = np.flatnonzero(~np.isnan(window[-1])).tolist()
    return {
        panel.names[column]: NameFeatures(
            bars=int(bars[column]),
            notional=_read(notional, column),
            volatility=_read(volatility, column),
            log_returns={days: value for days, values in trend.items() if (value := _read(values, column)) is not None},
            funding_per_hour=_read(funding, column),
            funding_share=float(share[column]),
        )
        for column in columns
    }


def compute_z_scores(panel: BookPanel, hour: int, names: tuple[str, ...]) -> dict[PairNames, float]:
    """Return, for all pairs of `names` (sorted), the z-score of ln(P_first/P_second) over the last 720 hours.

    Standard deviation with ddof 1. A pair is left out where fewer than 90% of the hours have both bars, the last hour
    lacks one, or nothing varies.
    """
    columns = [panel.names.index(name) for name in sorted(names)]
    pairs = list(combinations(range(len(columns)), 2))
    if not pairs:
        return {}
    logs = np.log(read_known(panel, panel.closes, hour, WINDOW)[:, columns])
    spreads = logs[:, [first for first, _ in pairs]] - logs[:, [second for _, second in pairs]]
    deviations, means = measure_deviations(spreads), measure_means(spreads)
    scores = {}
    for place, (first, second) in enumerate(pairs):
        deviation, last = float(deviations[place]), float(spreads[-1, place])
        if deviation > 0.0 and not math.isnan(last):
            pair = (panel.names[columns[first]], panel.names[columns[second]])
            scores[pair] = (last - float(means[place])) / deviation
    return scores


def read_known(panel: BookPanel, values: Floats, hour: int, count: int) -> Floats:
    """Return the last `count` rows up to `hour`, NaN where a bar came later than that hour's decision."""
    rows = np.arange(hour - count + 1, hour + 1)
    window = np.full((count, len(panel.names)), np.nan)
    inside = rows >= 0
    late = panel.late[rows[inside]]
    came = ~(late > (hour - rows[inside])[:, None])
    window[inside] = np.where(came, values[rows[inside]], np.nan)
    return window


def _measure_return(panel: BookPanel, hour: int, back: int) -> Floats | None:
    """Return the log return of each name over `back` hours; NaN where the earlier bar is not known in time."""
    before = hour - back
    if before < 0:
        return None
    earlier = np.where(panel.late[before] <= back, panel.closes[before], np.nan)
    returns: Floats = np.log(panel.closes[hour] / earlier)
    return returns


def _average_funding(panel: BookPanel, hour: int) -> tuple[Floats, Floats]:
    """Return, per name, the mean settled funding per hour (NaN where none is known) and the known share of hours."""
    begin = max(0, hour - FUNDING_WINDOW + 1)
    rates, covered = panel.rates[begin : hour + 1], panel.covered[begin : hour + 1]
    use = ~np.isnan(rates) & (covered > 0)
    known = np.where(use, covered, 0.0).sum(axis=0)
    # Exact sums: venues settle most names at the same few rates, and names that paid the same must share a rank.
    total = np.array([math.fsum(rates[use[:, column], column]) for column in range(len(known))])
    return np.where(known > 0, total / np.where(known > 0, known, 1.0), np.nan), np.minimum(1.0, known / FUNDING_WINDOW)


def measure_means(values: Floats) -> Floats:
    """Return the mean of each column; NaN where fewer than 90% of its rows are known."""
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    means = np.where(known, values, 0.0).sum(axis=0) / np.maximum(count, 1)
    return np.where(count >= _LEAST_SHARE * len(values), means, np.nan)


def measure_deviations(values: Floats) -> Floats:
    """Return the standard deviation (ddof 1) of each column; NaN where fewer than 90% of its rows are known."""
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    means = np.where(known, values, 0.0).sum(axis=0) / np.maximum(count, 1)
    squares = (np.where(known, values - means, 0.0) ** 2).sum(axis=0)
    deviations = np.sqrt(squares / np.maximum(count - 1, 1))
    return np.where(count >= max(2.0, _LEAST_SHARE * len(values)), deviations, np.nan)


def _read(values: Floats, column: int) -> float | None:
    value = float(values[column])
    return None if math.isnan(value) else value
