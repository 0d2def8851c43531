"""Feature services: the features that a model is trained on and later reads online."""

from __future__ import annotations

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
from feature_repo.catalog.risk_factors import ASSET_EXPOSURES
from feature_repo.catalog.types import Service, View
from feature_repo.catalog.vwap_distance import ASSET_VWAP_DISTANCE

_NOT_IN_FOREST = {"spread", "atr_base", "atr_quote", "base_inflow", "quote_inflow", "inflow_ratio"}
"""Levels of a price, which a model of all pairs cannot compare; and inflow, which most installations do not have."""

PAIR_FOREST_FEATURES = Service(
    name="pair_forest_v1",
    description="Inputs of the universal pair forest.",
    view=PAIR_HOURLY.name,
    features=tuple(name for name in PAIR_HOURLY.feature_names if name not in _NOT_IN_FOREST),
)
PAIR_FOREST_WITH_INFLOW = Service(
    name="pair_forest_inflow_v1",
    description="The same with the coins that flowed to exchanges: for installations that collect inflow.",
    view=PAIR_HOURLY.name,
    features=(*PAIR_FOREST_FEATURES.features, "base_inflow", "quote_inflow", "inflow_ratio"),
)
MARKET_STATE = Service(
    name="market_state_v1",
    description="What the decision needs to know of each asset: last bar, range, volatility, funding, inflow.",
    view=ASSET_HOURLY.name,
    features=ASSET_HOURLY.feature_names,
)


def _whole(name: str, view: View) -> Service:
    return Service(name=name, description=view.description, view=view.name, features=view.feature_names)


MICROSTRUCTURE = _whole("microstructure_v1", ASSET_MICROSTRUCTURE)
CROSS_SECTION = _whole("cross_section_v1", ASSET_CROSS_SECTION)
LAGGED_RETURNS = _whole("lagged_returns_v1", ASSET_LAGS)
RISK_EXPOSURES = Service(
    name="risk_exposures_v1",
    description="Exposures of one asset to market, liquidity, volatility and momentum (the well-conditioned design).",
    view=ASSET_EXPOSURES.name,
    features=tuple(name for name in ASSET_EXPOSURES.feature_names if name.startswith("s4_")),
)
FACTOR_RETURNS_SERVICE = _whole("factor_returns_v1", FACTOR_RETURNS)
VWAP_DISTANCE = _whole("vwap_distance_v1", ASSET_VWAP_DISTANCE)
BOOK_FEATURES = _whole("book_features_v1", ASSET_BOOKS)
BOOK_UNIVERSE = _whole("book_universe_v1", ASSET_UNIVERSE)
PAIR_BOOK_FEATURES = _whole("pair_book_features_v1", PAIR_BOOKS)
PAIR_SPREAD_FEATURES = _whole("pair_spread_features_v1", PAIR_SPREADS)
PAIR_OUTCOME_LABELS = _whole("pair_outcome_labels_v1", PAIR_OUTCOMES)
