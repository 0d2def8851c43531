"""A scheduler that is killed and started again: what is said meanwhile, and that this process goes on by itself."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import dask
import pytest

from feature_repo.cluster_workers import connect_workers
from pairity.child_environment import make_child_environment
from pairity.errors import DataError
from tools.local_cluster.services import find_port

pytestmark = pytest.mark.cluster
LOSES_HOPE_S = 3


class Cluster:
    """A scheduler with one worker, apart from the one of the other tests."""

    def __init__(self) -> None:
        self.address = f"tcp://127.0.0.1:{find_port()}"
        self._running: list[subprocess.Popen[bytes]] = []

    def up(self) -> None:
        threads = {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
        self._start("scheduler", "--host", self.address, "--no-show", **threads)
        self._start("worker", self.address, "--no-nanny", "--nthreads", "1", **threads)

    def _start(self, what: str, *options: str, **variables: str) -> None:
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *options, "--no-dashboard"]
        environment = make_child_environment({"PYTHONPATH": os.getcwd(), **variables})
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._running.append(subprocess.Popen(command, env=environment, **quiet))

    def kill(self) -> None:
        while self._running:
            process = self._running.pop(0)
            process.kill()
            process.wait()


@pytest.fixture
def cluster(monkeypatch):
    monkeypatch.setattr("feature_repo.cluster_workers._WAIT_S", LOSES_HOPE_S)
    made = Cluster()
    made.up()
    # Tests before these have told Dask, in this process, to ask for the certificates of the cluster that they use.
    with dask.config.set({"distributed.comm.require-encryption": False}):
        yield made
    made.kill()


def connect(cluster):
    """Connect as soon as the processes have started."""
    until = time.monotonic() + 60
    while True:
        try:
            return connect_workers(cluster.address)
        except DataError:
            if time.monotonic() > until:
                raise


def wait_for_status(client, status: str) -> None:
    until = time.monotonic() + 60
    while client.status != status:
        assert time.monotonic() < until
        time.sleep(0.1)


def test_the_same_process_goes_on_when_the_scheduler_is_back(cluster):
    before = connect(cluster)
    done = before.submit("abs", abs, -1)
    assert before.gather([done]) == [1]
    cluster.kill()
    wait_for_status(before._client, "closed")
    with pytest.raises(DataError, match=f"Dask scheduler {cluster.address} cannot be reached") as refused:
        connect_workers(cluster.address)
    assert refused.value.exit_code == 4
    for ask in (lambda: before.submit("abs", abs, -1), lambda: before.gather([done])):
        with pytest.raises(DataError, match=f"Dask scheduler {cluster.address} does not answer") as refused:
            ask()
        assert "start it again" in refused.value.remedy
    cluster.up()
    after = connect(cluster)
    assert after.gather([after.submit("abs", abs, -2)]) == [2]
    assert connect_workers(cluster.address)._client is after._client, "a client that lives is kept"


def test_while_the_client_looks_for_its_scheduler_the_error_is_the_same(cluster, monkeypatch):
    before = connect(cluster)
    cluster.kill()
    wait_for_status(before._client, "connecting")
    with pytest.raises(DataError, match=f"Dask scheduler {cluster.address} (does not answer|cannot be reached)"):
        connect_workers(cluster.address)


def test_a_job_in_the_middle_is_told(cluster):
    workers = connect(cluster)
    running = workers.submit("sleeps", time.sleep, 60)
    threading.Timer(1, cluster.kill).start()
    with pytest.raises(DataError, match="does not answer"):
        workers.gather([running])


def test_what_a_task_raises_is_not_taken_for_the_cluster(cluster):
    workers = connect(cluster)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        workers.gather([workers.submit("opens", open, "/nowhere/x")])
    with pytest.raises(AttributeError, match="missing"):
        workers.gather([workers.submit("asks", getattr, 1, "missing")])
