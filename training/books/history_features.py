"""Features of names and pairs at a close, as the feature store has them: columns of the view `asset_books`.

A study reads them from the store (`training.books.stored_features`). Of a market that is not stored they are computed
from its bars by the store's own transform: there is one definition of each number. Source: docs/formulas.md, Books.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from feature_repo.transforms.asset_books import BOOK_COLUMNS, Settled, describe_hours
from feature_repo.transforms.book_kernels import pair_scores
from pairity.books.continuation import PairNames
from pairity.books.features import NameFeatures, make_name_features
from training.books.history_windows import read_known
from training.books.pair_features import compute_pair_columns
from training.books.panel import BookPanel

Floats = NDArray[np.float64]
T = TypeVar("T")
WINDOW = 720
"""Hours of the z-scores of pairs."""
_EPOCH_HOUR = 3_600
_HOUR_US = 3_600_000_000
_PLACES = {name: place for place, name in enumerate(BOOK_COLUMNS)}


@dataclass(frozen=True, slots=True)
class DayRows:
    """Rows of all names at one hour of every day: `bars` (days × names; 0: no row is known) and `values`.

    The first day's row of the panel is `begin`. `values`: days × names × `BOOK_COLUMNS`, NaN where nothing is known.
    """

    begin: int
    bars: NDArray[np.int64]
    values: Floats

    @classmethod
    def empty(cls, panel: BookPanel, begin: int) -> DayRows:
        """Return rows without a value, for the rows of `panel` from `begin` on, a day apart."""
        shape = (len(range(begin, panel.hours, 24)), len(panel.names))
        return cls(begin, np.zeros(shape, np.int64), np.full((*shape, len(BOOK_COLUMNS)), np.nan))


ReadScores = Callable[[BookPanel, int, tuple[str, ...]], dict[PairNames, float]]
"""Reader of the z-scores of all pairs of names (sorted) at a row, as known at its decision."""
ReadPairs = Callable[[BookPanel, int, tuple[str, ...]], Floats]
"""Reader of the pairs of names (sorted) × `PAIR_COLUMNS` at a row, as known at its decision."""
ReadRows = Callable[[BookPanel, int], DayRows]
"""Reader of the rows of a panel that lie whole days after one of its rows, as known at their decisions."""


class FeatureHistory:
    """A panel with the features of its closes, each read once: variations of a book see the same market.

    `read` reads rows of features, `read_scores` z-scores of pairs, `read_pairs` what models of outcomes ask of pairs;
    by default they are computed from the panel.
    """

    def __init__(
        self,
        panel: BookPanel,
        read: ReadRows | None = None,
        read_scores: ReadScores | None = None,
        read_pairs: ReadPairs | None = None,
    ) -> None:
        self.panel = panel
        self._read_pairs = read_pairs or compute_pair_columns
        self._read = read or compute_day_rows
        self._read_scores = read_scores or compute_z_scores
        self._days: dict[int, DayRows] = {}
        self._names: dict[int, dict[str, NameFeatures]] = {}
        self._pairs: dict[tuple[int, tuple[str, ...]], dict[PairNames, float]] = {}
        self._kept: dict[str, tuple[Hashable, object]] = {}

    def name_features(self, hour: int) -> dict[str, NameFeatures]:
        """Return the features of the names whose row was known at the decision of row `hour`."""
        if hour not in self._names:
            bars, values = self._rows_of(hour)
            self._names[hour] = {
                self.panel.names[column]: _name_features(int(bars[column]), values[column])
                for column in np.flatnonzero(bars).tolist()
            }
        return self._names[hour]

    def read_columns(self, hour: int, columns: tuple[str, ...]) -> Floats:
        """Return `columns` of the view × names at row `hour`; NaN where one is not known."""
        _, values = self._rows_of(hour)
        picked: Floats = values[:, [_PLACES[name] for name in columns]].T
        return picked

    def forget(self) -> None:
        """Forget the features of all closes: hours of decision that no other study shares need not stay in memory."""
        self._days.clear()
        self._names.clear()
        self._pairs.clear()

    def keep(self, place: str, key: Hashable, make: Callable[[], T]) -> T:
        """Return what `make` made of this history for `key`; a place holds what was made for its newest key."""
        known = self._kept.get(place)
        if known is None or known[0] != key:
            known = self._kept[place] = key, make()
        return cast(T, known[1])

    def z_scores(self, hour: int, names: tuple[str, ...]) -> dict[PairNames, float]:
        """Return the z-score of ln(P_first/P_second) of the pairs of `names` at row `hour`, where it is known."""
        key = hour, tuple(sorted(names))
        if key not in self._pairs:
            self._pairs[key] = self._read_scores(self.panel, *key)
        return self._pairs[key]

    def pair_columns(self, hour: int, names: tuple[str, ...]) -> Floats:
        """Return the pairs of `names` (sorted) × `PAIR_COLUMNS` at row `hour`; NaN where one is not known."""
        return self._read_pairs(self.panel, hour, names)

    def _rows_of(self, hour: int) -> tuple[NDArray[np.int64], Floats]:
        begin = hour % 24
        if begin not in self._days:
            self._days[begin] = self._read(self.panel, begin)
        days = self._days[begin]
        return days.bars[hour // 24], days.values[hour // 24]


def compute_day_rows(panel: BookPanel, begin: int) -> DayRows:
    """Return the rows of `panel` that lie whole days after row `begin`, computed from its bars and settlements."""
    days = DayRows.empty(panel, begin)
    origin = int(panel.start.timestamp()) // _EPOCH_HOUR
    for column in range(len(panel.names)):
        seen = np.flatnonzero(~np.isnan(panel.closes[:, column]))
        paid = np.flatnonzero(~np.isnan(panel.rates[:, column]))
        settled = Settled(
            hours=paid + origin,
            rates=panel.rates[paid, column],
            covered=panel.covered[paid, column],
            known=(paid + origin) * _HOUR_US,
        )
        late = panel.late[seen, column].astype(np.int64)
        rows = describe_hours(
            seen + origin,
            panel.closes[seen, column],
            panel.volumes[seen, column],
            (seen + origin + late) * _HOUR_US,
            settled,
            np.flatnonzero(seen % 24 == begin),
        )
        known = np.maximum(rows.known_bars, rows.known_paid) <= rows.closes * _HOUR_US
        place = (rows.closes[known] - origin) // 24
        days.bars[place, column] = rows.bars[known]
        days.values[place, column] = rows.values[known]
    return days


def _name_features(bars: int, values: Floats) -> NameFeatures:
    return make_name_features(bars, lambda name: _read(values, name))


def compute_z_scores(panel: BookPanel, hour: int, names: tuple[str, ...]) -> dict[PairNames, float]:
    """Return, for all pairs of `names` (sorted), the z-score of ln(P_first/P_second) over the last 720 hours.

    Standard deviation with ddof 1. A pair is left out where fewer than 90% of the hours have both bars, the last hour
    lacks one, or nothing varies.
    """
    columns = [panel.names.index(name) for name in sorted(names)]
    pairs = list(combinations(range(len(columns)), 2))
    if not pairs:
        return {}
    closes = np.ascontiguousarray(read_known(panel, panel.closes, hour, WINDOW)[:, columns])
    found = pair_scores(closes, np.array(pairs, np.int64)).tolist()
    return {
        (panel.names[columns[first]], panel.names[columns[second]]): score
        for (first, second), score in zip(pairs, found, strict=True)
        if not math.isnan(score)
    }


def _read(values: Floats, name: str) -> float | None:
    value = float(values[_PLACES[name]])
    return None if math.isnan(value) else value
