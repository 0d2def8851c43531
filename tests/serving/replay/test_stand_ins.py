"""Stand-ins of a replay: models by the calendar, and waiting that takes no real time."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any

import pytest

from model_registry.records import ModelRef
from pairity.errors import ConfigError
from pairity.trading_settings import ServeSettings
from serving.journal import Journal
from serving.models.scoring import Scorer
from serving.replay.scheduled_champion import Promotion, ScheduledChampion
from serving.replay.stand_ins import StandIns, VirtualWaiting
from tests.feature_repo.rows import HOUR, START
from tests.serving.replay.test_published_data import Stopped


def make_scorer(version: str) -> Scorer:
    nothing: Any = None
    return Scorer(ModelRef("m", version, "", "", version * 64, "pair_forest_v1", "", START.isoformat()), nothing)


def test_a_version_decides_from_its_promotion_on():
    clock = Stopped(START - HOUR)
    champion = ScheduledChampion([Promotion(START, make_scorer("1")), Promotion(START + 5 * HOUR, make_scorer("2"))])
    assert champion.ref.version == "1"
    champion.attach(clock)
    seen = []
    for hour in range(8):
        clock.at = START + hour * HOUR
        assert champion.follow() == []
        seen.append(champion.ref.version)
    assert seen == ["1"] * 5 + ["2"] * 3
    assert champion.suspended is None


def test_promotions_without_order_are_refused():
    with pytest.raises(ConfigError, match="no model decides"):
        ScheduledChampion([])
    with pytest.raises(ConfigError, match="order of time"):
        ScheduledChampion([Promotion(START, make_scorer("1")), Promotion(START, make_scorer("2"))])


def test_waiting_counts_and_takes_no_time():
    waiting = VirtualWaiting()
    pace = waiting.make_pace(ServeSettings(order_poll_s=7.0))
    begun, real = pace.monotonic(), time.monotonic()
    for attempt in range(100):
        asyncio.run(pace.wait(attempt))
    assert timedelta(seconds=pace.monotonic() - begun) > timedelta(minutes=10)
    assert time.monotonic() - real < 5


@pytest.mark.parametrize(("durable", "level"), [(True, 2), (False, 0)])
def test_only_a_journal_that_can_be_made_again_is_not_synced(durable, level, tmp_path):
    tmp_path.chmod(0o700)
    journal = Journal.open(tmp_path / "journal.db", durable=durable)
    try:
        with journal._begin() as connection:
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == level
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert journal.spent_s > 0
    finally:
        journal.close()


def test_the_trading_process_syncs_its_journal_unless_told_otherwise():
    assert StandIns().open_journal == Journal.open
