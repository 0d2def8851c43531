"""Lineage of an order of a book: the weight behind it computed again, from the journal's vectors and the raw lake."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from feature_repo.catalog import (
    BOOK_FEATURES,
    MARKET_STATE,
    PAIR_BOOK_FEATURES,
    PAIR_SPREAD_FEATURES,
    find_service,
    find_view,
)
from ingestion.recomputation import RecomputedRow, recompute_rows
from model_registry.loading import load_book
from model_registry.registry import find_version
from model_registry.stored_books import StoredFit
from pairity.books.families import BOOK_FAMILIES, BookFamily
from pairity.errors import RegistryError
from pairity.layout import Layout
from pairity.settings import Settings
from serving.books.members import list_past, recall_since
from serving.books.viewing import view_market
from serving.journal import BookRecord, DecisionRecord, FeatureVector
from serving.journal.reading import ReadingJournal
from serving.lineage import LakeRecomputation
from validation.parity import is_same


@dataclass(frozen=True, slots=True)
class WeightRecomputation:
    """The weight that the family asked for of an order's name: as recorded, and from the vectors of the journal."""

    name: str
    vectors: tuple[FeatureVector, ...]
    """Of the decision, all of them."""
    before: BookRecord | None
    """The decision before, which pairs that are held, smoothed forecasts and states of members come from."""
    fit: StoredFit | None
    """What the version that decided had learnt, or its books had; None for a rule."""
    past: Mapping[str, Sequence[float]]
    """What books of a combination earned before, by name, as the journal has it."""
    recorded: float
    again: float | None
    """None where the journal has no vectors of the decision."""

    @property
    def own(self) -> tuple[FeatureVector, ...]:
        """Vectors of the name and of its pairs."""
        return tuple(one for one in self.vectors if self.name in one.entity.split("__"))

    @property
    def is_same(self) -> bool:
        """Whether both weights are the same float."""
        return self.again is not None and is_same(self.recorded, self.again)


def recompute_weight(
    settings: Settings, decision: DecisionRecord, book: BookRecord, name: str, vectors: Sequence[FeatureVector]
) -> WeightRecomputation:
    """Let the family decide again on the vectors of a decision, with what its version had learnt.

    Raises JournalError, and for a book that learns what `find_version` and `load_book` raise, or RegistryError where
    the version is not what decided.
    """
    fit = load_fit(settings, decision, book)
    journal = ReadingJournal.connect(Layout.of(settings).journal_place)
    try:
        before = journal.books.before(book.close)
        family = BOOK_FAMILIES.get(book.family)
        past = {} if family is None else list_past(journal.books, family, fit, book.close)
    finally:
        journal.close()
    chosen = book.find(name)
    return WeightRecomputation(
        name=name,
        vectors=tuple(vectors),
        before=before,
        fit=fit,
        past=past,
        recorded=0.0 if chosen is None else chosen.wanted,
        again=_weigh(book, name, vectors, fit, before, past) if vectors else None,
    )


def recompute_weight_from_lake(
    settings: Settings, decision: DecisionRecord, book: BookRecord, again: WeightRecomputation
) -> LakeRecomputation:
    """Compute the vectors of a decision from the raw lake as known at it, and let the family decide on them.

    All names and pairs count in the weight of one; only vectors of `again.own` are compared. Errors are those of
    reading the lake.
    """
    rows: dict[tuple[str, str], RecomputedRow] = {}
    for name in (BOOK_FEATURES.name, PAIR_BOOK_FEATURES.name, PAIR_SPREAD_FEATURES.name, MARKET_STATE.name):
        asked = [one.entity for one in again.vectors if one.service == name and one.event_timestamp == book.close]
        view = find_view(find_service(name).view)
        found = recompute_rows(settings, view, asked, book.close, decision.decision_time) if asked else {}
        rows |= {(name, entity): row for entity, row in found.items()}
    computed = [_replace(one, rows[one.service, one.entity]) for one in again.vectors if _key(one) in rows]
    by_key = {_key(one): one for one in computed}
    own = [one for one in again.own if one.event_timestamp == book.close]
    different = [
        f"{one.entity} {name}"
        for one in own
        for name, value in one.values.items()
        if _key(one) not in by_key or not is_same(value, by_key[_key(one)].values[name])
    ]
    return LakeRecomputation(
        row=rows.get((BOOK_FEATURES.name, again.name)),
        compared=sum(len(one.values) for one in own),
        different=tuple(different),
        result=_weigh(book, again.name, computed, again.fit, again.before, again.past),
    )


def load_fit(settings: Settings, decision: DecisionRecord, book: BookRecord) -> StoredFit | None:
    """Return what the version that decided had learnt; None for a rule.

    Raises what `find_version` and `load_book` raise, and RegistryError where the version is not what decided.
    """
    family = BOOK_FAMILIES.get(book.family)
    if family is None or not family.is_fitted:
        return None
    version = find_version(settings, decision.model_version)
    if version.key != (decision.model_name, decision.model_version, decision.model_sha256):
        raise RegistryError(
            f"version {version.version} of {version.name} is not the one that decided at "
            f"{book.close:%Y-%m-%d %H:%M} UTC",
            "restore the registry from a copy of that time",
        )
    return load_book(Layout.of(settings), version).fit


def _weigh(
    book: BookRecord,
    name: str,
    vectors: Iterable[FeatureVector],
    fit: StoredFit | None,
    before: BookRecord | None,
    past: Mapping[str, Sequence[float]],
) -> float | None:
    family: BookFamily | None = BOOK_FAMILIES.get(book.family)
    if family is None:
        return None
    market = view_market(vectors, book.close, family, fit, before, recall_since(book, past))
    return family.decide(market, family.size).weights.get(name, 0.0)


def _key(vector: FeatureVector) -> tuple[str, str]:
    return vector.service, vector.entity


def _replace(vector: FeatureVector, row: RecomputedRow) -> FeatureVector:
    return replace(vector, values={name: row.values.get(name) for name in vector.values})
