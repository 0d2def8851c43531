"""Every source keeps the promises of `Source`, OKX's like the others; blocking ones work one thread at a time."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from feature_repo.raw_datasets import DATASETS
from ingestion.collector import Collector
from ingestion.intake import settled_part
from ingestion.lake import Lake
from ingestion.sources.blocking import BlockingSource
from ingestion.sources.catalog import OFFERS, open_source
from ingestion.sources.okx import OkxSource
from ingestion.sources.protocol import Source
from ingestion.staging import Staging
from ingestion.targets import Target
from pairity.errors import UnknownNameError
from pairity.layout import Layout
from pairity.progress import SilentProgress
from pairity.settings import Settings, SourceSettings
from pairity.timeline import DAY, HOUR, MINUTE

SINCE, UNTIL = datetime(2024, 3, 5, 7, tzinfo=UTC), datetime(2024, 5, 2, 9, tzinfo=UTC)
MEMBERS = [name for name in vars(Source) if not name.startswith("_")]


def opened(name: str, home) -> Source:
    settings = Settings(home=home, sources=SourceSettings(tiingo_api_key="key", cryptoquant_api_key="key"))
    if name == "okx":
        source: Source = OkxSource.of(None, settings)
        return source
    folder = home if "--folder" in OFFERS[name].needs else None
    return open_source(name.replace("EXCHANGE", "binanceusdm"), settings, folder)


@pytest.mark.parametrize("name", OFFERS)
def test_every_source_of_the_catalogue_keeps_the_protocol(name, tmp_path):
    source = opened(name, tmp_path)
    assert {"fetch", "units", "settles_after", "concurrency"} <= set(MEMBERS)
    for member in MEMBERS:
        declared = inspect.getattr_static(Source, member)
        assert hasattr(source, member), f"{name} has no {member}"
        if callable(declared):
            own = getattr(source, member)
            assert inspect.iscoroutinefunction(own) == inspect.iscoroutinefunction(declared), member
            assert list(inspect.signature(own).parameters) == list(inspect.signature(declared).parameters)[1:], member
    assert source.name
    assert source.venue
    assert set(source.datasets) | set(source.snapshots) <= set(DATASETS)
    assert not set(source.datasets) & set(source.snapshots)
    assert source.concurrency >= 1
    assert source.settles_after == (HOUR if name == "okx" else 2 * DAY)
    for dataset in source.datasets:
        units = list(source.units(dataset, SINCE, UNTIL))
        assert (units[0][0], units[-1][1]) == (SINCE, UNTIL)
        assert all(before[1] == after[0] for before, after in itertools.pairwise(units))
        assert list(source.units(dataset, SINCE, SINCE)) in ([], [(SINCE, SINCE)])
    if not source.snapshots:
        with pytest.raises(UnknownNameError):
            asyncio.run(source.snapshot("book_tops", "BTC"))


@dataclass
class Slow(BlockingSource):
    """Takes a while for every month; counts who is at work."""

    name: str = "slow"
    venue: str = "slow"
    datasets: tuple[str, ...] = ("candles_1h",)
    months: list[datetime] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)
    at_work: int = 0
    most_at_work: int = 0

    def list_assets(self):
        return ()

    def read(self, dataset, asset, since, until):
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        self.threads.add(threading.get_ident())
        time.sleep(0.05)
        self.months.append(since)
        self.at_work -= 1


def test_blocking_work_is_done_beside_the_loop_by_one_thread_at_a_time():
    source, ticks = Slow(), 0

    async def tick():
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.005)

    async def run():
        ticking = asyncio.create_task(tick())
        await asyncio.gather(*(source.fetch("candles_1h", "BTC", SINCE, UNTIL) for _ in range(6)))
        ticking.cancel()

    asyncio.run(run())
    assert len(source.months) == 6
    assert source.most_at_work == 1
    assert threading.get_ident() not in source.threads
    assert ticks > 10


def test_a_cancelled_collection_ends_with_the_unit_at_work(tmp_path):
    source = Slow()
    lake, staging = Lake(Layout(tmp_path), durable=False), Staging(Layout(tmp_path))

    async def run():
        span = (SINCE, SINCE + 365 * DAY)
        targets = [Target.of("candles_1h", span)]
        job = asyncio.create_task(
            Collector(source, lake, staging).collect(("BTC",), targets, span[1], SilentProgress())
        )
        while not source.months:
            await asyncio.sleep(0.005)
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job

    asyncio.run(run())
    assert 1 <= len(source.months) <= 2  # of twelve
    assert source.at_work == 0


def test_a_hole_counts_as_fetched_when_it_is_old_or_below_a_row():
    unit = (SINCE, SINCE + HOUR)
    assert settled_part("candles_1m", None, unit, SINCE + 2 * HOUR) == (unit,)
    assert settled_part("candles_1m", None, unit, SINCE + 10 * MINUTE) == ((SINCE, SINCE + 10 * MINUTE),)
    assert settled_part("candles_1m", None, unit, SINCE - HOUR) == ()
    row = SINCE + 30 * MINUTE
    assert settled_part("candles_1m", row, unit, SINCE - HOUR) == ((SINCE, SINCE + 31 * MINUTE),)
    assert settled_part("funding", SINCE, unit, SINCE - HOUR) == ((SINCE, SINCE + timedelta(milliseconds=1)),)
