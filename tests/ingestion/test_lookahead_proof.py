"""The lookahead proof reads the venue that the features are computed from, and says so where it is empty."""

from __future__ import annotations

import pytest

from ingestion.lake import Lake
from ingestion.lookahead_proof import prove_month
from pairity.errors import TimeRangeError
from pairity.layout import Layout
from pairity.progress import SilentProgress
from pairity.settings import FeatureSettings, Settings, UniverseSettings
from tests.validation.frames import candles


def settings_for(home, venue):
    return Settings(home=home, universe=UniverseSettings(assets=("BTC", "ETH")), features=FeatureSettings(venue=venue))


def test_the_features_venue_is_proven_not_the_traded_one(tmp_path):
    settings = settings_for(tmp_path, "folder")
    lake = Lake(Layout.of(settings), venue="folder")
    with lake.writing():
        for asset in settings.universe.assets:
            lake.write("candles_1m", asset, candles(minutes=300), covered=())
    report = prove_month(settings, None, 2, ("asset_hourly",), SilentProgress())
    assert report.columns
    assert not report.leaks
    with pytest.raises(TimeRangeError, match="no candles of venue 'okx'"):
        prove_month(settings_for(tmp_path, "okx"), None, 2, ("asset_hourly",), SilentProgress())
