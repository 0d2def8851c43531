"""What a book decides on, read online: the vectors of its names and pairs, and the closes that sizes are found at.

Only rows of the bar that has just closed count; a row of an earlier one is as good as none, but its close prices what
is held. All that was read is journalled: `pairity parity` asks the offline store for the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from feature_repo.catalog import BOOK_FEATURES, MARKET_STATE, PAIR_BOOK_FEATURES, PAIR_SPREAD_FEATURES, Service
from model_registry.outcome_fits import PAIR_COLUMNS, OutcomeFit, list_pairs, read_pair_columns
from model_registry.ranker_fits import RANK_FEATURES, RankerFit
from model_registry.stored_fits import LearntFit
from pairity.books.continuation import Z_COLUMN, PairNames
from pairity.books.families import BookFamily, BookMarket
from pairity.books.features import NameFeatures, choose_universe, make_name_features
from pairity.books.present import PresentMarket
from pairity.errors import MissingDataError
from pairity.settings import Settings
from pairity.timeline import HOUR, format_instant
from pairity.universe import Pair
from serving.hourly_data import HourlyData
from serving.journal import BookRecord, FeatureVector
from serving.vectors import make_vectors

_OF_PAIRS = {PAIR_BOOK_FEATURES.name, PAIR_SPREAD_FEATURES.name}
_RECENT = timedelta(days=1)
"""A name with a bar within it should have one at the close, too."""


@dataclass(frozen=True, slots=True)
class OnlineMarket:
    """What was read for one decision: its vectors, and what they say."""

    present: PresentMarket
    vectors: tuple[FeatureVector, ...]


def read_market(
    data: HourlyData,
    settings: Settings,
    family: BookFamily,
    able: Collection[str],
    before: BookRecord | None,
    fit: LearntFit | None = None,
    *,
    decision_id: str,
    close: datetime,
    at: datetime,
    realised: float | None = None,
    withheld: Mapping[str, str] = MappingProxyType({}),
) -> OnlineMarket:
    """Return the market of the names of `able` at `close`, as the online store has it at `at`.

    `before`: the decision before; `fit`: what the book learnt, None for a rule; `realised`: that of `PresentMarket`;
    `withheld`: names with withheld rows, and the rule that withholds them. MissingDataError where no bar of this close
    is known.
    """
    universe = settings.universe

    def read(service: Service, names: Collection[str]) -> list[FeatureVector]:
        return make_vectors(decision_id, service, data.read_online(service.name, list(names), at=at)) if names else []

    bars = read(MARKET_STATE, universe.assets)
    if not any(vector.event_timestamp == close for vector in bars):
        raise MissingDataError(
            f"no bar that closed at {format_instant(close)} is known", "look at what ingestion says of this hour"
        )
    names = read(BOOK_FEATURES, [name for name in universe.assets if name in able])
    pairs: list[FeatureVector] = []
    if family.reads_pairs:
        chosen = set(choose_universe(describe_names(names, close), family.size))
        ids = [pair.pair_id for pair in universe.pairs if chosen.issuperset(pair.assets)]
        pairs = read(PAIR_BOOK_FEATURES, ids)
        pairs += [] if family.outcome is None else read(PAIR_SPREAD_FEATURES, ids)
    vectors = (*bars, *names, *pairs)
    prices, missing = _read_closes(bars, able, close)
    market = view_market(vectors, close, family, fit, before)
    unusable = {one.entity: why for one in names if (why := _explain_unusable(one, close, withheld))}
    return OnlineMarket(PresentMarket(market, realised, prices, missing, unusable), vectors)


def view_market(
    vectors: Iterable[FeatureVector],
    close: datetime,
    family: BookFamily,
    fit: LearntFit | None,
    before: BookRecord | None,
) -> BookMarket:
    """Return what a book sees in vectors; those of another close are not looked at.

    What the decision before left (pairs that are held, and how long yet, smoothed forecasts) counts where it was one of
    the same family.
    """
    fresh = [vector for vector in vectors if vector.event_timestamp == close]
    features = describe_names(fresh, close)
    own = before if before is not None and before.family == family.name else None
    market = BookMarket(
        features=features,
        z_scores=_read_scores(fresh) if family.needs_pairs else {},
        held_pairs={} if own is None else own.pairs,
    )
    if own is not None:
        market = replace(market, hours_left=own.hours_left, elapsed=(close - own.close) // HOUR)
    names = sorted(choose_universe(features, family.size))
    if isinstance(fit, RankerFit):
        scores, smoothed = fit.score(names, _tabulate(fresh, names), {} if own is None else own.smoothed)
        return replace(market, scores=scores, smoothed=smoothed)
    if isinstance(fit, OutcomeFit):
        return replace(market, outlooks=fit.look(names, _tabulate(fresh, names), _tabulate_pairs(fresh, names)))
    return market


def _tabulate(vectors: Iterable[FeatureVector], names: Sequence[str]) -> NDArray[np.float64]:
    """Return `RANK_FEATURES` × `names`, NaN where one is not known."""
    own = {one.entity: _reader(one) for one in vectors if one.service == BOOK_FEATURES.name}
    table = np.full((len(RANK_FEATURES), len(names)), np.nan)
    for column, name in enumerate(names):
        values = [own[name](feature) for feature in RANK_FEATURES]
        table[:, column] = [np.nan if value is None else value for value in values]
    return table


def describe_names(vectors: Iterable[FeatureVector], close: datetime) -> dict[str, NameFeatures]:
    """Return the features of the names whose vector is of `close`."""
    return {
        vector.entity: make_name_features(int(vector.values["bars"]), _reader(vector))  # type: ignore[arg-type]
        for vector in vectors
        if vector.service == BOOK_FEATURES.name and vector.event_timestamp == close
    }


def _tabulate_pairs(vectors: Iterable[FeatureVector], names: Sequence[str]) -> NDArray[np.float64]:
    """Return the pairs of `names` (sorted) × `PAIR_COLUMNS`, NaN where one is not known."""
    rows: dict[PairNames, dict[str, object]] = {}
    turned: dict[PairNames, bool] = {}
    for one in vectors:
        if one.service in _OF_PAIRS:
            first, second = Pair.from_id(one.entity).assets
            pair = min(first, second), max(first, second)
            rows.setdefault(pair, {}).update(one.values)
            turned[pair] = pair[0] != first
    listed = list_pairs(names)
    table = np.full((len(listed), len(PAIR_COLUMNS)), np.nan)
    for place, pair in enumerate(listed):
        if pair in rows:
            table[place] = read_pair_columns(rows[pair], turned=turned[pair])
    return table


def _explain_unusable(vector: FeatureVector, close: datetime, withheld: Mapping[str, str]) -> str:
    """Return why the vector of a name is not decided on; "" where it is."""
    if vector.event_timestamp == close:
        return ""
    rule = f" ({withheld[vector.entity]})" if vector.entity in withheld else ""
    if vector.event_timestamp is None:
        return f"no features online{rule}"
    return f"stale: features are {(close - vector.event_timestamp) / HOUR:.0f} h old{rule}"


def _read_scores(vectors: Iterable[FeatureVector]) -> Mapping[PairNames, float]:
    """Return the z-score of each pair, its names in alphabetical order: the ratio of the others is turned over."""
    scores: dict[PairNames, float] = {}
    for vector in vectors:
        if vector.service != PAIR_BOOK_FEATURES.name or (z := _reader(vector)(Z_COLUMN)) is None:
            continue
        first, second = Pair.from_id(vector.entity).assets
        scores[min(first, second), max(first, second)] = z if first < second else -z
    return scores


def _reader(vector: FeatureVector) -> Callable[[str], float | None]:
    return vector.values.get  # type: ignore[return-value]


def _read_closes(
    bars: Iterable[FeatureVector], able: Collection[str], close: datetime
) -> tuple[dict[str, float], frozenset[str]]:
    prices, missing = {}, set()
    for vector in bars:
        price = _reader(vector)("close")
        if vector.event_timestamp is None or price is None:
            continue
        prices[vector.entity] = price
        if vector.entity in able and close - _RECENT - HOUR <= vector.event_timestamp < close:
            missing.add(vector.entity)
    return prices, frozenset(missing)
