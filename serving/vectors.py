"""Feature vectors as the journal keeps them, of rows that were read online."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from feature_repo.catalog import EVENT_TIME, Service, find_view
from pairity.timeline import Clock
from serving.journal import FeatureVector, Journal

_ARCHIVED_AT_ONCE = 6
"""Decisions whose feature vectors move after one decision: few, since nobody looks at the venue meanwhile."""


def make_vectors(decision_id: str, service: Service, rows: pl.DataFrame) -> list[FeatureVector]:
    """Return one vector per row of `rows` (entity, event_timestamp, features), in their order."""
    names, entity = service.features, find_view(service.view).entity
    return [
        FeatureVector(
            decision_id=decision_id,
            service=service.name,
            entity=name,
            event_timestamp=event,
            values=dict(zip(names, values, strict=True)),
        )
        for name, event, values in zip(
            rows[entity].to_list(), rows[EVENT_TIME].to_list(), rows.select(names).rows(), strict=True
        )
    ]


class Archiving:
    """Moving of old feature vectors out of the journal, where the settings say after how many days."""

    def __init__(self, journal: Journal, clock: Clock, days: float | None) -> None:
        self._journal, self._clock, self._days = journal, clock, days
        self._until: datetime | None = None

    def move_old(self) -> None:
        """Move the vectors of a few decisions, the oldest first."""
        if self._days is None:
            return
        before = self._clock.now() - timedelta(days=self._days)
        moved = self._journal.archive_vectors(before, _ARCHIVED_AT_ONCE, self._until)
        if moved < _ARCHIVED_AT_ONCE:
            self._until = before
