"""Proof of parity: every journalled feature vector against the offline store's answer for its decision time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from feature_repo.catalog import EVENT_TIME, find_service, find_view
from feature_repo.feature_store import open_store, read_historical
from feature_repo.offline_files import make_schema
from pairity.layout import Layout
from pairity.number_formats import format_count
from pairity.settings import Settings
from serving.journal import DecisionRecord, FeatureVector, Journal
from serving.last_checks import keep_outcome
from validation.parity import Mismatch, compare_rows

if TYPE_CHECKING:
    from feast import FeatureStore


@dataclass(frozen=True, slots=True)
class ParityReport:
    """How many values of how many decisions were compared, and those that differ, each with entity and bar."""

    decisions: int
    rows: int
    values: int
    mismatches: tuple[tuple[str, Mismatch], ...]

    @property
    def summary(self) -> str:
        """The result in one line."""
        verdict = "all identical, bit for bit" if not self.mismatches else f"{len(self.mismatches):,} DIFFER"
        return (
            f"{format_count(self.decisions, 'decision')}, {format_count(self.rows, 'vector')}, "
            f"{format_count(self.values, 'value')} read online: {verdict}"
        )


def live_parity(settings: Settings) -> Callable[[], tuple[int, str]] | None:
    """Return the comparison for the promotion gate, or None before the first live decision.

    Called, it returns the number of values that differ, and a summary in words.
    """
    if not Layout.of(settings).journal.is_file():
        return None

    def check() -> tuple[int, str]:
        report = check_parity(settings)
        return len(report.mismatches), report.summary

    return check


def check_parity(settings: Settings) -> ParityReport:
    """Compare every journalled feature vector with the offline store's answer for its decision time.

    The outcome is kept for the status of the trading process. Raises JournalError where there is no journal.
    """
    journal = Journal.read(Layout.of(settings).journal)
    try:
        decisions = {record.decision_id: record for record in journal.decisions()}
        vectors = [vector for key in decisions for vector in journal.vectors(key)]
    finally:
        journal.close()
    store = open_store(settings)
    mismatches: list[tuple[str, Mismatch]] = []
    values = 0
    for name in sorted({vector.service for vector in vectors}):
        own = [vector for vector in vectors if vector.service == name]
        mismatches += _compare_service(store, name, own, decisions)
        values += len(own) * len(find_service(name).features)
    keep_outcome(Layout.of(settings), "parity", values, len(mismatches))
    return ParityReport(len(decisions), len(vectors), values, tuple(mismatches))


def _compare_service(
    store: FeatureStore, name: str, vectors: Sequence[FeatureVector], decisions: Mapping[str, DecisionRecord]
) -> list[tuple[str, Mismatch]]:
    """Compare the vectors of one feature service; one query of the offline store answers for all of them."""
    declared, features = find_view(find_service(name).view), find_service(name).features
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
    offline = read_historical(store, name, entity_rows)
    mismatches = []
    for mismatch in compare_rows(online, offline, features):
        vector = vectors[mismatch.row]
        at = decisions[vector.decision_id].event_timestamp
        mismatches.append((f"{vector.entity} at {at:%Y-%m-%d %H:%M}", mismatch))
    return mismatches
