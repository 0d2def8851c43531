"""Feast feature views, derived from the catalogue."""

from __future__ import annotations

from datetime import timedelta

from feast import FeatureView, Field
from feast.types import Float64, Int64, String

from feature_repo.catalog import VIEWS, View
from feature_repo.data_sources import make_source
from feature_repo.entities import ENTITIES
from pairity.layout import Layout
from pairity.timeline import HOUR

_TYPES = {"float64": Float64, "int64": Int64, "string": String}


def make_feature_view(view: View, layout: Layout, ttl: timedelta) -> FeatureView:
    """Return the Feast view of a declaration. Its schema is explicit, so that it exists before its first file does.

    `ttl` is that of an hourly view; rows of slower views live longer by the difference of their distances.
    """
    entity = ENTITIES[view.entity]
    fields = [
        Field(name=feature.name, dtype=_TYPES[feature.dtype], description=f"{feature.formula} [{feature.unit}]")
        for feature in view.features
    ]
    return FeatureView(
        name=view.name,
        entities=[entity],
        ttl=ttl + view.every - HOUR,
        schema=[Field(name=view.entity, dtype=String), *fields],
        source=make_source(view, layout),
        online=True,
        description=view.description,
    )


def make_feature_views(layout: Layout, ttl: timedelta) -> dict[str, FeatureView]:
    """Return all Feast views by name."""
    return {name: make_feature_view(view, layout, ttl) for name, view in VIEWS.items()}
