"""Redis and PostgreSQL stopped and started again: a reason while they are away, and recovery without a new process."""

from __future__ import annotations

import subprocess
import sys

import pytest

from feature_repo.catalog import PAIR_FOREST_FEATURES, PAIR_HOURLY
from feature_repo.feature_store import apply_definitions, open_store, read_online, write_online
from model_registry.connection import open_client
from pairity.errors import DataError
from pairity.layout import Layout
from tests.feature_repo.rows import as_bits, make_rows
from tools.local_cluster.processes import stop

pytestmark = pytest.mark.cluster
NAMES = ["P0", "P1", "P2"]


def start_again(folder) -> None:
    server = (folder / "s3.program").read_text()
    command = [sys.executable, "-m", "tools.local_cluster", "up", "--folder", str(folder), "--s3-server", server]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


@pytest.fixture
def store(settings):
    opened = open_store(settings)
    apply_definitions(settings, opened)
    write_online(opened, "pair_hourly", make_rows(PAIR_HOURLY, entities=NAMES, hours=[7], seed=5))
    return opened


def test_redis_goes_and_comes_back(store, cluster_folder):
    before = read_online(store, PAIR_FOREST_FEATURES.name, NAMES)
    assert before["event_timestamp"].null_count() == 0
    assert stop("redis", cluster_folder)
    try:
        with pytest.raises(DataError, match=r"the online store redis://127\.0\.0\.1.*does not answer") as refused:
            read_online(store, PAIR_FOREST_FEATURES.name, NAMES)
        assert "pairity features" in refused.value.remedy
        with pytest.raises(DataError, match="does not answer"):
            write_online(store, "pair_hourly", make_rows(PAIR_HOURLY, entities=NAMES, hours=[8], seed=6))
    finally:
        start_again(cluster_folder)
    assert as_bits(read_online(store, PAIR_FOREST_FEATURES.name, NAMES)).equals(as_bits(before))
    newer = make_rows(PAIR_HOURLY, entities=NAMES, hours=[8], seed=6)
    assert write_online(store, "pair_hourly", newer) == 3
    assert write_online(store, "pair_hourly", newer) == 3, "the same again, and nothing doubled"


def test_postgresql_goes_and_comes_back(store, settings, cluster_folder):
    assert stop("postgres", cluster_folder)
    try:
        # What is cached of the registry goes on serving
        assert read_online(store, PAIR_FOREST_FEATURES.name, NAMES).height == 3
        with pytest.raises(DataError, match=r"PostgreSQL 127\.0\.0\.1:\d+/pairity cannot be used: .*refused"):
            open_store(settings)
        with pytest.raises(DataError, match="cannot be used"):
            apply_definitions(settings, store)
        with pytest.raises(DataError, match="cannot be used"):
            open_client(Layout.of(settings))
    finally:
        start_again(cluster_folder)
    assert not apply_definitions(settings, store), "the same store goes on, and nothing was lost"
    assert read_online(open_store(settings), PAIR_FOREST_FEATURES.name, NAMES)["event_timestamp"].null_count() == 0
