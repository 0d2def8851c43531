"""Catalogue: every feature, declared once.

Feast views, validation suites, documentation and the lookahead proof follow from these declarations; the transforms
return exactly these columns. A row's `event_timestamp` is the close of its last bar.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from feature_repo.catalog.bars import ASSET_HOURLY
from feature_repo.catalog.books import ASSET_BOOKS, ASSET_UNIVERSE
from feature_repo.catalog.cross_section import ASSET_CROSS_SECTION
from feature_repo.catalog.factor_returns import FACTOR_RETURNS
from feature_repo.catalog.lags import ASSET_LAGS
from feature_repo.catalog.microstructure import ASSET_MICROSTRUCTURE
from feature_repo.catalog.pair_books import PAIR_BOOKS
from feature_repo.catalog.pair_outcomes import PAIR_OUTCOMES
from feature_repo.catalog.pair_spreads import PAIR_SPREADS
from feature_repo.catalog.pairs import PAIR_HOURLY
from feature_repo.catalog.risk_factors import ASSET_EXPOSURES, ASSET_RISK_BUCKETS
from feature_repo.catalog.services import (
    BOOK_FEATURES,
    BOOK_UNIVERSE,
    CROSS_SECTION,
    FACTOR_RETURNS_SERVICE,
    LAGGED_RETURNS,
    MARKET_STATE,
    MICROSTRUCTURE,
    PAIR_BOOK_FEATURES,
    PAIR_FOREST_FEATURES,
    PAIR_FOREST_WITH_INFLOW,
    PAIR_OUTCOME_LABELS,
    PAIR_SPREAD_FEATURES,
    RISK_EXPOSURES,
    VWAP_DISTANCE,
)
from feature_repo.catalog.types import CREATED_TIME, EVENT_TIME, DType, Feature, Service, View
from feature_repo.catalog.vwap_distance import ASSET_VWAP_DISTANCE
from pairity.errors import UnknownNameError

__all__ = [
    "ASSET_BOOKS",
    "ASSET_CROSS_SECTION",
    "ASSET_EXPOSURES",
    "ASSET_HOURLY",
    "ASSET_LAGS",
    "ASSET_MICROSTRUCTURE",
    "ASSET_RISK_BUCKETS",
    "ASSET_UNIVERSE",
    "ASSET_VWAP_DISTANCE",
    "BOOK_FEATURES",
    "BOOK_UNIVERSE",
    "CREATED_TIME",
    "CROSS_SECTION",
    "EVENT_TIME",
    "FACTOR_RETURNS",
    "FACTOR_RETURNS_SERVICE",
    "LAGGED_RETURNS",
    "MARKET_STATE",
    "MICROSTRUCTURE",
    "PAIR_BOOKS",
    "PAIR_BOOK_FEATURES",
    "PAIR_FOREST_FEATURES",
    "PAIR_FOREST_WITH_INFLOW",
    "PAIR_HOURLY",
    "PAIR_OUTCOMES",
    "PAIR_SPREADS",
    "PAIR_SPREAD_FEATURES",
    "RISK_EXPOSURES",
    "SERVICES",
    "VIEWS",
    "VWAP_DISTANCE",
    "DType",
    "Feature",
    "Service",
    "View",
    "find_service",
    "find_view",
]

_ALL = (
    ASSET_HOURLY,
    ASSET_MICROSTRUCTURE,
    ASSET_CROSS_SECTION,
    ASSET_LAGS,
    ASSET_RISK_BUCKETS,
    ASSET_EXPOSURES,
    FACTOR_RETURNS,
    ASSET_VWAP_DISTANCE,
    ASSET_BOOKS,
    ASSET_UNIVERSE,
    PAIR_HOURLY,
    PAIR_BOOKS,
    PAIR_SPREADS,
    PAIR_OUTCOMES,
)
VIEWS: Mapping[str, View] = MappingProxyType({view.name: view for view in _ALL})
"""All views, in the order of computation: a view comes after those that it reads."""
_SERVED = (
    PAIR_FOREST_FEATURES,
    PAIR_FOREST_WITH_INFLOW,
    MARKET_STATE,
    MICROSTRUCTURE,
    CROSS_SECTION,
    LAGGED_RETURNS,
    RISK_EXPOSURES,
    FACTOR_RETURNS_SERVICE,
    VWAP_DISTANCE,
    BOOK_FEATURES,
    BOOK_UNIVERSE,
    PAIR_BOOK_FEATURES,
    PAIR_SPREAD_FEATURES,
    PAIR_OUTCOME_LABELS,
)
SERVICES: Mapping[str, Service] = MappingProxyType({service.name: service for service in _SERVED})


def find_view(name: str) -> View:
    """Return the view of that name; UnknownNameError lists those that exist."""
    if name not in VIEWS:
        raise UnknownNameError("feature view", name, VIEWS)
    return VIEWS[name]


def find_service(name: str) -> Service:
    """Return the feature service of that name; UnknownNameError lists those that exist."""
    if name not in SERVICES:
        raise UnknownNameError("feature service", name, SERVICES)
    return SERVICES[name]
