"""What a value may depend on: its own past within the chunk. Compared to the last bit."""

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.transforms.assets import compute_asset_hourly
from feature_repo.transforms.bars import adopt_native_hours
from feature_repo.transforms.pairs import compute_pair_hourly
from pairity.universe import Pair, pairs_of
from tests.examples import examples
from tests.feature_repo.transforms.markets import (
    DAY,
    HOUR,
    MINUTE,
    SHORT,
    START,
    assert_same_bits,
    build_hourly_bars,
    candles,
    inflows,
    settlements,
)

ROOT = Path(__file__).parents[3]
NAMES = ("A", "B", "C")
EVENT = "event_timestamp"


def features(bars, funding, inflow, pairs):
    assets = compute_asset_hourly(bars.lazy(), funding.lazy(), SHORT, inflow.lazy()).collect()
    return assets, compute_pair_hourly(assets.lazy(), pairs, SHORT, 10).collect()


def market(seed, count, gaps):
    bars = adopt_native_hours(candles(NAMES, count, seed=seed, gaps=gaps).lazy()).collect()
    return bars, settlements(NAMES, count, seed=seed, missing=0.3), inflows(NAMES, count, seed=seed, missing=0.3)


def until(frame, instant, time=EVENT):
    return frame.filter(pl.col(time) <= instant)


def poisoned(bars, funding, inflow, instant, garbage):
    """Everything after `instant` turned into garbage."""
    later = pl.col(EVENT) > instant
    prices = ("open", "high", "low", "close", "volume_base", "volume_quote")
    bad_bars = bars.with_columns(
        pl.when(later).then(pl.col(name) * garbage).otherwise(pl.col(name)).alias(name) for name in prices
    )
    bad_funding = funding.with_columns(
        pl.when(pl.col("funding_time") > instant).then(garbage).otherwise(pl.col("funding_rate")).alias("funding_rate")
    )
    incomplete = pl.col("time") + DAY > instant
    bad_inflow = inflow.with_columns(pl.when(incomplete).then(garbage).otherwise(pl.col("inflow")).alias("inflow"))
    return bad_bars, bad_funding, bad_inflow


@settings(deadline=None, max_examples=examples(25))
@given(
    seed=st.integers(0, 10**6),
    gaps=st.sampled_from([0.0, 0.03, 0.3]),
    cut=st.integers(1, 70),
    garbage=st.sampled_from([1e6, -1e6, float("nan"), float("inf"), 0.0]),
)
def test_no_row_looks_ahead(seed, gaps, cut, garbage):
    bars, funding, inflow = market(seed, 70, gaps)
    instant = START + cut * HOUR
    pairs = pairs_of(NAMES)
    whole = features(bars, funding, inflow, pairs)
    days = until(inflow, instant - DAY, "time")
    truncated = features(until(bars, instant), until(funding, instant, "funding_time"), days, pairs)
    bad = features(*poisoned(bars, funding, inflow, instant, garbage), pairs)
    for full, short, garbled in zip(whole, truncated, bad, strict=True):
        assert_same_bits(short, until(full, instant))
        assert_same_bits(until(garbled, instant), short)


@settings(deadline=None, max_examples=examples(15))
@given(seed=st.integers(0, 10**6), gaps=st.sampled_from([0.0, 0.03, 0.3]))
def test_neither_row_order_nor_other_assets_and_pairs_change_a_bit(seed, gaps):
    bars, funding, inflow = market(seed, 70, gaps)
    assets, pairs = features(bars, funding, inflow, pairs_of(NAMES))
    mixed = [frame.sample(fraction=1.0, shuffle=True, seed=seed) for frame in (bars, funding, inflow)]
    for actual, expected in zip(features(*mixed, pairs_of(NAMES)[::-1]), (assets, pairs), strict=True):
        assert_same_bits(actual, expected)
    two = pl.col("asset").is_in(["A", "C"])
    fewer = features(bars.filter(two), funding.filter(two), inflow.filter(two), (Pair("A", "C"),))
    assert_same_bits(fewer[0], assets.filter(two))
    assert_same_bits(fewer[1], pairs.filter(pl.col("pair_id") == "A__C"))


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 10**6), cut=st.integers(1, 299))
def test_a_closed_hour_does_not_change_when_more_minutes_arrive(seed, cut):
    minutes = candles(NAMES, 300, bar=MINUTE, seed=seed, gaps=0.2)
    closed = START + (cut // 60) * HOUR
    part = build_hourly_bars(minutes.filter(pl.col("open_time") < START + cut * MINUTE).lazy()).collect()
    assert_same_bits(until(part, closed), until(build_hourly_bars(minutes.lazy()).collect(), closed))


def test_a_bar_that_arrives_later_elsewhere_changes_nothing_before_it():
    bars, funding, inflow = market(5, 70, 0.0)
    instant = START + 40 * HOUR
    holed = bars.filter((pl.col(EVENT) <= instant) | (pl.col("asset") != "B") | (pl.col(EVENT) > instant + 3 * HOUR))
    for full, other in zip(
        *(features(frame, funding, inflow, pairs_of(NAMES)) for frame in (bars, holed)), strict=True
    ):
        assert_same_bits(until(other, instant), until(full, instant))


def test_the_streaming_engine_gives_the_same_bits():
    minutes = candles(NAMES, 60 * 40, bar=MINUTE, seed=8, gaps=0.1)
    funding = settlements(NAMES, 40)
    results = []
    for engine in ("in-memory", "streaming"):
        bars = build_hourly_bars(minutes.lazy()).collect(engine=engine)
        assets = compute_asset_hourly(bars.lazy(), funding.lazy(), SHORT).collect(engine=engine)
        pairs = compute_pair_hourly(assets.lazy(), pairs_of(NAMES), SHORT, 10).collect(engine=engine)
        results.append((bars, assets, pairs))
    for one, other in zip(*results, strict=True):
        assert_same_bits(one, other)


@pytest.mark.parametrize("hash_seed", [pytest.param("0", marks=pytest.mark.slow), "1"])
def test_thread_count_changes_no_bit(hash_seed, one_thread):
    threads, *digests = printed("8", hash_seed)
    assert threads == "8"
    assert digests == one_thread[1:]


@pytest.fixture(scope="module")
def one_thread():
    result = printed("1", "0")
    assert result[0] == "1"
    return result


@pytest.mark.slow
def test_machine_code_of_any_processor_gives_the_same_bits(one_thread, tmp_path):
    """Compiled anew, without the wide registers of this processor; numba keeps no such code for others."""
    plain = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path)}
    assert printed("2", "0", **plain)[1:] == one_thread[1:]
    assert any(tmp_path.rglob("*.nbc"))


def printed(threads, hash_seed, **more):
    environment = {
        **os.environ,
        "POLARS_MAX_THREADS": threads,
        "NUMBA_NUM_THREADS": threads,
        "PYTHONHASHSEED": hash_seed,
        "PYTHONPATH": str(ROOT),
        **more,
    }
    command = [sys.executable, "-m", "tests.feature_repo.transforms.bits_of_a_market"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout.split()
