"""What was decided on, as tables: features and scores of every pair at every decision, as the journal has them."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from feature_repo.catalog import EVENT_TIME, Service, find_view
from feature_repo.offline_files import make_schema
from pairity.layout import Layout
from serving.journal import Journal

PAIR = "pair_id"
_TIME = pl.Datetime("us", "UTC")


def read_decided_features(layout: Layout, service: Service, since: datetime, until: datetime) -> pl.DataFrame:
    """Return the features of `service` that were decided on: pair_id, event_timestamp (close of the bar), features.

    Of decisions on bars that closed from `since` to before `until`, oldest first; null where a value was not known.
    Raises JournalError where there is no journal.
    """
    types = make_schema(find_view(service.view))
    schema = {PAIR: pl.String(), EVENT_TIME: _TIME, **{name: types[name] for name in service.features}}
    journal = Journal.read(layout.journal_place)
    try:
        rows = [
            {PAIR: vector.entity, EVENT_TIME: record.event_timestamp, **vector.values}
            for record in journal.decisions(since, until)
            for vector in journal.vectors(record.decision_id)
            if vector.service == service.name
        ]
    finally:
        journal.close()
    return pl.DataFrame(rows, schema=schema)


def read_decided_scores(
    layout: Layout,
    model: tuple[str, str],
    since: datetime,
    until: datetime,
    *,
    name: str,
    least_z: float | None = None,
) -> pl.DataFrame:
    """Return the scores of one model (its name and version): pair_id, event_timestamp, and `name`, the score.

    Of decisions on bars that closed from `since` to before `until`, and of pairs with |z| above `least_z`; null where a
    pair was not scored. Raises JournalError where there is no journal.
    """
    journal = Journal.read(layout.journal_place)
    try:
        rows = [
            {PAIR: item.pair.pair_id, EVENT_TIME: record.event_timestamp, name: item.probability}
            for record in journal.decisions(since, until)
            if (record.model_name, record.model_version) == model
            for item in record.decision.scores
            if least_z is None or (item.z is not None and abs(item.z) > least_z)
        ]
    finally:
        journal.close()
    return pl.DataFrame(rows, schema={PAIR: pl.String(), EVENT_TIME: _TIME, name: pl.Float64()})
