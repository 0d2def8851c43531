"""A replay knows the funding of all of its months, and of its history, though the venue serves the last three alone."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import polars as pl
import pytest

from feature_repo.contract_specs import read_contracts
from feature_repo.raw_files import scan_versions
from pairity.layout import Layout
from pairity.progress import SilentProgress
from pairity.settings import Settings
from pairity_cli.demo.exchange import running_exchange
from pairity_cli.replay.collecting import collect_all, find_begin
from pairity_cli.replay.plan import ReplayPlan, make_replay_settings
from tests.e2e.made_up_recording import START, make_recording

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1200)]
ASSETS = ("BTC", "ETH")
DAYS, HISTORY = 130, 150


@pytest.mark.parametrize(
    ("days", "more"), [(DAYS, {}), (3, {"history_days": HISTORY}), (3, {"book": "trend_carry_book"})]
)
def test_every_settlement_of_a_long_range_is_collected(tmp_path, days, more):
    """Of the range itself, of the history to learn from, and of what a book looks back on."""
    before = max(more.get("history_days", 0), 10 if "book" not in more else 130)
    since = START + timedelta(days=before + 40)
    recording = make_recording(tmp_path / "recorded", ASSETS, 24 * (before + 40 + days + 2))
    plan = ReplayPlan(
        data=recording,
        since=since,
        until=since + timedelta(days=days),
        home=tmp_path / "home",
        features="store",
        model="champion",
        rule="always_revert",
        balance=Decimal(5000),
        **more,
    )
    begin = find_begin(plan)
    options = ["--start", begin.isoformat(), "--covering", plan.starts_at.isoformat(), "--ends", "each"]
    with running_exchange("recorded", recording, 0, tmp_path / "log", options) as exchange:
        settings = make_replay_settings(Settings(universe={"assets": ASSETS}), plan, exchange)
        collect_all(settings, plan, exchange, SilentProgress())
    rows = scan_versions(Layout.of(settings), "funding", "okx", "BTC").select("funding_time", "known_at").collect()
    stored = rows["funding_time"].unique().sort().to_list()
    wanted = pl.datetime_range(START, plan.until, "8h", eager=True, time_zone="UTC").to_list()
    assert [time for time in wanted if time not in stored and time >= begin + timedelta(hours=8)] == []
    # Each is known when it was settled, not when it was collected.
    late = rows.filter(pl.col("known_at") - pl.col("funding_time") > pl.duration(hours=1))
    assert late.is_empty(), late
    assert since - begin > timedelta(days=more.get("history_days", 0))


def test_an_asset_that_is_listed_in_the_middle_of_the_history_is_collected_from_there_on(tmp_path):
    """At the first parts the venue does not know it; nothing of it is missing in the end, nor of the others."""
    recording = make_recording(tmp_path / "recorded", ASSETS, 24 * 200)
    listed = START + timedelta(days=120)
    for folder in ("1h", "mark_1h", "funding"):
        path = recording / folder / "ETH-USDT.parquet"
        rows = pl.read_parquet(path)
        rows.filter(pl.col("ts") >= int(listed.timestamp() * 1000)).write_parquet(path)
    since = START + timedelta(days=190)
    plan = ReplayPlan(
        data=recording,
        since=since,
        until=since + timedelta(days=3),
        home=tmp_path / "home",
        features="store",
        model="champion",
        rule="always_revert",
        balance=Decimal(5000),
        history_days=150,
    )
    options = ["--start", find_begin(plan).isoformat(), "--covering", plan.starts_at.isoformat(), "--ends", "each"]
    with running_exchange("recorded", recording, 0, tmp_path / "log", options) as exchange:
        settings = make_replay_settings(Settings(universe={"assets": ASSETS}), plan, exchange)
        collect_all(settings, plan, exchange, SilentProgress())
    layout = Layout.of(settings)
    for asset, from_when in (("BTC", find_begin(plan)), ("ETH", listed)):
        bars = scan_versions(layout, "candles_1h", "okx", asset).select("open_time").collect()["open_time"].unique()
        first = from_when.replace(minute=0, second=0)
        assert bars.min() == first, asset
        assert len(bars) == (plan.until - first) // timedelta(hours=1), asset
    assert set(read_contracts(layout)) == set(ASSETS)
