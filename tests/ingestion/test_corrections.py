"""A venue that changes a bar or a rate: a new row with its own knowledge time, in every feature that depends on it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from feature_repo.catalog import ASSET_HOURLY, PAIR_HOURLY
from feature_repo.feature_store import open_store, read_historical
from feature_repo.offline_files import keep_newest, scan_view
from ingestion.lake import Lake
from ingestion.pipeline import ingest
from pairity.layout import Layout
from paper_exchange.market.recorded import RecordedMarket
from tests.feature_repo.transforms.markets import candles, settlements
from tests.ingestion.venue import ASSETS, HOUR, venue
from training.data.training_sets import build_training_set, digest_training_rows

START = datetime(2026, 1, 2, tzinfo=UTC)
UNTIL = START + timedelta(days=5)
CHANGED_BAR = UNTIL - 40 * HOUR - timedelta(minutes=20)
CHANGED_CLOSE = CHANGED_BAR + timedelta(minutes=20)
CHANGED_RATE = UNTIL - 16 * HOUR
LATER = timedelta(hours=3)


def write_market(folder, *, bar=1.0, rate=0.0):
    """A recording with BTC's `CHANGED_BAR` multiplied by `bar` and ETH's `CHANGED_RATE` moved by `rate`."""
    minutes = candles(ASSETS, 5 * 1440 + 300, bar=timedelta(minutes=1), start=START, seed=4, volatility=0.0005)
    touched = (pl.col("asset") == "BTC") & (pl.col("open_time") == CHANGED_BAR)
    prices = (
        pl.when(touched)
        .then(pl.col("open", "high", "low", "close") * bar)
        .otherwise(pl.col("open", "high", "low", "close"))
    )
    rates = settlements(ASSETS, 24 * 6, start=START, seed=4).with_columns(
        pl.when((pl.col("asset") == "ETH") & (pl.col("funding_time") == CHANGED_RATE))
        .then(pl.col("funding_rate") + rate)
        .otherwise(pl.col("funding_rate"))
        .alias("funding_rate")
    )
    for name, frame, time in (("1m_x", minutes.with_columns(prices), "open_time"), ("funding", rates, "funding_time")):
        (folder / name).mkdir(parents=True)
        for asset in ASSETS:
            own = frame.filter(pl.col("asset") == asset).with_columns(pl.col(time).dt.epoch("ms").alias("ts"))
            kept = [c for c in ("ts", "open", "high", "low", "close", "volume", "funding_rate") if c in own.columns]
            own.select(kept).write_parquet(folder / name / f"{asset}-USDT.parquet")
    return folder


def run(folder, home, now, *, recheck=False):
    with venue(RecordedMarket(folder), now=now) as okx:
        settings = okx.settings(home)
        return settings, asyncio.run(ingest(settings, START, UNTIL, clock=okx, recheck=recheck))


def versions(home, view, entity, event):
    rows = scan_view(Layout(home), view).filter((pl.col(view.entity) == entity) & (pl.col("event_timestamp") == event))
    return rows.sort("created_timestamp").collect()


@pytest.fixture(scope="module")
def corrected(tmp_path_factory):
    """Ingested; then the venue says otherwise; then rechecked three hours later."""
    root = tmp_path_factory.mktemp("corrections")
    settings, first = run(write_market(root / "first"), root / "home", UNTIL)
    known = training_set(settings, UNTIL)
    _, second = run(write_market(root / "second", bar=1.004, rate=2e-4), root / "home", UNTIL + LATER, recheck=True)
    assert first.ok
    assert second.ok
    return root, settings, second, known


def training_set(settings, known_at):
    from feature_repo.catalog import PAIR_FOREST_FEATURES

    quick = settings.model_copy(update={"label": settings.label.model_copy(update={"horizon_bars": 6})})
    store = open_store(quick)
    return build_training_set(
        quick, PAIR_FOREST_FEATURES, lambda name, rows: read_historical(store, name, rows), known_at
    )


@pytest.mark.slow
def test_a_changed_bar_and_a_changed_rate_are_new_raw_rows(corrected):
    root, _, report, _ = corrected
    assert {(row.asset, row.dataset): row.new_rows for row in report.raw if row.new_rows} == {
        ("BTC", "candles_1m"): 1,
        ("ETH", "funding"): 1,
        ("BTC", "mark_1h"): 1,
        ("BTC", "index_1h"): 1,  # a recording without marks has its last prices as marks
    }
    lake = Lake(Layout(root / "home"))
    before = lake.scan("candles_1m", ["BTC"], CHANGED_BAR, CHANGED_CLOSE, known_by=UNTIL + HOUR).head(1).collect()
    after = lake.scan("candles_1m", ["BTC"], CHANGED_BAR, CHANGED_CLOSE).head(1).collect()
    assert after["close"].item() == pytest.approx(before["close"].item() * 1.004)
    assert before["known_at"].item() == CHANGED_BAR + timedelta(minutes=1, milliseconds=1)
    assert after["known_at"].item() >= UNTIL + LATER


def test_every_dependent_feature_has_a_new_version_and_no_other(corrected):
    root, _, _, _ = corrected
    home = root / "home"
    # The changed minute is inside its hour: its high may change, and with it what looks back at highs.
    changed = {}
    for view in (ASSET_HOURLY, PAIR_HOURLY):
        rows = scan_view(Layout(home), view).collect()
        changed[view.name] = rows.filter(pl.col("created_timestamp") >= UNTIL + LATER)
    assets = changed["asset_hourly"]
    assert set(assets["asset"]) == {"BTC", "ETH"}
    rates = assets.filter(pl.col("asset") == "ETH")["event_timestamp"]
    assert (rates.min(), rates.max()) == (CHANGED_RATE, CHANGED_RATE + 7 * HOUR)
    bars = assets.filter(pl.col("asset") == "BTC")["event_timestamp"]
    assert bars.min() == CHANGED_CLOSE.replace(minute=0, second=0) + (HOUR if CHANGED_CLOSE.minute else 0 * HOUR)
    assert bars.max() <= bars.min() + 25 * HOUR
    pairs = changed["pair_hourly"]
    assert set(pairs["pair_id"]) == {"BTC__ETH", "BTC__SOL", "ETH__SOL"}
    own = pairs.filter(pl.col("pair_id") == "ETH__SOL")["event_timestamp"]
    assert (own.min(), own.max()) == (CHANGED_RATE, CHANGED_RATE + 7 * HOUR)


def test_the_new_versions_are_those_of_a_store_that_never_knew_otherwise(corrected, tmp_path):
    root, _, _, _ = corrected
    run(root / "second", tmp_path / "fresh", UNTIL + LATER)
    for view in (ASSET_HOURLY, PAIR_HOURLY):
        ours, fresh = (
            keep_newest(scan_view(Layout(home), view), view).drop("created_timestamp").collect()
            for home in (root / "home", tmp_path / "fresh")
        )
        assert ours.equals(fresh, null_equal=True)


def test_what_was_known_then_is_still_what_was_known_then(corrected):
    _, settings, _, known = corrected
    again = training_set(settings, UNTIL)
    assert digest_training_rows(again.rows) == digest_training_rows(known.rows)
    today = training_set(settings, UNTIL + LATER + HOUR)
    assert digest_training_rows(today.rows) != digest_training_rows(known.rows)


def test_a_decision_sees_the_version_of_its_time(corrected):
    root, settings, _, _ = corrected
    old, new = versions(root / "home", PAIR_HOURLY, "ETH__SOL", CHANGED_RATE)["base_funding"]
    assert new - old == pytest.approx(2e-4)
    asked = pl.DataFrame(
        {
            "pair_id": ["ETH__SOL"],
            "event_timestamp": [CHANGED_RATE + timedelta(seconds=30)],
        },
        schema_overrides={"event_timestamp": pl.Datetime("us", "UTC")},
    )
    assert read_historical(open_store(settings), "pair_forest_v1", asked)["base_funding"].item() == old


def test_a_recheck_that_finds_nothing_changes_nothing(corrected):
    root, _, _, _ = corrected
    snapshot = Lake(Layout(root / "home")).snapshot_id()
    _, again = run(root / "second", root / "home", UNTIL + 2 * LATER, recheck=True)
    assert again.new_rows == 0
    assert Lake(Layout(root / "home")).snapshot_id() == snapshot
    assert [view.corrected_rows for view in again.views] == [0] * len(again.views)
