"""Features of names and pairs at a close, from the window before it alone.

Every value is computed from the rows that end at the close: there is no state that could carry something from later.
Source: docs/formulas.md, Books.
"""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from pairity.books.continuation import PairNames
from pairity.books.features import TREND_DAYS, NameFeatures
from training.books.panel import BookPanel

Floats = NDArray[np.float64]
WINDOW = 720
"""Hours of volatility, notional and the z-scores of pairs."""
FUNDING_WINDOW = 168
_LEAST_SHARE = 0.9
"""Share of a window's hours that must have a bar."""


class FeatureHistory:
    """A panel with the features of its closes, each computed once: variations of a book see the same market."""

    def __init__(self, panel: BookPanel) -> None:
        self.panel = panel
        self._names: dict[int, dict[str, NameFeatures]] = {}
        self._pairs: dict[tuple[int, tuple[str, ...]], dict[PairNames, float]] = {}

    def name_features(self, hour: int) -> dict[str, NameFeatures]:
        """Return `compute_name_features` of row `hour`."""
        if hour not in self._names:
            self._names[hour] = compute_name_features(self.panel, hour)
        return self._names[hour]

    def z_scores(self, hour: int, names: tuple[str, ...]) -> dict[PairNames, float]:
        """Return `compute_z_scores` of row `hour`."""
        key = hour, tuple(sorted(names))
        if key not in self._pairs:
            self._pairs[key] = compute_z_scores(self.panel, *key)
        return self._pairs[key]


def compute_name_features(panel: BookPanel, hour: int) -> dict[str, NameFeatures]:
    """Return the features of the names that have a bar at row `hour`, as known at its close."""
    window = _known(panel, panel.closes, hour, WINDOW + 1)
    moves = np.diff(np.log(window), axis=0)
    notional = window[1:] * _known(panel, panel.volumes, hour, WINDOW)
    bars = (~np.isnan(panel.closes[: hour + 1])).sum(axis=0)
    features = {}
    for column, name in enumerate(panel.names):
        close = window[-1, column]
        if math.isnan(close):
            continue
        funding, share = _average_funding(panel, hour, column)
        features[name] = NameFeatures(
            bars=int(bars[column]),
            notional=_mean(notional[:, column]),
            volatility=_deviation(moves[:, column]),
            log_returns=_trend(panel, hour, column, close),
            funding_per_hour=funding,
            funding_share=share,
        )
    return features


def compute_z_scores(panel: BookPanel, hour: int, names: tuple[str, ...]) -> dict[PairNames, float]:
    """Return, for all pairs of `names` (sorted), the z-score of ln(P_first/P_second) over the last 720 hours.

    Standard deviation with ddof 1. A pair is left out where fewer than 90% of the hours have both bars, the last hour
    lacks one, or nothing varies.
    """
    columns = [panel.names.index(name) for name in sorted(names)]
    logs = np.log(_known(panel, panel.closes, hour, WINDOW)[:, columns])
    scores = {}
    for first, second in combinations(range(len(columns)), 2):
        spread = logs[:, first] - logs[:, second]
        deviation = _deviation(spread)
        if deviation is None or deviation == 0.0 or math.isnan(spread[-1]):
            continue
        mean = float(spread[~np.isnan(spread)].mean())
        pair = (panel.names[columns[first]], panel.names[columns[second]])
        scores[pair] = (float(spread[-1]) - mean) / deviation
    return scores


def _known(panel: BookPanel, values: Floats, hour: int, count: int) -> Floats:
    """Return the last `count` rows up to `hour`, NaN where a bar came later than that hour's decision."""
    rows = np.arange(hour - count + 1, hour + 1)
    window = np.full((count, len(panel.names)), np.nan)
    inside = rows >= 0
    late = panel.late[rows[inside]]
    came = ~(late > (hour - rows[inside])[:, None])
    window[inside] = np.where(came, values[rows[inside]], np.nan)
    return window


def _trend(panel: BookPanel, hour: int, column: int, close: float) -> dict[int, float]:
    returns = {}
    for days in TREND_DAYS:
        before = hour - 24 * days
        if before >= 0 and panel.late[before, column] <= hour - before:
            returns[days] = math.log(close / panel.closes[before, column])
    return returns


def _average_funding(panel: BookPanel, hour: int, column: int) -> tuple[float | None, float]:
    begin = max(0, hour - FUNDING_WINDOW + 1)
    rates, covered = panel.rates[begin : hour + 1, column], panel.covered[begin : hour + 1, column]
    use = ~np.isnan(rates) & (covered > 0)
    known = float(covered[use].sum())
    if known == 0.0:
        return None, 0.0
    return float(rates[use].sum()) / known, min(1.0, known / FUNDING_WINDOW)


def _mean(values: Floats) -> float | None:
    present = values[~np.isnan(values)]
    return float(present.mean()) if len(present) >= _LEAST_SHARE * len(values) else None


def _deviation(values: Floats) -> float | None:
    present = values[~np.isnan(values)]
    return float(present.std(ddof=1)) if len(present) >= max(2.0, _LEAST_SHARE * len(values)) else None
