"""Feature vectors as the journal keeps them, of rows that were read online."""

from __future__ import annotations

import polars as pl

from feature_repo.catalog import EVENT_TIME, Service, find_view
from serving.journal import FeatureVector


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
