"""Feast feature services, derived from the catalogue: the features that a model or the decision asks for."""

from __future__ import annotations

from collections.abc import Mapping

from feast import FeatureService, FeatureView

from feature_repo.catalog import SERVICES


def make_feature_services(views: Mapping[str, FeatureView]) -> dict[str, FeatureService]:
    """Return all services by name, made of the given Feast views."""
    return {
        name: FeatureService(
            name=name, features=[views[service.view][list(service.features)]], description=service.description
        )
        for name, service in SERVICES.items()
    }
