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
from model_registry.combined_fits import CombinedFit
from model_registry.outcome_fits import PAIR_COLUMNS, OutcomeFit, list_pairs, read_pair_columns
from model_registry.ranker_fits import RANK_FEATURES, RankerFit, Smoothed
from model_registry.stored_books import StoredFit
from model_registry.stored_fits import LearntFit
from pairity.books.continuation import Z_COLUMN, PairNames
from pairity.books.families import BookFamily, BookMarket, Target
from pairity.books.features import NameFeatures, choose_universe, make_name_features
from pairity.books.members import MemberState, MemberStep
from pairity.books.present import MeasuredBook, PresentMarket
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
    fit: StoredFit | None = None,
    *,
    decision_id: str,
    close: datetime,
    at: datetime,
    measured: MeasuredBook | None = None,
    withheld: Mapping[str, str] = MappingProxyType({}),
) -> OnlineMarket:
    """Return the market of the names of `able` at `close`, as the online store has it at `at`.

    `before`: the decision before; `fit`: what the book learnt, None for a rule; `measured`: what it would have done
    until now; `withheld`: names with withheld rows, and the rule that withholds them. MissingDataError where no bar of
    this close is known.
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
        size = max(one.size for one in family.books if one.reads_pairs)
        chosen = set(choose_universe(describe_names(names, close), size))
        ids = [pair.pair_id for pair in universe.pairs if chosen.issuperset(pair.assets)]
        pairs = read(PAIR_BOOK_FEATURES, ids)
        pairs += read(PAIR_SPREAD_FEATURES, ids) if any(one.outcome is not None for one in family.books) else []
    vectors = (*bars, *names, *pairs)
    prices, missing = _read_closes(bars, able, close)
    measured = measured or MeasuredBook()
    market = view_market(vectors, close, family, fit, before, measured.between)
    unusable = {one.entity: why for one in names if (why := _explain_unusable(one, close, withheld))}
    return OnlineMarket(PresentMarket(market, measured.realised, prices, missing, unusable), vectors)


@dataclass(frozen=True, slots=True)
class _Left:
    """What the decision before left of a book: at a close, pairs and for how long yet, smoothed forecasts."""

    close: datetime
    pairs: Mapping[PairNames, int]
    hours_left: Mapping[PairNames, int]
    smoothed: Smoothed


def view_market(
    vectors: Iterable[FeatureVector],
    close: datetime,
    family: BookFamily,
    fit: StoredFit | None,
    before: BookRecord | None,
    between: Mapping[str, Sequence[MemberStep]] = MappingProxyType({}),
) -> BookMarket:
    """Return what a book sees in vectors; those of another close are not looked at.

    What the decision before left (pairs that are held, and how long yet, smoothed forecasts; states of members) counts
    where it was one of the same family. `between`: that of `MeasuredBook`.
    """
    fresh = [vector for vector in vectors if vector.event_timestamp == close]
    own = before if before is not None and before.family == family.name else None
    if isinstance(fit, CombinedFit):
        return _view_members(fresh, close, family, fit, own, between)
    left = None if own is None else _Left(own.close, own.pairs, own.hours_left, own.smoothed)
    return _view(fresh, close, family, fit, left)


def _view_members(
    fresh: Sequence[FeatureVector],
    close: datetime,
    family: BookFamily,
    fit: CombinedFit,
    before: BookRecord | None,
    between: Mapping[str, Sequence[MemberStep]],
) -> BookMarket:
    """Let each member decide on what it sees; those that have begun are what the combination sees."""
    books: dict[str, Target] = {}
    members: dict[str, MemberState] = {}
    for member in family.books:
        own, steps = fit.members[member.name], tuple(between.get(member.name, ()))
        known = None if before is None else before.members.get(member.name)
        left = None
        if before is not None and known is not None:
            left = _Left(before.close, known.pairs, known.hours_left, known.smoothed)
            if steps:
                left = replace(left, close=steps[-1].close, pairs=steps[-1].pairs)
        market = _view(fresh, close, member, own.fit, left)
        target = member.decide(market, member.size)
        begun = own.begun or (known is not None and known.begun) or bool(target.weights)
        begun = begun or any(step.weights for step in steps)
        members[member.name] = MemberState(
            begun=begun,
            weights=target.weights,
            pairs=target.pairs,
            hours_left=target.hours_left,
            smoothed=market.smoothed,
            between=steps,
        )
        if begun:
            books[member.name] = target
    features = describe_names(fresh, close)
    past: dict[str, tuple[float, ...]] = dict.fromkeys(books, ())
    return BookMarket(features=features, z_scores={}, held_pairs={}, books=books, past=past, members=members)


def _view(
    fresh: Sequence[FeatureVector],
    close: datetime,
    family: BookFamily,
    fit: LearntFit | None,
    left: _Left | None,
) -> BookMarket:
    """Return what a book that combines no others sees in vectors of `close`."""
    features = describe_names(fresh, close)
    market = BookMarket(
        features=features,
        z_scores=_read_scores(fresh) if family.needs_pairs else {},
        held_pairs={} if left is None else left.pairs,
    )
    if left is not None:
        market = replace(market, hours_left=left.hours_left, elapsed=(close - left.close) // HOUR)
    names = sorted(choose_universe(features, family.size))
    if isinstance(fit, RankerFit):
        scores, smoothed = fit.score(names, _tabulate(fresh, names), {} if left is None else left.smoothed)
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
