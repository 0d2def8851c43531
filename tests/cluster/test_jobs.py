"""Jobs on the cluster: the bits of one machine on recorded data, with a worker killed in the middle."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import dask.config
import polars as pl
import pytest

from feature_repo.catalog import ASSET_MICROSTRUCTURE, PAIR_FOREST_FEATURES, PAIR_HOURLY
from feature_repo.cluster_workers import connect_workers, describe_versions
from feature_repo.feature_store import apply_definitions, open_store, read_historical, read_online
from feature_repo.offline_files import scan_view
from ingestion.pipeline import publish_features
from pairity.configuration import load_settings
from pairity.errors import ConfigError, DataError
from pairity.layout import Layout
from pairity.progress import SilentProgress
from tests.cluster.conftest import empty_services, set_variables
from tests.cluster.recorded import ASSETS, NOW, UNTIL, fill_lake
from tests.cluster.worker_killer import WorkerKiller
from tests.feature_repo.rows import as_bits

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.recorded,
    pytest.mark.skipif("PAIRITY_RECORDED_DATA" not in os.environ, reason="PAIRITY_RECORDED_DATA is not set"),
]
OF_DATA = {"universe": {"assets": ASSETS}, "features": {"venue": "binance_um"}}


@pytest.fixture(scope="module")
def homes(tmp_path_factory):
    """Settings of the home that this machine filled, and of the one that the cluster filled, with what came of it."""
    folder = tmp_path_factory.mktemp("homes")
    with pytest.MonkeyPatch.context() as patched:
        one = load_settings(home=folder / "one", **OF_DATA)
        fill_lake(one)
        shutil.copytree(one.root, folder / "two")
        publish_features(one, UNTIL, NOW, SilentProgress())
        set_variables(patched)
        two = load_settings(home=folder / "two", **OF_DATA)
        empty_services(two)
        killer = WorkerKiller(two.cluster.scheduler)
        killer.start()
        publish_features(two, UNTIL, NOW, SilentProgress())
        killer.join(60)
        yield one, two, killer


def list_files(home: Path) -> set[str]:
    """Names of the feature files: a name is the digest of the content."""
    return {str(path.relative_to(home)) for path in home.glob("features/*/month=*/*.parquet")}


def test_features_are_those_of_one_machine_though_a_worker_was_killed(homes):
    one, two, killer = homes
    assert killer.killed is not None, "no worker was killed: nothing is proven"
    assert list_files(two.root) == list_files(one.root)
    for view in (ASSET_MICROSTRUCTURE, PAIR_HOURLY):
        rows = scan_view(Layout.of(two), view).collect()
        assert rows.height > 500
        assert not rows.select(view.entity, "event_timestamp").is_duplicated().any()
    pairs = [pair.pair_id for pair in one.universe.pairs]
    here, there = (read_online(open_store(settings), PAIR_FOREST_FEATURES.name, pairs) for settings in (one, two))
    assert here["event_timestamp"].null_count() == 0
    assert as_bits(here).equals(as_bits(there)), "Redis has the bits of SQLite"


def test_a_second_run_changes_nothing(homes):
    _, two, _ = homes
    before = list_files(two.root)
    report = publish_features(two, UNTIL, NOW, SilentProgress())
    assert sum(view.new_rows + view.corrected_rows for view in report.views) == 0
    assert list_files(two.root) == before


def test_point_in_time_joins_in_parts_are_the_join_of_the_whole(homes, monkeypatch):
    one, two, _ = homes
    monkeypatch.setattr("feature_repo.partitioned_joins.ENTITIES_AT_ONCE", 2)
    hours = scan_view(Layout.of(one), PAIR_HOURLY).select("pair_id", "event_timestamp").collect()
    shifted = hours.with_columns(pl.col("event_timestamp") + pl.duration(seconds=30))
    unknown = shifted.head(3).with_columns(pair_id=pl.lit("NOBODY__NONE"))
    late = shifted.head(3).with_columns(pl.col("event_timestamp") + pl.duration(days=300))
    labels = pl.concat([shifted, unknown, late, shifted.head(5)]).sample(fraction=1.0, shuffle=True, seed=3)
    here, there = (read_historical(open_store(settings), PAIR_FOREST_FEATURES.name, labels) for settings in (one, two))
    assert here.height == labels.height > 2_000
    assert as_bits(here).equals(as_bits(there))
    assert here.select(pl.col(PAIR_FOREST_FEATURES.features[0]).null_count()).item() >= 6


def test_workers_with_other_code_are_refused(homes, monkeypatch):
    _, two, _ = homes
    other = tuple((dict(describe_versions()) | {"python": "2.7"}).items())
    monkeypatch.setattr("feature_repo.cluster_workers.describe_versions", lambda: other)
    workers = connect_workers(two.cluster.scheduler)
    with pytest.raises(ConfigError, match=r"a worker on \S+ has python 3\.\d+ \(the job: 2\.7\)"):
        workers.gather([workers.submit("same", abs, -1)])


def test_a_scheduler_that_is_not_there_is_named(homes, monkeypatch):
    one, two, _ = homes
    elsewhere = two.cluster.model_copy(update={"scheduler": "tls://127.0.0.1:1"})
    store = open_store(two.model_copy(update={"cluster": elsewhere}))
    apply_definitions(two, store)
    labels = scan_view(Layout.of(one), PAIR_HOURLY).select("pair_id", "event_timestamp").collect()
    monkeypatch.setattr("feature_repo.cluster_workers._WAIT_S", 2)
    monkeypatch.setattr("feature_repo.partitioned_joins.ENTITIES_AT_ONCE", 2)
    with pytest.raises(DataError, match=r"Dask scheduler tls://127\.0\.0\.1:1 cannot be reached"):
        read_historical(store, PAIR_FOREST_FEATURES.name, labels)
    with dask.config.set({"distributed.comm.tls.ca-file": None}):
        with pytest.raises(DataError, match=r"tls://127\.0\.0\.1:2 cannot be reached: TLS expects") as refused:
            connect_workers("tls://127.0.0.1:2")
        assert "DASK_DISTRIBUTED__COMM__TLS__" in refused.value.remedy
