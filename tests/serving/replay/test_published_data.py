"""Published features answer as an online store would have that got each row when it was created."""

from __future__ import annotations

import asyncio
import random
from datetime import datetime, timedelta

import polars as pl
import pytest

from feature_repo.catalog import MARKET_STATE, PAIR_FOREST_FEATURES, PAIR_HOURLY
from feature_repo.feature_store import apply_definitions, open_store, read_online, write_online
from feature_repo.offline_files import publish
from pairity.layout import Layout
from pairity.settings import Settings
from serving.replay.published_data import PublishedData
from tests.feature_repo.rows import HOUR, START, as_bits, make_rows

SECOND = timedelta(seconds=1)


class Stopped:
    """A clock that stands wherever it is put."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    async def sleep_until(self, instant: datetime) -> None:
        self.at = instant


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path / "home")


def make_arrivals(names):
    """Rows that arrive late, corrected and out of order, each with its arrival."""
    rng, arrivals = random.Random(5), []
    for hour in range(30):
        lag = timedelta(seconds=rng.choice([1, 20, 20, 900, 4000]))
        arrivals.append((START + hour * HOUR + lag, make_rows(PAIR_HOURLY, names, [hour], seed=hour, lag=lag)))
        if rng.random() < 0.4:
            late = lag + timedelta(seconds=rng.choice([1, 600, 9000]))
            arrivals.append(
                (START + hour * HOUR + late, make_rows(PAIR_HOURLY, names, [hour], seed=1000 + hour, lag=late))
            )
    return sorted(arrivals, key=lambda arrival: arrival[0])


def test_reads_equal_those_of_the_online_store_at_every_decision(settings):
    settings.root.mkdir()
    store, names, service = open_store(settings), ["C", "A", "B"], PAIR_FOREST_FEATURES
    apply_definitions(settings, store)
    arrivals = make_arrivals(names)
    waiting = list(arrivals)
    for _, rows in arrivals:
        publish(Layout.of(settings), PAIR_HOURLY, rows)
    clock = Stopped(START)
    published = PublishedData(settings, clock, START, START + 30 * HOUR)
    known = 0
    for quarter in range(120):
        clock.at = START + quarter * HOUR / 4 + 30 * SECOND
        while waiting and waiting[0][0] <= clock.at:
            write_online(store, "pair_hourly", waiting.pop(0)[1])
        asked = ["Z", *names]
        online = read_online(store, service.name, asked, at=clock.at)
        found = published.read_online(service.name, asked, at=clock.at)
        assert found.columns == online.columns
        assert found.schema == online.schema
        for column in online.columns:
            assert as_bits(found)[column].to_list() == as_bits(online)[column].to_list(), (quarter, column)
        known += online["event_timestamp"].drop_nulls().len()
    assert known > 250


def test_nothing_is_seen_before_the_clock_whatever_is_asked_for(settings):
    rows = make_rows(PAIR_HOURLY, ["A"], [0, 1], lag=20 * SECOND)
    publish(Layout.of(settings), PAIR_HOURLY, rows)
    published = PublishedData(settings, Stopped(START + 10 * SECOND), START, START + 2 * HOUR)
    seen = published.read_online(PAIR_FOREST_FEATURES.name, ["A"], at=START + 3 * HOUR)
    assert seen.select(pl.exclude("pair_id")).null_count().row(0) == (1,) * (seen.width - 1)


def test_nothing_is_fetched_and_nothing_is_left_to_do(settings):
    published = PublishedData(settings, Stopped(START), START, START + HOUR)
    report = asyncio.run(published.run(START, START + HOUR, live=True))
    assert report.ok
    assert report.new_rows == 0
    assert published.work_ahead(START) == []
    empty = published.read_online(MARKET_STATE.name, ["BTC"], at=START)
    assert empty["asset"].to_list() == ["BTC"]
    assert empty["event_timestamp"].to_list() == [None]
