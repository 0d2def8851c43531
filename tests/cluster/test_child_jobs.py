"""Jobs beside the trading process reach what it reaches: Dask with its certificates, the store with its credentials."""

from __future__ import annotations

import asyncio
import sys

import pytest

from serving.child_jobs import read_job

pytestmark = pytest.mark.cluster

ASKS = """
from feature_repo.cluster_workers import connect_workers
from feature_repo.object_store import open_objects
from feature_repo.postgres import ensure_schema
from pairity.configuration import load_settings

settings = load_settings()
workers = connect_workers(settings.cluster.scheduler)
print(workers.gather([workers.submit("sum", sum, (1, 2))]))
objects = open_objects(settings.cluster.lake)
print(objects.create("x", b"content"), objects.read("x", 10)[0])
ensure_schema(settings.cluster.make_postgres_address("public"), "public")
"""


def run_child(settings, code):
    return asyncio.run(read_job(settings, [sys.executable, "-c", code], limit_s=120, niceness=0))


def test_a_job_works_on_the_cluster_of_its_parent(settings, variables, tmp_path):
    lake = f"{variables['PAIRITY_CLUSTER__OBJECT_STORE']}/{tmp_path.name}-{tmp_path.parent.name}"
    ours = settings.model_copy(update={"cluster": settings.cluster.model_copy(update={"lake": lake})})
    ended = run_child(ours, ASKS)
    assert (ended.exit_code, ended.out.decode()) == (0, "[3]\nTrue b'content'\n"), ended.err


def test_a_job_asks_postgresql_for_the_encryption_that_its_parent_asks_for(settings, monkeypatch):
    monkeypatch.setenv("PGSSLMODE", "verify-full")  # the local server has no TLS: it must be refused, not read
    ended = run_child(settings, ASKS.partition("workers =")[0] + ASKS.splitlines()[-1])
    assert ended.exit_code == 1
    assert "cannot be used" in ended.err
    assert "SSL" in ended.err
