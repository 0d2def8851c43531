"""When the rows behind journalled feature vectors were known here."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pairity.errors import PairityError
from pairity.layout import Layout
from serving.journal import DecisionRecord, FeatureVector


def read_known_times(
    layout: Layout, record: DecisionRecord, vectors: Iterable[FeatureVector]
) -> dict[tuple[str, str], datetime]:
    """Return by service and entity when each vector's row was known: its newest version known at the decision.

    What is not stored any more, or cannot be read, is left out: it hides when it was known, and nothing else.
    """
    import polars as pl

    from feature_repo.catalog import CREATED_TIME, EVENT_TIME, find_service, find_view
    from feature_repo.offline_files import scan_since

    known: dict[tuple[str, str], datetime] = {}
    for vector in vectors:
        if vector.event_timestamp is None:
            continue
        try:
            view = find_view(find_service(vector.service).view)
            rows = scan_since(layout, view, vector.event_timestamp).filter(
                (pl.col(view.entity) == vector.entity)
                & (pl.col(EVENT_TIME) == vector.event_timestamp)
                & (pl.col(CREATED_TIME) <= record.decision_time)
            )
            newest = rows.select(pl.col(CREATED_TIME).max()).collect().item()
        except (PairityError, pl.exceptions.PolarsError, OSError):
            continue
        if newest is not None:
            known[vector.service, vector.entity] = newest
    return known
