"""`pairity store`, and commands that read in a data directory that follows an object store."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from ingestion.published import pruning
from ingestion.published.state import ROOT
from pairity.errors import DataError
from pairity_cli.main import main
from tests.ingestion.published.homes import ADDRESS, START, contents, ingest, lake_of, make_home, raw_rows, use_store
from tests.ingestion.published.memory_store import Killed


@pytest.fixture
def store(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PAIRITY_CLUSTER__LAKE", ADDRESS)
    return use_store(monkeypatch)


def run(home, *words, code=0):
    done = CliRunner().invoke(main, words, env={"PAIRITY_HOME": str(home)})
    assert done.exit_code == code, done.output
    return done.output


def test_a_directory_is_compared_published_and_fetched(store, tmp_path):
    one, two = make_home(tmp_path / "one"), make_home(tmp_path / "two")
    text = run(one.root, "store")
    assert "published state" in text
    assert "none" in text
    with lake_of(one).writing():
        lake_of(one).write("index_1h", "BTC", raw_rows(1))
    text = run(one.root, "store", "status")
    assert "not published: lake/index_1h/venue=okx/instrument=BTC-USDT-SWAP/month=2025-01/part.parquet" in text
    assert "state 1 of s3://memory/lake: 2 files new or changed" in run(one.root, "store", "publish")
    assert "1 file fetched from s3://memory/lake" in run(two.root, "store", "fetch")
    store.is_away = True
    assert lake_of(two).verify() == 1
    text = run(two.root, "store", code=4)
    assert "s3://memory/lake cannot be used" in text


def test_a_command_that_reads_begins_with_the_newest_state(store, tmp_path):
    one, two = make_home(tmp_path / "one"), make_home(tmp_path / "two")
    ingest(one, "BTC", 1)
    text = run(two.root, "data", "verify")
    assert "note: state 1 of s3://memory/lake was taken over: 2 files" in text
    assert "1 partition is what" in text or "1 partition" in text
    assert contents(one) == contents(two)
    with lake_of(two).writing():
        lake_of(two).write("index_1h", "SOL", raw_rows(1))
    ingest(one, "ETH", 1)
    text = run(two.root, "data", "verify")
    assert "note: 2 files here are not published" in text
    assert "pairity store publish" in text
    run(two.root, "store", "publish")
    assert len(contents(two)) == 3
    store.is_away = True
    assert "cannot be used" in run(two.root, "data", "verify", code=4)


def test_objects_are_deleted_when_that_is_said_twice(store, tmp_path):
    one = make_home(tmp_path / "one")
    ingest(one, "BTC", 1)
    store.create("files/aa/left", b"over")
    assert "would be deleted: 1 object, 4 B; 2 stay" in run(one.root, "store", "prune")
    assert "files/aa/left" in store.objects
    assert "1 object deleted, 4 B freed; 2 stay" in run(one.root, "store", "prune", "--confirm", "REMOVE")
    assert "files/aa/left" not in store.objects


def test_a_pruning_at_work_is_not_to_be_helped_and_a_killed_one_is(store, tmp_path):
    one = make_home(tmp_path / "one")
    ingest(one, "BTC", 1)
    store.create("files/aa/left", b"over")

    def kill(number):
        if store.requests[number][0] == "delete":
            raise Killed

    store.before = kill
    for at, said in ((datetime.now(UTC), "is under way, at work at"), (START, "was killed after 2025-01-01 00:00 UTC")):
        store.tags.pop(ROOT)
        root = json.loads(store.objects.pop(ROOT)) | {"is_pruning": False}
        store.create(ROOT, json.dumps(root).encode())
        with pytest.raises(Killed):
            pruning.prune(store, now=at)
        text = run(one.root, "store")
        assert said in text
        assert ("--confirm REMOVE" in text) == (at == START)
    store.before = None
    run(one.root, "store", "prune", "--confirm", "REMOVE")
    assert "pruning" not in run(one.root, "store")


@pytest.mark.parametrize(("command", "is_ahead"), [(("serve",), True), (("data", "verify"), False)])
def test_a_trading_process_fetches_before_it_begins(store, tmp_path, monkeypatch, command, is_ahead):
    asked = []

    def note(_settings, needed_since):
        asked.append(needed_since)
        raise DataError("nothing is taken over", "try")

    monkeypatch.setattr("ingestion.published.follow", note)
    done = CliRunner().invoke(main, command, env={"PAIRITY_HOME": str(tmp_path / "home")})
    assert done.exit_code != 0
    assert ("nothing is taken over; this goes on with what is here" in done.output) == is_ahead
    (since,) = asked
    assert (since is not None) == is_ahead
    if is_ahead:
        assert since <= datetime.now(UTC) - timedelta(days=17)
        assert since.day == 1


def test_without_an_address_there_is_no_store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for word in ("status", "publish", "fetch", "prune"):
        assert "no object store of the lake is set" in run(tmp_path / "home", "store", word, code=2)
