"""The one file that Feast's CLI scans: `feast apply` collects the objects below."""

from __future__ import annotations

from feature_repo.entities import ASSET, PAIR, PROJECT, VENUE
from feature_repo.feast_home import load_project_settings
from feature_repo.feature_services import make_feature_services
from feature_repo.feature_views import make_feature_views
from pairity.layout import Layout

_settings = load_project_settings()
_views = make_feature_views(Layout.of(_settings), _settings.features.ttl)
_services = make_feature_services(_views)

project = PROJECT
asset, pair, venue = ASSET, PAIR, VENUE
# Feast collects what module-level names refer to.
globals().update(_views)
globals().update(_services)
