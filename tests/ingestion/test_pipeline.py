"""The whole ingestion against the real paper exchange: published, idempotent, killable, live equal to backfill."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from feature_repo import catalog
from feature_repo.catalog import ASSET_HOURLY, PAIR_HOURLY, SERVICES
from feature_repo.contract_specs import read_contracts
from feature_repo.feature_store import open_store, read_online
from feature_repo.offline_files import keep_newest, scan_view
from ingestion.lake import Lake
from ingestion.pipeline import Pipeline, ingest
from ingestion.staging import Staging
from pairity.errors import LakeCorruptError, TimeRangeError, UnknownNameError, VenueUnreachableError
from pairity.layout import Layout
from pairity.settings import ExchangeSettings, Settings
from tests.ingestion.venue import ASSETS, HOUR, NOW, SINCE, UNTIL, Venue, synthetic, venue
from training.data.point_in_time import read_snapshot_id
from validation.quarantine import read_items

VIEWS = tuple(view for view in catalog.VIEWS.values() if view.every == HOUR)
HOURLY = tuple(view.name for view in VIEWS)
# Three assets have three pairs, and one market.
ONLINE_ROWS = {name: 1 if view.entity == "venue" else 3 for name, view in catalog.VIEWS.items()}


def run(okx: Venue, home: Path, since=SINCE, until=UNTIL, **options):
    return asyncio.run(ingest(okx.settings(home), since, until, clock=okx, **options))


def files(home: Path, *folders: str) -> dict[str, tuple[int, bytes]]:
    paths = (path for folder in folders for path in (home / folder).rglob("*") if path.is_file())
    return {str(path.relative_to(home)): (path.stat().st_mtime_ns, path.read_bytes()) for path in paths}


def contents(home: Path, *folders: str) -> dict[str, bytes]:
    return {name: content for name, (_, content) in files(home, *folders).items()}


def features(home: Path, view, *, bits=True) -> pl.DataFrame:
    rows = keep_newest(scan_view(Layout(home), view), view).drop("created_timestamp").collect()
    floats = [name for name, kind in rows.schema.items() if kind == pl.Float64]
    return rows.with_columns(pl.col(floats).reinterpret(dtype=pl.Int64)) if bits else rows


@pytest.fixture(scope="module")
def ingested(market, tmp_path_factory):
    home = tmp_path_factory.mktemp("ingested")
    with venue(market) as okx:
        yield okx, home, run(okx, home)


def test_a_run_publishes_raw_data_features_contracts_and_the_online_rows(ingested):
    okx, home, report = ingested
    assert report.ok
    assert report.quarantined == report.failures == report.left_out == ()
    assert report.checks_failed == 0
    assert report.checks_passed > 100
    assert {(row.asset, row.dataset) for row in report.raw} == {
        (a, d) for a in ASSETS for d in ("candles_1m", "funding", "mark_1h", "index_1h", "open_interest")
    }
    # The sample of open interest at the very end belongs to the last close, not to the range.
    assert all(row.new_rows - row.rows == (row.dataset == "open_interest") for row in report.raw)
    assert Lake(Layout(home)).snapshot_id() == report.snapshot_id == read_snapshot_id(Layout(home))
    hours = 6 * 24
    assert {view.view: view.online_rows for view in report.views} == ONLINE_ROWS
    assert features(home, ASSET_HOURLY).height == 3 * hours
    assert features(home, PAIR_HOURLY).height == 3 * (hours - 23)
    assert set(read_contracts(Layout(home))) == set(ASSETS)
    store = open_store(okx.settings(home))
    for service in SERVICES.values():
        view = catalog.VIEWS[service.view]
        if view.every != HOUR:
            continue
        names = {"asset": ASSETS, "venue": ("okx",)}.get(view.entity, ("BTC__ETH", "BTC__SOL", "ETH__SOL"))
        online = read_online(store, service.name, names)
        assert online["event_timestamp"].unique().to_list() == [UNTIL]
        stored = features(home, view, bits=False).filter(pl.col("event_timestamp") == UNTIL)
        assert online.select(service.features).equals(stored.select(service.features))


def test_a_second_run_asks_for_no_candles_and_changes_no_byte(ingested):
    okx, home, first = ingested
    before = files(home, "lake", "features")
    okx.faults.add("html_502", "market/history-candles", None)
    try:
        second = run(okx, home)
    finally:
        okx.faults.clear()
    assert second.ok
    assert second.new_rows == 0
    assert second.snapshot_id == first.snapshot_id
    assert files(home, "lake", "features") == before
    assert not list((home / "staging").rglob("*.parquet"))


def test_an_online_store_that_was_lost_is_filled_from_the_files(ingested):
    okx, home, _ = ingested
    shutil.rmtree(Layout(home).feast)
    before = files(home, "lake", "features")
    assert [view.online_rows for view in run(okx, home).views] == list(ONLINE_ROWS.values())
    assert files(home, "lake", "features") == before


INGEST = """
import asyncio, sys
from datetime import datetime
from pathlib import Path
from ingestion.pipeline import ingest
from pairity.settings import ExchangeSettings, IngestSettings, Settings, UniverseSettings
from venue.clock import PolledClock
async def main():
    url, home, since, until = sys.argv[1:]
    settings = Settings(home=Path(home), exchange=ExchangeSettings(url=url, rate_limit=False),
        universe=UniverseSettings(assets=("BTC", "ETH", "SOL"), min_aligned_bars=24),
        ingest=IngestSettings(page_size=20))
    clock = await PolledClock.connect(url, 5.0)
    await ingest(settings, datetime.fromisoformat(since), datetime.fromisoformat(until), clock=clock)
asyncio.run(main())
"""


def kill_when(okx: Venue, home: Path, reached) -> None:
    """Start an ingestion in a process of its own and kill it once `reached` holds."""
    command = [sys.executable, "-W", "ignore", "-c", INGEST, okx.url, str(home), SINCE.isoformat(), UNTIL.isoformat()]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        while not reached() and process.poll() is None:
            time.sleep(0.01)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        else:  # it was faster than this loop; then it must have ended well
            assert process.returncode == 0, process.stderr.read()


@pytest.mark.slow
def test_killed_half_way_and_run_again_equals_a_run_that_was_not(ingested, tmp_path):
    okx, calm_home, calm = ingested
    collecting, publishing = tmp_path / "staging", tmp_path / "features"
    kill_when(okx, tmp_path, lambda: len(list(collecting.rglob("*.parquet"))) >= 3)
    kill_when(okx, tmp_path, lambda: any(publishing.rglob("*.parquet")))
    after = run(okx, tmp_path)
    assert after.ok
    assert after.snapshot_id == calm.snapshot_id
    assert contents(tmp_path, "lake") == contents(calm_home, "lake")
    assert contents(tmp_path, "features") == contents(calm_home, "features")
    assert not Staging(Layout(tmp_path)).datasets()
    assert not [path for path in tmp_path.rglob("*tmp*") if path.is_file()]


def test_what_a_killed_process_was_noting_beside_the_features_is_removed(ingested, tmp_path):
    okx, calm_home, _ = ingested
    home = tmp_path / "home"
    shutil.copytree(calm_home, home)
    unfinished = [home / "features" / f".{name}.json.99.tmp" for name in ("inputs", "snapshot")]
    for path in unfinished:
        path.write_text("{")
    assert run(okx, home).ok
    assert [path for path in unfinished if path.exists()] == []


def test_bars_taken_live_have_the_bits_of_a_later_backfill(market, tmp_path):
    start = UNTIL - 2 * HOUR
    with venue(market, start + timedelta(seconds=30)) as okx:

        async def trade():
            async with Pipeline(okx.settings(tmp_path / "live"), okx) as pipeline:
                await pipeline.run(SINCE, start)
                for hour in range(1, 3):
                    close = start + hour * HOUR
                    okx.step_to(close + timedelta(seconds=30))
                    report = await pipeline.run(close - 6 * HOUR, close, live=True)
                    assert report.ok
                    hourly = [view for view in report.views if view.view in HOURLY]
                    assert {view.view: (view.new_rows, view.corrected_rows) for view in hourly} == {
                        name: (ONLINE_ROWS[name], 0) for name in HOURLY
                    }

        asyncio.run(trade())
        run(okx, tmp_path / "backfill")
    for view in VIEWS:
        live, backfilled = features(tmp_path / "live", view), features(tmp_path / "backfill", view)
        assert live.equals(backfilled)
        known = scan_view(Layout(tmp_path / "live"), view).filter(pl.col("event_timestamp") > start).collect()
        assert (known["created_timestamp"] - known["event_timestamp"]).unique().to_list() == [timedelta(seconds=30)]


@pytest.mark.slow
def test_a_history_that_is_extended_backwards_becomes_known_when_it_arrives(market, tmp_path):
    with venue(market) as okx:
        run(okx, tmp_path, since=UNTIL - timedelta(days=2, hours=3))
        report = run(okx, tmp_path)
        assert report.ok
        changed = {view.view: view.corrected_rows for view in report.views}
        assert changed["asset_hourly"] > 0
        everything = scan_view(Layout(tmp_path), ASSET_HOURLY).collect()
        corrected = everything.filter(pl.col("created_timestamp") >= NOW)
        assert corrected.height == changed["asset_hourly"]
        run(okx, tmp_path / "whole")
    for view in VIEWS:
        assert features(tmp_path, view).equals(features(tmp_path / "whole", view))


def test_a_row_that_fails_is_held_back_and_fetched_again_next_time(market, tmp_path):
    since = UNTIL - 30 * HOUR
    assert since + HOUR == UNTIL.replace(day=1, hour=0)  # the last hour of a month, a partition of its own
    staging, lake = Staging(Layout(tmp_path)), Lake(Layout(tmp_path))
    bad = {"open_time": [since], "open": [1.0], "high": [0.5], "low": [2.0], "close": [1.0], "volume": [1.0]}
    rows = pl.DataFrame({**bad, "volume_quote": [1.0], "known_at": [since + timedelta(minutes=1)]})
    staging.add("candles_1m", "ETH", rows, covered=[(since, since + HOUR)])
    with venue(market) as okx:
        report = run(okx, tmp_path, since=since)
        assert not report.ok
        assert [(item.stage, item.key) for item in report.quarantined] == [("candles_1m", "ETH/2025-12")]
        assert any("high_low_violations" in rule for rule in report.quarantined[0].rules)
        assert [entry.rows for entry in read_items(Layout(tmp_path))] == [1]
        assert lake.coverage("candles_1m", "ETH", since, UNTIL) == ((since + timedelta(minutes=1), UNTIL),)
        again = run(okx, tmp_path, since=since)
    assert again.ok
    assert lake.coverage("candles_1m", "ETH", since, UNTIL) == ((since, UNTIL),)
    assert lake.scan("candles_1m", ["ETH"], since, UNTIL).collect()["high"].min() > 1.0


def test_a_suspended_instrument_is_reported_the_others_go_on(market, tmp_path):
    with venue(market) as okx:
        okx.faults.add("suspend", "*", None, {"instId": "SOL-USDT-SWAP"})
        report = run(okx, tmp_path, since=UNTIL - 26 * HOUR)
        assert not report.ok
        assert [(failure.asset, "suspend" in failure.reason) for failure in report.failures] == [("SOL", True)]
        assert "BTC__ETH" not in {pair.pair_id for pair in report.left_out}


def test_a_universe_of_which_the_venue_lists_nothing_is_refused_before_anything_is_written(okx, tmp_path):
    settings = okx.settings(tmp_path, assets=("NOPE", "NONE"))
    with pytest.raises(UnknownNameError, match="'NOPE'") as caught:
        asyncio.run(ingest(settings, SINCE, UNTIL, clock=okx))
    assert "ETH" in caught.value.choices
    assert not tmp_path.joinpath("lake").exists()


@pytest.mark.parametrize(("since", "until"), [(UNTIL, UNTIL), (UNTIL, SINCE), (NOW + HOUR, NOW + 2 * HOUR)])
def test_ranges_that_hold_nothing_are_refused(okx, tmp_path, since, until):
    with pytest.raises(TimeRangeError):
        run(okx, tmp_path, since=since, until=until)
    assert not tmp_path.joinpath("lake").exists()


def test_nothing_listening_writes_nothing(tmp_path):
    settings = Settings(home=tmp_path, exchange=ExchangeSettings(url="http://127.0.0.1:9", max_retries=0))
    with pytest.raises(VenueUnreachableError, match="make demo"):
        asyncio.run(ingest(settings, SINCE, UNTIL, clock=Venue("", None, None)))
    assert list(tmp_path.iterdir()) == []


def test_a_truncated_file_of_the_lake_stops_the_run_and_is_named(market, tmp_path):
    with venue(market) as okx:
        run(okx, tmp_path, since=UNTIL - 26 * HOUR)
        part = next((tmp_path / "lake" / "candles_1m").rglob("part.parquet"))
        os.truncate(part, part.stat().st_size // 2)
        with pytest.raises(LakeCorruptError) as caught:
            run(okx, tmp_path, since=UNTIL - 26 * HOUR)
        assert str(part) in str(caught.value)


def test_the_market_of_these_tests_has_holes():
    """Otherwise the tests above would prove less than they seem to."""
    bars = synthetic().bars("BTC-USDT-SWAP", int(SINCE.timestamp() * 1000), int(UNTIL.timestamp() * 1000))
    assert 0 < 6 * 24 * 60 - len(bars) < 200
