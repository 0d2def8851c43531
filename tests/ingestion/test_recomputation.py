"""A feature row computed anew from the raw lake: as known then, whatever came later."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from feature_repo.catalog import EVENT_TIME, PAIR_HOURLY
from feature_repo.chunks import compute_views
from feature_repo.raw_datasets import DATASETS, KNOWN_AT
from ingestion.lake import Lake
from ingestion.recomputation import recompute_row
from ingestion.withheld import WithheldRows, make_reader
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.timeline import HOUR, month_start
from tests.feature_repo.transforms.markets import START, candles
from validation.parity import is_same

ASSETS = ("BTC", "ETH", "SOL")
HOURS = 24 * 45
NAME = "BTC__ETH"
EVENT = START + (HOURS - 30) * HOUR


@pytest.fixture
def store(tmp_path):
    """Hours of three assets over more than a month."""
    settings = Settings(home=tmp_path, universe={"assets": ASSETS, "min_aligned_bars": 200})
    lake = Lake(Layout.of(settings), venue=settings.features.venue)
    bars = candles(ASSETS, HOURS, seed=4)
    with lake.writing():
        for asset in ASSETS:
            own = bars.filter(pl.col("asset") == asset).drop("asset")
            lake.write("candles_1h", asset, DATASETS["candles_1h"].conform(own))
    return settings, lake


def compute(settings, lake, event):
    read = make_reader(settings, lake, WithheldRows.of(Layout.of(settings), lake))
    rows = compute_views(read, month_start(event - timedelta(microseconds=1)), event, settings, [PAIR_HOURLY.name])
    own = rows[PAIR_HOURLY.name].filter(pl.col("pair_id") == NAME, pl.col(EVENT_TIME) == event)
    return own.row(0, named=True)


def correct(lake, hour, factor, known_at):
    rows = lake.scan("candles_1h", ["BTC"], hour, hour + HOUR).collect().drop("asset")
    prices = [pl.col(name) * factor for name in ("open", "high", "low", "close")]
    changed = rows.with_columns(*prices, pl.lit(known_at).alias(KNOWN_AT))
    with lake.writing():
        lake.write("candles_1h", "BTC", DATASETS["candles_1h"].conform(changed))


@pytest.mark.parametrize("event", [EVENT, month_start(EVENT), month_start(EVENT) + HOUR])
def test_it_is_the_row_that_was_published(store, event):
    settings, lake = store
    published = compute(settings, lake, event)
    found = recompute_row(settings, PAIR_HOURLY, NAME, event, event + HOUR)
    assert found is not None
    assert all(is_same(found.values[name], published[name]) for name in PAIR_HOURLY.feature_names)
    assert found.values["z_score"] is not None
    assert found.created == published["created_timestamp"]
    assert {part.instrument for part in found.parts} == {f"{asset}-USDT-SWAP" for asset in ASSETS}


def test_a_correction_that_came_after_the_decision_has_no_part_in_it(store):
    settings, lake = store
    before = recompute_row(settings, PAIR_HOURLY, NAME, EVENT, EVENT + HOUR)
    correct(lake, EVENT - 5 * HOUR, 1.01, EVENT + 2 * HOUR)
    after = recompute_row(settings, PAIR_HOURLY, NAME, EVENT, EVENT + HOUR)
    assert before is not None
    assert after is not None
    assert all(is_same(before.values[name], after.values[name]) for name in before.values)
    assert before.digest != after.digest  # the lake has another row: it is said
    later = recompute_row(settings, PAIR_HOURLY, NAME, EVENT, EVENT + 3 * HOUR)
    assert later is not None
    assert later.values["z_score"] != before.values["z_score"]


def test_what_was_not_known_yet_is_no_row(store):
    settings, _ = store
    assert recompute_row(settings, PAIR_HOURLY, NAME, EVENT, EVENT - timedelta(minutes=1)) is None or (
        recompute_row(settings, PAIR_HOURLY, NAME, EVENT, EVENT - timedelta(minutes=1)).values["z_score"] is None
    )
    assert recompute_row(settings, PAIR_HOURLY, "BTC__DOGE", EVENT, EVENT + HOUR) is None
