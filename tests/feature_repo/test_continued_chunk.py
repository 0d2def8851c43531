"""A chunk that is continued hour by hour gives the bits of the whole chunk, whatever came late."""

from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.catalog import EVENT_TIME, VIEWS
from feature_repo.chunks import Chunk, compute_views
from feature_repo.raw_datasets import DATASETS, KNOWN_AT
from pairity.settings import FeatureSettings
from tests.examples import examples
from tests.feature_repo.test_chunks import APRIL, MAY, NAMES, generated
from tests.feature_repo.transforms.markets import (
    DAY,
    HOUR,
    MINUTE,
    assert_same_bits,
    candles,
    reader,
    recorded_candles,
    recorded_funding,
)
from tests.feature_repo.transforms.markets import settings as settings_for

SHORT = FeatureSettings(risk_days=2, exposure_minutes=240)


def market(seed, gaps=0.05, names=("A", "B", "C", "D"), days=6):
    """Minutes with holes, the venue's hours beside them, settlements, samples and snapshots around the first of May."""
    start = MAY - days * DAY
    minutes = candles(names, days * 2 * 1440, bar=MINUTE, start=start, seed=seed, gaps=gaps, volatility=0.001)
    hours = candles(names[:2], days * 48, start=start, seed=seed, gaps=0.2)
    frames = {
        "candles_1m": minutes.with_columns(
            (pl.col("volume") // 3.0).alias("trade_count"), (pl.col("volume") * 0.4).alias("taker_buy_volume")
        ),
        "candles_1h": hours,
        "funding": sampled("funding", names, start, 8 * HOUR, days * 6, seed),
        "index_1h": candles(names, days * 48, start=start, seed=seed + 1, gaps=0.1),
        "open_interest": sampled("open_interest", names, start, HOUR, days * 48, seed),
        "inflow": sampled("inflow", names[:2], start - 3 * DAY, DAY, days * 2 + 3, seed),
        "taker_volume_1h": sampled("taker_volume_1h", names[:3], start, HOUR, days * 48, seed),
        "trade_bars_1m": minutes.filter(pl.col("asset") == names[3]),
        "book_tops": sampled("book_tops", names, start + 7 * MINUTE, HOUR, days * 48, seed),
        "liquidations": sampled("liquidations", names, start + 11 * MINUTE, 3 * HOUR, days * 16, seed),
    }
    return {name: with_columns_of(name, rows) for name, rows in frames.items()}


def sampled(name, names, start, every, count, seed):
    kind = DATASETS[name]
    rows = candles(names, count, bar=every, start=start, seed=seed + 7, gaps=0.15)
    scale = 1e-6 if name == "funding" else 1.0
    values = [(pl.col("close") * scale * (place + 1)).alias(value) for place, value in enumerate(kind.values)]
    return rows.select("asset", pl.col("open_time").alias(kind.time), *values).with_columns(
        (pl.col(kind.time) + kind.known_after + timedelta(milliseconds=1)).alias(KNOWN_AT)
    )


def with_columns_of(name, rows):
    kind = DATASETS[name]
    lacking = [pl.lit(None, pl.Float64).alias(value) for value in kind.values if value not in rows.columns]
    return rows.with_columns(lacking).select("asset", *kind.schema).sort("asset", kind.time)


def reading(frames):
    def read(name, since, until):
        kind = DATASETS[name]
        rows = frames.get(name, kind.empty().with_columns(asset=pl.lit(None, pl.String)).select("asset", *kind.schema))
        return rows.lazy().filter(pl.col(kind.time).is_between(since, until, closed="left"))

    return read


def assert_continues(read, config, closes, month=MAY, accept=None):
    """Every continuation gives the rows of the whole chunk up to its hour; returns how many were compared.

    A continuation may give earlier rows again: they must be the same.
    """
    chunk, compared = Chunk(month, config), 0
    whole = compute_views(read, month, closes[-1], config, accept=accept)
    before = month
    for close in closes:
        rows = chunk.advance(read, close, accept=accept)
        for name, frame in whole.items():
            found = rows[name].sort(VIEWS[name].entity, EVENT_TIME)
            first = min(before, found[EVENT_TIME].min() - HOUR) if found.height else before
            expected = frame.filter(pl.col(EVENT_TIME).is_between(first, close, closed="right"))
            assert_same_bits(found, expected)
            compared += expected.height
        before = close
    return compared


@settings(max_examples=examples(8))
@given(
    seed=st.integers(0, 10**6),
    gaps=st.sampled_from([0.0, 0.05, 0.6]),
    steps=st.lists(st.integers(1, 30), min_size=2, max_size=6),
)
def test_any_steps_give_the_bits_of_the_whole(seed, gaps, steps):
    frames, config = market(seed, gaps), settings_for(("A", "B", "C", "D"), SHORT, 30)
    closes = [MAY + sum(steps[: count + 1]) * HOUR for count in range(len(steps))]
    assert assert_continues(reading(frames), config, closes) > 0


@pytest.mark.parametrize("skip", [8, pytest.param(1, marks=pytest.mark.slow)])
def test_hours_alone_and_minutes_from_the_middle_of_the_month_on(skip):
    minutes, hours, funding = generated(seed=5)
    read = reader(minutes, hours, funding)
    # Minutes begin in the 289th hour.
    closes = [MAY + step * HOUR for step in (*range(1, 20, skip), 280, 285, *range(286, 310, skip), 399)]
    assert assert_continues(read, settings_for(NAMES), closes) > 399 * 6


@settings(max_examples=examples(8))
@given(
    seed=st.integers(0, 10**6),
    dataset=st.sampled_from(sorted(market(0))),
    back=st.integers(0, 40),
    share=st.sampled_from([0.1, 1.0]),
)
def test_what_comes_late_is_computed_again_from_there(seed, dataset, back, share):
    """Rows that were missing come in a later hour: from the first of them on all is as if they had been there."""
    frames, config = market(seed), settings_for(("A", "B", "C", "D"), SHORT, 30)
    kind, close = DATASETS[dataset], MAY + 45 * HOUR
    cut = close - back * HOUR - timedelta(minutes=3)
    late = (pl.col(kind.time) >= cut) & (pl.col(kind.time).dt.epoch("s") // 60 % 10 < 10 * share)
    early = frames | {dataset: frames[dataset].filter(~late)}
    chunk = Chunk(MAY, config)
    chunk.advance(reading(early), close - HOUR)
    chunk.advance(reading(early), close)
    missing = frames[dataset].filter(late, pl.col(kind.time) + kind.known_after <= close + HOUR)
    first = missing[kind.time].min()
    changed_at = None if first is None else first + kind.known_after
    rows = chunk.advance(reading(frames), close + HOUR, changed_at=changed_at)
    whole = compute_views(reading(frames), MAY, close + HOUR, config)
    since = close + HOUR if changed_at is None else min(close + HOUR, changed_at)
    for name, frame in whole.items():
        again = rows[name].sort(VIEWS[name].entity, EVENT_TIME)
        first_again = again[EVENT_TIME].min()
        assert first_again is None or first_again <= close + HOUR
        assert_same_bits(again.filter(pl.col(EVENT_TIME) >= since), frame.filter(pl.col(EVENT_TIME) >= since))
    further = chunk.advance(reading(frames), close + 3 * HOUR)
    for name, frame in compute_views(reading(frames), MAY, close + 3 * HOUR, config).items():
        expected = frame.filter(pl.col(EVENT_TIME) > close + HOUR)
        assert_same_bits(further[name].sort(VIEWS[name].entity, EVENT_TIME), expected)


def test_an_asset_that_appears_computes_the_chunk_anew():
    frames, config = market(3), settings_for(("A", "B", "C", "D"), SHORT, 30)
    young = frames["candles_1m"].filter((pl.col("asset") != "D") | (pl.col("open_time") >= MAY + 30 * HOUR))
    closes = [MAY + step * HOUR for step in (10, 29, 30, 31, 40)]
    read = reading(frames | {"candles_1m": young, "trade_bars_1m": young.clear()})
    assert assert_continues(read, config, closes) > 0


def test_refused_rows_of_one_view_are_no_inputs_of_others():
    frames, config = market(4), settings_for(("A", "B", "C", "D"), SHORT, 30)
    refused = (pl.col("asset") == "B") & (pl.col(EVENT_TIME).dt.hour() == 5)

    def accept(view, rows):
        return rows.filter(~refused) if view.name == "asset_hourly" else rows

    closes = [MAY + step * HOUR for step in (1, *range(4, 8), 12, 28, 29)]
    assert assert_continues(reading(frames), config, closes, accept=accept) > 0


def test_the_engine_of_a_live_hour_gives_the_bits_of_that_of_a_backfill():
    frames, config = market(5), settings_for(("A", "B", "C", "D"), SHORT, 30)
    whole = {}
    for engine in ("in-memory", "streaming"):
        with pl.Config(engine_affinity=engine):
            whole[engine] = compute_views(reading(frames), MAY, MAY + 30 * HOUR, config)
    for name, rows in whole["in-memory"].items():
        assert rows.height or name == "asset_risk_buckets"
        assert_same_bits(rows, whole["streaming"][name])


@pytest.mark.recorded
@pytest.mark.parametrize("hours", [6, pytest.param(59, marks=pytest.mark.slow)])
def test_recorded_minutes_hour_by_hour(hours):
    names = ("BTC", "ETH", "SOL", "XRP", "BNB", "DOGE", "ADA", "TON", "TRX")
    minutes = recorded_candles("1m_20250318_20250417", names, MINUTE)
    frames = {"candles_1m": with_columns_of("candles_1m", minutes), "funding": recorded_funding(names)}
    closes = [APRIL + step * HOUR for step in range(1, hours + 1)]
    assert assert_continues(reading(frames), settings_for(names), closes, month=APRIL) > hours * 36


def test_trades_fill_the_hours_without_any_candle_and_no_others():
    """D lacks minutes around the first of May; so does A, which has some of the venue's hours."""
    frames, config = market(3, 0.0), settings_for(("A", "B", "C", "D"), SHORT, 30)
    minutes = frames["candles_1m"]
    gap = pl.col("open_time").is_between(MAY - DAY, MAY + DAY, closed="left") & pl.col("asset").is_in(["A", "D"])
    traded = minutes.filter(pl.col("asset").is_in(["A", "D"])).with_columns(pl.col("close", "high") * 1.5)
    frames |= {"candles_1m": minutes.filter(~gap), "trade_bars_1m": traded}
    closes = [MAY + step * HOUR for step in (1, 2, 24, 25, 40)]
    assert assert_continues(reading(frames), config, closes) > 0
    rows = compute_views(reading(frames), MAY, closes[-1], config, ["asset_hourly"])["asset_hourly"]
    found = {(asset, at): close for asset, at, close in rows.select("asset", EVENT_TIME, "close").iter_rows()}
    sources = {
        name: {
            (a, t + HOUR if name == "candles_1h" else t): c
            for a, t, c in frame.select("asset", "open_time", "close").iter_rows()
        }
        for name, frame in frames.items()
        if name in {"candles_1m", "candles_1h", "trade_bars_1m"}
    }
    used = set()
    for asset in "AD":
        for step in range(1, 41):
            close = MAY + step * HOUR
            last_minute = asset, close - MINUTE
            if last_minute in sources["candles_1m"]:
                kind, expected = "candles_1m", sources["candles_1m"][last_minute]
            elif (asset, close) in sources["candles_1h"]:
                kind, expected = "candles_1h", sources["candles_1h"][asset, close]
            else:
                kind, expected = "trade_bars_1m", sources["trade_bars_1m"][last_minute]
            assert found[asset, close] == expected, (asset, close, kind)
            used.add((asset, kind))
    assert {("D", "trade_bars_1m"), ("D", "candles_1m"), ("A", "candles_1h"), ("A", "trade_bars_1m")} <= used
