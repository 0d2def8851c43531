"""Proof of parity: every journalled feature vector against the offline store's answer for its decision time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl

from feature_repo.catalog import EVENT_TIME, find_service, find_view
from feature_repo.feature_store import open_store, read_historical
from feature_repo.offline_files import make_schema, read_row_until
from pairity.books.present import MeasureBook
from pairity.layout import Layout
from pairity.number_formats import format_count
from pairity.settings import Settings
from pairity.timeline import HOUR
from serving.books import members
from serving.books.members import BetweenRecomputation, walk_all_again
from serving.books.volatility import FEATURE, SERVICE, VolatilityRecomputation, measure_all_again
from serving.journal import BookRecord, DecisionRecord, FeatureVector, Journal
from serving.parity_causes import Cause, name_cause, read_versions
from validation.parity import Mismatch, Value, compare_rows

if TYPE_CHECKING:
    from feast import FeatureStore

_DECISIONS_AT_ONCE = 400
"""One query of the offline store answers for so many: a year of decisions does not fit into memory at once."""
_CAUSES_SOUGHT = 500
"""Differences whose cause is looked for; what is wrong with thousands is wrong with the first ones."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that was decided on and is not what the offline store says."""

    service: str
    entity: str
    bar: datetime
    """Close of the decision's bar."""
    feature: str
    online: Value
    offline: Value
    cause: Cause | None
    """None beyond the first differences, whose causes are looked for."""


@dataclass(frozen=True, slots=True)
class FeatureParity:
    """What was compared of one feature of a service."""

    service: str
    feature: str
    compared: int
    different: int
    """All that differ, the next two included."""
    missing: int
    """Nothing was read online where the offline store knew a value."""
    extra: int
    """Something was read online where the offline store knew nothing."""
    late: int
    """Values of a row of an earlier bar than the decision's, whether or not they differ."""
    oldest: timedelta | None
    """From the event of the oldest row that was read to its decision; None where no row was known."""


@dataclass(frozen=True, slots=True)
class ParityReport:
    """How many values of how many decisions were compared, and those that differ, oldest bar first."""

    bars: tuple[datetime, ...]
    """Closes of the bars of the decisions, ascending."""
    rows: int
    values: int
    mismatches: tuple[Difference, ...]
    features: tuple[FeatureParity, ...]

    @property
    def decisions(self) -> int:
        """Number of decisions."""
        return len(self.bars)

    @property
    def summary(self) -> str:
        """The result in one line."""
        verdict = "all identical, bit for bit" if self.values else "nothing to compare"
        if self.mismatches:
            verdict = f"{len(self.mismatches):,} DIFFER"
        return (
            f"{format_count(self.decisions, 'decision')}, {format_count(self.rows, 'vector')}, "
            f"{format_count(self.values, 'value')} read online: {verdict}"
        )


def check_parity(
    settings: Settings,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    measure: MeasureBook | None = None,
) -> ParityReport:
    """Compare every journalled feature vector with the offline store's answer for its decision time.

    Those of decisions on bars that closed from `since` to before `until`, all without them. With `measure` the
    volatility that a book's target was compared with is measured again, too. Nothing is kept of it:
    `serving.parity_verdicts` does that. Raises JournalError where there is no journal.
    """
    layout, store = Layout.of(settings), open_store(settings)
    tally = _Tally(layout, settings.features.ttl)
    journal = Journal.read(layout.journal_place)
    try:
        chosen = journal.decisions(since, until)
        for first in range(0, len(chosen), _DECISIONS_AT_ONCE):
            decisions = {record.decision_id: record for record in chosen[first : first + _DECISIONS_AT_ONCE]}
            vectors = [vector for key in decisions for vector in journal.vectors(key)]
            for name in sorted({vector.service for vector in vectors}):
                tally.add(store, name, [vector for vector in vectors if vector.service == name], decisions)
        if measure is not None:
            books = [(record, journal.books.get(record.decision_id)) for record in chosen]
            decided = [(record, book) for record, book in books if book is not None]
            tally.add_volatilities(*measure_all_again(settings, decided, measure))
            walked = ((book, journal.books.before(book.close)) for _, book in decided if book.walked is not None)
            tally.add_members(*walk_all_again(settings, walked, measure))
    finally:
        journal.close()
    return tally.report(tuple(record.event_timestamp for record in chosen))


class _Tally:
    """Counts over all comparisons so far."""

    def __init__(self, layout: Layout, ttl: timedelta) -> None:
        self._layout, self._ttl = layout, ttl
        self._rows = 0
        self._counts: dict[tuple[str, str], Counter[str]] = {}
        self._oldest: dict[str, timedelta] = {}
        self._found: list[Difference] = []

    def add(
        self,
        store: FeatureStore,
        service: str,
        vectors: Sequence[FeatureVector],
        decisions: Mapping[str, DecisionRecord],
    ) -> None:
        """Compare the vectors of one feature service; one query of the offline store answers for all of them."""
        features = find_service(service).features
        late = 0
        for vector in vectors:
            if vector.event_timestamp is None:
                continue
            decision = decisions[vector.decision_id]
            late += vector.event_timestamp < decision.event_timestamp
            age = decision.decision_time - vector.event_timestamp
            self._oldest[service] = max(age, self._oldest.get(service, age))
        self._rows += len(vectors)
        for feature in features:
            counts = self._counts.setdefault((service, feature), Counter())
            counts.update(compared=len(vectors), late=late)
        for mismatch in self._compare(store, service, vectors, decisions):
            counts = self._counts[service, mismatch.column]
            counts.update(
                different=1,
                missing=int(mismatch.online is None),
                extra=int(mismatch.offline is None),
            )
            vector = vectors[mismatch.row]
            self._found.append(self._describe(service, vector, decisions[vector.decision_id], mismatch))

    def add_volatilities(
        self, counts: Counter[str], different: Sequence[tuple[BookRecord, VolatilityRecomputation]]
    ) -> None:
        """Count the volatilities of books that were measured again."""
        if not counts:
            return
        self._counts[SERVICE, FEATURE] = counts
        for book, one in different:
            self._found.append(
                Difference(
                    service=SERVICE,
                    entity=book.family,
                    bar=book.close,
                    feature=FEATURE,
                    online=one.recorded.value,
                    offline=one.again,
                    cause=name_cause(one.recorded.value, one.again, None, ()),
                )
            )

    def add_members(self, counts: Counter[str], different: Sequence[tuple[BookRecord, BetweenRecomputation]]) -> None:
        """Count what members of combined books decided between two decisions, computed again."""
        if not counts:
            return
        self._counts[SERVICE, members.FEATURE] = counts
        for book, one in different:
            for member, ours, theirs in one.different:
                self._found.append(
                    Difference(
                        service=SERVICE,
                        entity=member,
                        bar=book.close,
                        feature=members.FEATURE,
                        online=ours,
                        offline=theirs,
                        cause=name_cause(ours, theirs, None, ()),
                    )
                )

    def report(self, bars: tuple[datetime, ...]) -> ParityReport:
        """Return everything that was counted."""
        return ParityReport(
            bars=bars,
            rows=self._rows,
            values=sum(counts["compared"] for counts in self._counts.values()),
            mismatches=tuple(sorted(self._found, key=lambda one: (one.bar, one.service, one.entity, one.feature))),
            features=tuple(
                FeatureParity(
                    service=service,
                    feature=feature,
                    compared=counts["compared"],
                    different=counts["different"],
                    missing=counts["missing"],
                    extra=counts["extra"],
                    late=counts["late"],
                    oldest=self._oldest.get(service),
                )
                for (service, feature), counts in sorted(self._counts.items())
            ),
        )

    def _compare(
        self,
        store: FeatureStore,
        service: str,
        vectors: Sequence[FeatureVector],
        decisions: Mapping[str, DecisionRecord],
    ) -> list[Mismatch]:
        declared, features = find_view(find_service(service).view), find_service(service).features
        types = {feature: make_schema(declared)[feature] for feature in features}
        # The declared types, not inferred ones: a column of nulls would otherwise differ by its type.
        online = pl.DataFrame([dict(vector.values) for vector in vectors], schema=types)
        entity_rows = pl.DataFrame(
            {
                declared.entity: [vector.entity for vector in vectors],
                EVENT_TIME: [decisions[vector.decision_id].decision_time for vector in vectors],
            },
            schema_overrides={EVENT_TIME: pl.Datetime("us", "UTC")},
        )
        offline = read_historical(store, service, entity_rows)
        late = [place for place, vector in enumerate(vectors) if _is_late(decisions[vector.decision_id])]
        if late:
            bars = {place: decisions[vectors[place].decision_id] for place in late}
            rows = offline.select(features).rows()
            for place, one in bars.items():
                rows[place] = read_row_until(
                    self._layout,
                    declared,
                    features,
                    vectors[place].entity,
                    one.event_timestamp,
                    one.decision_time - self._ttl,
                    one.decision_time,
                )
            offline = pl.DataFrame(rows, schema=types, orient="row")
        return compare_rows(online, offline, features)

    def _describe(
        self, service: str, vector: FeatureVector, decision: DecisionRecord, mismatch: Mismatch
    ) -> Difference:
        cause = None
        if len(self._found) < _CAUSES_SOUGHT:
            view = find_view(find_service(service).view)
            versions = read_versions(self._layout, view, vector.entity, mismatch.column, decision.decision_time)
            cause = name_cause(mismatch.online, mismatch.offline, vector.event_timestamp, versions)
        return Difference(
            service=service,
            entity=vector.entity,
            bar=decision.event_timestamp,
            feature=mismatch.column,
            online=mismatch.online,
            offline=mismatch.offline,
            cause=cause,
        )


def _is_late(decision: DecisionRecord) -> bool:
    """Whether later bars than the decision's may have been known when it was made, which it did not look at."""
    return decision.decision_time - decision.event_timestamp >= HOUR
