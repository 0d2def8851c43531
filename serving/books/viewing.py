"""What a book sees in the vectors of one close, online or from the journal: its market, and that of its members."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from feature_repo.catalog import BOOK_FEATURES, PAIR_BOOK_FEATURES, PAIR_SPREAD_FEATURES
from model_registry.combined_fits import CombinedFit
from model_registry.outcome_fits import PAIR_COLUMNS, OutcomeFit, list_pairs, read_pair_columns
from model_registry.ranker_fits import RANK_FEATURES, RankerFit, Smoothed
from model_registry.stored_books import StoredFit
from model_registry.stored_fits import LearntFit
from pairity.books.continuation import Z_COLUMN, PairNames
from pairity.books.families import BookFamily, BookMarket, Target
from pairity.books.features import NameFeatures, choose_universe, make_name_features
from pairity.books.members import MembersSince, MemberState
from pairity.timeline import HOUR
from pairity.universe import Pair
from serving.journal import BookRecord, FeatureVector

_OF_PAIRS = {PAIR_BOOK_FEATURES.name, PAIR_SPREAD_FEATURES.name}


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
    since: MembersSince | None = None,
) -> BookMarket:
    """Return what a book sees in vectors; those of another close are not looked at.

    What the decision before left (pairs that are held, and how long yet, smoothed forecasts; states of members) counts
    where it was one of the same family. `since`: what members did since then, None of other books.
    """
    fresh = [vector for vector in vectors if vector.event_timestamp == close]
    own = before if before is not None and before.family == family.name else None
    if isinstance(fit, CombinedFit):
        return _view_members(fresh, close, family, fit, own, since or MembersSince())
    left = None if own is None else _Left(own.close, own.pairs, own.hours_left, own.smoothed)
    return _view(fresh, close, family, fit, left)


def _view_members(
    fresh: Sequence[FeatureVector],
    close: datetime,
    family: BookFamily,
    fit: CombinedFit,
    before: BookRecord | None,
    since: MembersSince,
) -> BookMarket:
    """Let each member decide on what it sees; those that have begun are what the combination sees."""
    books: dict[str, Target] = {}
    past: dict[str, tuple[float, ...]] = {}
    members: dict[str, MemberState] = {}
    for member in family.books:
        name, own = member.name, fit.members[member.name]
        steps, earned = tuple(since.between.get(name, ())), since.earned.get(name)
        known = None if before is None else before.members.get(name)
        left = None
        if before is not None and known is not None:
            left = _Left(before.close, known.pairs, known.hours_left, known.smoothed)
        if left is not None and steps:
            left = replace(left, close=steps[-1].close, pairs=steps[-1].pairs)
        market = _view(fresh, close, member, own.fit, left)
        target = member.decide(market, member.size)
        begun = (
            own.begun or (known is not None and known.begun) or any([target.weights, *(one.weights for one in steps)])
        )
        members[name] = MemberState(
            begun=begun,
            weights=target.weights,
            pairs=target.pairs,
            hours_left=target.hours_left,
            smoothed=market.smoothed,
            between=steps,
            prior=steps[-1].weights if steps else {} if known is None else known.weights,
            earned=earned,
        )
        if begun:
            books[name] = target
            past[name] = (*own.past, *since.past.get(name, ()), *([] if earned is None else [earned]))
    features = describe_names(fresh, close)
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
    own = {one.entity: read_values(one) for one in vectors if one.service == BOOK_FEATURES.name}
    table = np.full((len(RANK_FEATURES), len(names)), np.nan)
    for column, name in enumerate(names):
        values = [own[name](feature) for feature in RANK_FEATURES]
        table[:, column] = [np.nan if value is None else value for value in values]
    return table


def describe_names(vectors: Iterable[FeatureVector], close: datetime) -> dict[str, NameFeatures]:
    """Return the features of the names whose vector is of `close`."""
    return {
        vector.entity: make_name_features(int(vector.values["bars"]), read_values(vector))  # type: ignore[arg-type]
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


def _read_scores(vectors: Iterable[FeatureVector]) -> Mapping[PairNames, float]:
    """Return the z-score of each pair, its names in alphabetical order: the ratio of the others is turned over."""
    scores: dict[PairNames, float] = {}
    for vector in vectors:
        if vector.service != PAIR_BOOK_FEATURES.name or (z := read_values(vector)(Z_COLUMN)) is None:
            continue
        first, second = Pair.from_id(vector.entity).assets
        scores[min(first, second), max(first, second)] = z if first < second else -z
    return scores


def read_values(vector: FeatureVector) -> Callable[[str], float | None]:
    """Return a function of the name of a feature: its value, None where it is not known."""
    return vector.values.get  # type: ignore[return-value]
