"""Funding intervals that the venue changes from 8 h to 4 h to 1 h, through ingestion into features."""

from __future__ import annotations

import asyncio

from feature_repo.catalog import ASSET_HOURLY, PAIR_HOURLY
from feature_repo.offline_files import keep_newest, scan_view
from ingestion.pipeline import ingest
from pairity.layout import Layout
from pairity.timeline import to_ms
from paper_exchange.events.scripted_market import ScriptedMarket
from tests.ingestion.venue import HOUR, NOW, UNTIL, synthetic, venue


def newest(home, view):
    return keep_newest(scan_view(Layout(home), view), view).collect()


def test_features_follow_the_interval_in_force(tmp_path):
    midnight = NOW.replace(hour=0, minute=0, second=0)
    market = ScriptedMarket(synthetic())
    market.set_funding_hours("SOL-USDT-SWAP", 4, to_ms(midnight - 24 * HOUR))
    market.set_funding_hours("SOL-USDT-SWAP", 1, to_ms(midnight))
    with venue(market) as okx:
        report = asyncio.run(ingest(okx.settings(tmp_path), UNTIL - 60 * HOUR, UNTIL, clock=okx))
    assert report.ok
    rows = newest(tmp_path, ASSET_HOURLY)
    sol = dict(rows.filter(asset="SOL").select("event_timestamp", "funding_interval_h").iter_rows())
    assert [sol[midnight + hour * HOUR] for hour in (-25, -24, -21, -20, -4, 0, 1, 2, 5)] == [8, 8, 8, 4, 4, 4, 1, 1, 1]
    pairs = newest(tmp_path, PAIR_HOURLY).filter(pair_id="BTC__SOL", event_timestamp=UNTIL)
    settled = {
        asset: rows.filter(asset=asset, event_timestamp=UNTIL)["funding_rate"].item() for asset in ("BTC", "SOL")
    }
    assert pairs["funding_diff"].to_list() == [settled["BTC"] / 8 - settled["SOL"]]
    assert pairs["base_funding"].to_list() == [settled["BTC"]]
