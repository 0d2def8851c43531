"""The one file that Feast's CLI scans: everything below is collected by `feast apply`."""

from __future__ import annotations

from feast import Project

from feature_repo.entities import ASSET, PAIR
from feature_repo.feature_services import feature_services
from feature_repo.feature_views import feature_views
from feature_repo.home import HOME
from pairity.layout import Layout
from pairity.settings import load_settings

project = Project(name="pairity", description="Pairs of crypto perpetual futures: features known at each bar's close.")
asset, pair = ASSET, PAIR
_views = feature_views(Layout(HOME), load_settings().features.ttl)
_services = feature_services(_views)
asset_hourly, pair_hourly = _views["asset_hourly"], _views["pair_hourly"]
pair_forest_v1, market_state_v1 = _services["pair_forest_v1"], _services["market_state_v1"]
