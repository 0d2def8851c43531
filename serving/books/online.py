"""What a book decides on, read online: the vectors of its names and pairs, and the closes that sizes are found at.

Only rows of the bar that has just closed count; a row of an earlier one is as good as none, but its close prices what
is held. All that was read is journalled: `pairity parity` asks the offline store for the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from feature_repo.catalog import BOOK_FEATURES, MARKET_STATE, PAIR_BOOK_FEATURES, PAIR_SPREAD_FEATURES, Service
from model_registry.stored_books import StoredFit
from pairity.books.families import BookFamily
from pairity.books.features import choose_universe
from pairity.books.present import MeasuredBook, PresentMarket
from pairity.errors import MissingDataError
from pairity.settings import Settings
from pairity.timeline import HOUR, format_instant
from serving.books.viewing import describe_names, read_values, view_market
from serving.hourly_data import HourlyData
from serving.journal import BookRecord, FeatureVector
from serving.vectors import make_vectors

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
    market = view_market(vectors, close, family, fit, before, measured.since)
    unusable = {one.entity: why for one in names if (why := _explain_unusable(one, close, withheld))}
    return OnlineMarket(PresentMarket(market, measured.realised, prices, missing, unusable), vectors)


def _explain_unusable(vector: FeatureVector, close: datetime, withheld: Mapping[str, str]) -> str:
    """Return why the vector of a name is not decided on; "" where it is."""
    if vector.event_timestamp == close:
        return ""
    rule = f" ({withheld[vector.entity]})" if vector.entity in withheld else ""
    if vector.event_timestamp is None:
        return f"no features online{rule}"
    return f"stale: features are {(close - vector.event_timestamp) / HOUR:.0f} h old{rule}"


def _read_closes(
    bars: Iterable[FeatureVector], able: Collection[str], close: datetime
) -> tuple[dict[str, float], frozenset[str]]:
    prices, missing = {}, set()
    for vector in bars:
        price = read_values(vector)("close")
        if vector.event_timestamp is None or price is None:
            continue
        prices[vector.entity] = price
        if vector.entity in able and close - _RECENT - HOUR <= vector.event_timestamp < close:
            missing.add(vector.entity)
    return prices, frozenset(missing)
