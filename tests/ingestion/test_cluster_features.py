"""What a worker does with the lake: it is opened once for all tasks of a thread, and never out of date."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from feature_repo.catalog import ASSET_MICROSTRUCTURE
from feature_repo.chunks import Chunk
from feature_repo.knowledge_time import history_known_at
from feature_repo.raw_datasets import DATASETS
from ingestion import cluster_features
from ingestion.cluster_features import ClusterEngine, summarise_minutes
from ingestion.lake import Lake, index
from ingestion.withheld import WithheldRows, make_reader
from pairity.layout import Layout
from pairity.settings import FeatureSettings, Settings, UniverseSettings
from pairity.timeline import HOUR, MINUTE

ASSETS = ("AAA", "BBB", "CCC", "DDD")
START = datetime(2024, 1, 31, 20, tzinfo=UTC)
MINUTES = 8 * 60
KIND = DATASETS["candles_1m"]


def make_minutes(since: datetime, count: int, close: float) -> pl.DataFrame:
    times = [since + number * MINUTE for number in range(count)]
    values = dict.fromkeys(KIND.values, np.full(count, close))
    return KIND.conform(pl.DataFrame({"open_time": times, **values}).with_columns(history_known_at(KIND)))


@pytest.fixture
def settings(tmp_path):
    made = Settings(home=tmp_path, universe=UniverseSettings(assets=ASSETS), features=FeatureSettings(venue="made"))
    write(made, {asset: make_minutes(START, MINUTES, 100.0) for asset in ASSETS})
    return made


def write(settings: Settings, rows: dict[str, pl.DataFrame]) -> None:
    lake = Lake(Layout.of(settings), durable=False, venue="made")
    with lake.writing():
        for asset, own in rows.items():
            lake.write("candles_1m", asset, own)


class AtOnce:
    """Workers that do each task when it is handed in, with what arrives there: pickled and read again."""

    def __init__(self):
        self.names = []

    def submit(self, name, function, *arguments):
        self.names.append(name)
        return function(*pickle.loads(pickle.dumps(arguments)))

    def gather(self, tasks):
        return tasks


@pytest.fixture
def manifests(monkeypatch):
    """Manifests that an index has read, in order."""
    read, original = [], index.read_manifest

    def note(path):
        read.append(path)
        return original(path)

    monkeypatch.setattr(index, "read_manifest", note)
    return read


def summarise(settings: Settings, asset: str, hours: int) -> pl.DataFrame:
    engine = ClusterEngine(settings, WithheldRows.of(Layout.of(settings), Lake(Layout.of(settings), venue="made")))
    return summarise_minutes(*engine._only([asset]), START, START + hours * HOUR)


def count_more(settings: Settings, manifests: list, assets: tuple[str, ...]) -> int:
    """Manifests that tasks read, without those of `summarise` itself."""
    engine = ClusterEngine(settings, WithheldRows.of(Layout.of(settings), Lake(Layout.of(settings), venue="made")))
    manifests.clear()
    for asset in assets:
        assert summarise_minutes(*engine._only([asset]), START, START + 8 * HOUR).height == 8
    return len(manifests)


def test_tasks_of_many_instruments_read_the_index_once(settings, manifests):
    assert count_more(settings, manifests, ASSETS) == 8, "two months of four instruments"
    assert count_more(settings, manifests, ASSETS) == 0


def test_rows_that_another_process_wrote_since_are_seen(settings):
    before = summarise(settings, "AAA", 12)
    write(settings, {"AAA": make_minutes(START + MINUTES * MINUTE, 60, 101.0)})
    after = summarise(settings, "AAA", 12)
    assert (before.height, after.height) == (8, 9)
    assert after.head(8).equals(before)
    later = START + timedelta(days=40)
    write(settings, {"BBB": make_minutes(later, 60, 101.0)})
    assert summarise(settings, "BBB", 24 * 41).height == 9


def test_another_home_is_another_lake(settings, tmp_path):
    other = settings.model_copy(update={"home": tmp_path / "other"})
    write(other, {"AAA": make_minutes(START, 120, 50.0)})
    assert [summarise(one, "AAA", 8).height for one in (settings, other, settings)] == [8, 2, 8]


def test_each_thread_has_a_lake_of_its_own(settings):
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda asset: summarise(settings, asset, 8), ASSETS * 3))
    assert [part.height for part in parts] == [8] * 12


@pytest.mark.parametrize(("most", "tasks"), [(64, 4), (4, 4), (3, 3), (1, 1)])
def test_instruments_in_one_task_or_in_several_have_the_rows_of_one_machine(settings, monkeypatch, most, tasks):
    monkeypatch.setattr(cluster_features, "_MOST_TASKS", most)
    workers = AtOnce()
    monkeypatch.setattr(cluster_features, "connect_workers", lambda _scheduler: workers)
    layout, month = Layout.of(settings), datetime(2024, 2, 1, tzinfo=UTC)
    lake = Lake(layout, venue="made")
    withheld = WithheldRows.of(layout, lake)
    cluster = settings.cluster.model_copy(update={"scheduler": "tcp://127.0.0.1:1"})
    engine = ClusterEngine(settings.model_copy(update={"cluster": cluster}), withheld)
    here, there = (
        Chunk(month, settings, [ASSET_MICROSTRUCTURE.name], engine=used).advance(
            make_reader(settings, lake, withheld), START + 8 * HOUR
        )[ASSET_MICROSTRUCTURE.name]
        for used in (None, engine)
    )
    assert here.height == 16
    assert here.equals(there)
    assert len(workers.names) == len(set(workers.names)) == 2 * tasks
