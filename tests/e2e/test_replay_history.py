"""A replay of more than three months knows the funding of all of them, though the venue serves the last ones alone."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import polars as pl
import pytest

from feature_repo.raw_files import scan_versions
from pairity.layout import Layout
from pairity.progress import SilentProgress
from pairity.settings import Settings
from pairity_cli.demo.exchange import running_exchange
from pairity_cli.replay.plan import ReplayPlan, make_replay_settings
from pairity_cli.replay.trading import collect_all
from tests.e2e.made_up_recording import START, make_recording

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1200)]
ASSETS = ("BTC", "ETH")
DAYS = 130


def test_every_settlement_of_a_long_range_is_collected(tmp_path):
    recording = make_recording(tmp_path / "recorded", ASSETS, 24 * (DAYS + 12))
    since = START + timedelta(days=10)
    plan = ReplayPlan(
        data=recording,
        since=since,
        until=since + timedelta(days=DAYS),
        home=tmp_path / "home",
        features="store",
        model="champion",
        rule="always_revert",
        balance=Decimal(5000),
    )
    options = ["--start", plan.starts_at.isoformat(), "--balance", "5000", "--ends", "each"]
    with running_exchange("recorded", recording, 0, tmp_path / "log", options) as exchange:
        settings = make_replay_settings(Settings(universe={"assets": ASSETS}), plan, exchange)
        collect_all(settings, plan, exchange, SilentProgress())
    rows = scan_versions(Layout.of(settings), "funding", "okx", "BTC").select("funding_time", "known_at").collect()
    stored = rows["funding_time"].unique().sort().to_list()
    wanted = pl.datetime_range(START, plan.until, "8h", eager=True, time_zone="UTC").to_list()
    assert [time for time in wanted if time not in stored and time >= START + timedelta(hours=8)] == []
    # Each is known when it was settled, not when it was collected.
    late = rows.filter(pl.col("known_at") - pl.col("funding_time") > pl.duration(hours=1))
    assert late.is_empty(), late
