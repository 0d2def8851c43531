"""Faults put into recorded minutes: each withheld under its rule, what depends on it null, the rest published."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from feature_repo.catalog import VIEWS
from ingestion.admission_record import AdmissionRecord
from ingestion.continued_month import ContinuedMonth
from ingestion.feature_admission import FeatureAdmission
from ingestion.lake.partitions import Partition
from ingestion.quarantine_actions import release
from ingestion.raw_admission import RawAdmission
from ingestion.withheld import WithheldRows
from pairity.errors import ConfigError
from pairity.timeline import month_start
from pairity.universe import inst_id
from tests.ingestion.injected import ASSETS, BAD, HOUR, MINUTE, SINCE, UNTIL, Run, change, minutes
from validation.quarantine import read_items

pytestmark = pytest.mark.recorded
PRICES = ("open", "high", "low", "close")
FIVE = BAD + 4 * MINUTE


def duplicated(frame):
    return pl.concat([frame, frame.filter(pl.col("open_time") == BAD).with_columns(volume=pl.lit(1.25))])


def stale(frame):
    row = frame.row(by_predicate=pl.col("open_time") == BAD, named=True)
    return change(BAD, BAD + 14 * MINUTE, **{name: row[name] for name in (*PRICES, "volume")})(frame)


CANDLE_FAULTS = {
    "price x 10": (change(BAD, FIVE, **{name: pl.col(name) * 10 for name in PRICES}), "price_jump", 5),
    "negative volume": (change(BAD, volume=-1.0), "negative_volumes", 1),
    "high below low": (change(BAD, high=1.0), "high_low_violations", 1),
    "duplicate with another value": (duplicated, "conflicting_duplicates", 2),
    "stale run": (stale, "stale_bars", 14),
    "not a number": (change(BAD, close=float("nan")), "nonfinite_values", 1),
    "off the grid": (
        change(BAD, open_time=BAD + timedelta(seconds=7), known_at=BAD + 2 * MINUTE),
        "misaligned_times",
        1,
    ),
}


QUICK = {"price x 10", "duplicate with another value", "stale run", "not a number"}
"""One kind of each: against the level, against other rows, over a run of bars, in one row alone."""


@pytest.mark.parametrize(
    "fault", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in CANDLE_FAULTS]
)
def test_a_faulty_minute_is_withheld_alone_and_its_hour_has_no_bar(fault, tmp_path, sound):
    faulty, rule, count = CANDLE_FAULTS[fault]
    run = Run(tmp_path, BTC_candles_1m=faulty)
    record = run.ingest()
    assert [(item.stage, item.key) for item in record.quarantined] == [("candles_1m", "BTC/2025-03")]
    (item,) = read_items(run.layout)
    assert (item.rules, item.rows) == ((rule,), count)
    given = faulty(minutes("BTC"))
    assert run.raw("candles_1m", "BTC").height == given.height - count
    hour = BAD.replace(minute=0) + HOUR
    for asset in ASSETS:
        bars = run.view("asset_hourly").filter(asset=asset)["event_timestamp"]
        assert (hour in bars) == (asset != "BTC")
        assert len(bars) == 72 - (asset == "BTC")
    after = run.view("asset_hourly").filter(asset="BTC", event_timestamp=hour + HOUR)
    assert after["return_1h"].to_list() == [None]
    assert after["realized_vol_24h"].to_list() == [None]
    pairs = run.view("pair_hourly").filter(event_timestamp=hour)["pair_id"].to_list()
    assert all("BTC" not in pair for pair in pairs)
    others = pl.col("asset") != "BTC"
    assert run.view("asset_hourly").filter(others).equals(sound.view("asset_hourly").filter(others))


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    run = Run(tmp_path_factory.mktemp("sound"))
    assert run.ingest().quarantined == []
    return run


def test_a_minute_of_the_future_is_withheld(tmp_path):
    now = UNTIL - 30 * MINUTE
    run = Run(tmp_path)
    record = run.ingest(now=now, until=UNTIL)
    assert {rule.partition(" ")[0] for item in record.quarantined for rule in item.rules} == {"future_times"}
    assert run.raw("candles_1m", "BTC")["open_time"].max() == now - MINUTE


def test_rows_that_come_out_of_order_are_withheld(tmp_path):
    run, rows = Run(tmp_path), minutes("BTC")
    late = rows.slice(100, 5).with_columns(pl.col("known_at") + HOUR, volume=pl.lit(2.5))
    partition = Partition("candles_1m", inst_id("BTC"), month_start(SINCE))
    admission = RawAdmission(AdmissionRecord(run.settings, UNTIL + MINUTE))
    with run.lake.writing():
        withheld = admission.admit_batch(partition, pl.concat([rows.head(200), late, rows.slice(200)]), run.lake)
    assert withheld["broken_rules"].to_list() == [["non_monotone_times"]] * 5
    assert run.raw("candles_1m", "BTC").height == rows.height


def test_a_hole_is_told_and_withholds_nothing(tmp_path):
    run = Run(tmp_path, BTC_candles_1m=lambda frame: frame.filter(~pl.col("open_time").is_between(BAD, FIVE)))
    assert run.ingest().quarantined == []
    row = run.view("asset_hourly").filter(asset="BTC", event_timestamp=BAD.replace(minute=0) + HOUR)
    assert row["minutes_observed"].to_list() == [55]


def test_a_rate_out_of_bounds_makes_funding_null_until_the_next_good_settlement(tmp_path):
    at = SINCE + timedelta(hours=32)
    run = Run(tmp_path, BTC_funding=change(at, time="funding_time", funding_rate=0.2))
    run.ingest()
    (item,) = read_items(run.layout)
    assert (item.rules, item.rows, item.first) == (("rates_out_of_bounds",), 1, at)
    bars = run.view("asset_hourly").filter(asset="BTC")
    null = bars.filter(pl.col("funding_rate").is_null())["event_timestamp"]
    assert null.to_list() == [at + i * HOUR for i in range(8)]
    fine = run.view("asset_microstructure").filter(asset="BTC")
    within = fine.filter(pl.col("event_timestamp").is_between(at, at + 7 * HOUR))
    assert within["funding_interval_h"].null_count() == 8
    assert fine.filter(event_timestamp=at + 8 * HOUR)["funding_interval_h"].to_list() == [8.0]


def test_the_same_rows_again_add_nothing(tmp_path):
    run = Run(tmp_path, BTC_candles_1m=change(BAD, volume=-1.0))
    run.ingest()
    before = {
        path: path.read_bytes()
        for path in tmp_path.rglob("*")
        if path.is_file() and not {"gx", "feast", ".staging.generation"} & set(path.parts)
    }
    again = run.ingest()
    assert [item.key for item in again.quarantined] == ["BTC/2025-03"]
    after = {path: path.read_bytes() for path in before}
    assert after == before
    assert len(list((tmp_path / "quarantine").rglob("reason.json"))) == 1
    assert (BAD, BAD + MINUTE) not in run.lake.coverage("candles_1m", "BTC", BAD, BAD + MINUTE)


@pytest.mark.slow
def test_live_hour_by_hour_equals_backfill_with_rows_withheld(tmp_path):
    faulty = change(BAD, FIVE, **{name: pl.col(name) * 10 for name in PRICES})
    live, whole = Run(tmp_path / "live", BTC_candles_1m=faulty), Run(tmp_path / "whole", BTC_candles_1m=faulty)
    start, end = BAD - timedelta(hours=1, minutes=30), BAD + timedelta(hours=2, minutes=30)
    live.ingest(now=start + MINUTE, until=start)
    close = start
    while close < end:
        live.ingest(now=close + HOUR + MINUTE, since=close, until=close + HOUR)
        close += HOUR
    whole.ingest(now=end + MINUTE, until=end)
    assert [(i.id, i.rules) for i in read_items(live.layout)] == [(i.id, i.rules) for i in read_items(whole.layout)]
    for name in VIEWS:
        assert live.view(name).drop("created_timestamp").equals(whole.view(name).drop("created_timestamp")), name


def test_released_rows_enter_known_from_then_and_stay_in(tmp_path):
    run = Run(tmp_path, BTC_candles_1m=change(BAD, FIVE, **{name: pl.col(name) * 10 for name in PRICES}))
    run.ingest()
    (item,) = read_items(run.layout)
    at = UNTIL + HOUR
    with pytest.raises(ConfigError, match="reason"):
        release(run.settings, item.id, " ", now=at)
    assert release(run.settings, item.id[:6], "seen on two venues", now=at).rows == 5
    record = run.ingest(now=at + MINUTE)
    assert record.quarantined == []
    assert [(entry.state, entry.journal[-1].reason) for entry in read_items(run.layout)] == [
        ("released", "seen on two venues (known from now on)")
    ]
    stored = run.raw("candles_1m", "BTC").filter(pl.col("open_time").is_between(BAD, FIVE))
    assert stored["known_at"].unique().to_list() == [at]
    bar = run.view("asset_hourly").filter(asset="BTC", event_timestamp=BAD.replace(minute=0) + HOUR)
    assert bar["created_timestamp"].to_list() == [at]
    assert bar["minutes_observed"].to_list() == [60]
    with pytest.raises(ConfigError, match="closed already"):
        release(run.settings, item.id, "again", now=at)


def test_good_rows_that_come_later_close_the_item_and_are_known_from_then(tmp_path, sound):
    run = Run(tmp_path, BTC_candles_1m=change(BAD, volume=-1.0))
    run.ingest()
    run.faults = {}
    at = UNTIL + HOUR
    assert run.ingest(now=at).quarantined == []
    assert [item.state for item in read_items(run.layout)] == ["repaired"]
    assert WithheldRows.of(run.layout, run.lake).instants.is_empty()
    assert run.raw("candles_1m", "BTC").filter(open_time=BAD)["known_at"].to_list() == [at]
    for name in VIEWS:
        assert run.view(name).drop("created_timestamp").equals(sound.view(name).drop("created_timestamp")), name
    late = run.view("asset_hourly").filter(asset="BTC", event_timestamp=BAD.replace(minute=0) + HOUR)
    assert late["created_timestamp"].to_list() == [at]


def test_a_refused_correction_leaves_the_accepted_row_in_force(tmp_path, sound):
    run = Run(tmp_path)
    run.ingest()
    run.faults = {"BTC_candles_1m": change(BAD, volume=-1.0)}
    assert len(run.ingest().quarantined) == 1
    assert WithheldRows.of(run.layout, run.lake).instants.is_empty()
    assert run.view("asset_hourly").equals(sound.view("asset_hourly"))


def test_one_bad_feature_row_is_withheld_alone_with_what_is_computed_from_it(tmp_path):
    run = Run(tmp_path)
    view = VIEWS["asset_hourly"]
    run.ingest()
    rows = run.view(view.name)
    bad = rows.with_columns(
        pl.when((pl.col("asset") == "BTC") & (pl.col("event_timestamp") == BAD.replace(minute=0)))
        .then(-2.0)
        .otherwise(pl.col("return_1h"))
        .alias("return_1h")
    )
    admission = FeatureAdmission(AdmissionRecord(run.settings, UNTIL + MINUTE))
    accepted = admission.accept(view, bad)
    assert accepted.height == rows.height - 1
    month = ContinuedMonth.begin(month_start(SINCE), run.settings)
    month.chunk.end = UNTIL
    assert admission.admit(month, None, {view.name: accepted})[view.name].equals(accepted)
    (item,) = read_items(run.layout)
    assert (item.dataset, item.key, item.rules) == ("asset_hourly", "BTC/2025-03", ("out_of_bounds__return_1h",))
    release(run.settings, item.id, "a merger of two coins", now=UNTIL + HOUR)
    later = FeatureAdmission(AdmissionRecord(run.settings, UNTIL + 2 * HOUR))
    published = later.admit(month, None, {view.name: later.accept(view, bad)})[view.name]
    assert published.height == rows.height
    assert published["created_timestamp"].max() == UNTIL + HOUR
