"""Pruning deletes what the published state does not name; whoever publishes meanwhile loses nothing."""

from __future__ import annotations

import pytest

from ingestion.published import follow, pruning, publishing
from ingestion.published.state import ROOT
from pairity.errors import DataError, MissingDataError
from tests.ingestion.published.homes import START, contents, ingest, lake_of, make_home, raw_rows, use_store
from tests.ingestion.published.memory_store import Killed


@pytest.fixture
def store(monkeypatch):
    return use_store(monkeypatch)


@pytest.fixture
def homes(store, tmp_path):
    """Two homes of one store, in which killed jobs and older states have left objects."""
    one, two = make_home(tmp_path / "one"), make_home(tmp_path / "two")
    ingest(one, "BTC", 1)
    ingest(one, "BTC", 1, hours=40)
    store.create("files/aa/left", b"over")
    return one, two


def kill_at(store, request):
    start = len(store.requests)

    def before(number):
        if number == start + request:
            raise Killed

    store.before = before


def test_what_is_not_named_goes_and_all_else_stays(homes, store):
    one, two = homes
    found = pruning.find_orphans(store)
    assert len(found.objects) == 3, "the older file, its listing, and what was left over"
    before = store.objects.copy()
    done = pruning.prune(store, now=START)
    assert (done, pruning.find_orphans(store).objects) == (found, [])
    assert before.items() - store.objects.items() == {(one.name, before[one.name]) for one in found.objects} | {
        (ROOT, before[ROOT])
    }
    follow(two)
    assert contents(two) == contents(one)
    assert lake_of(two).verify() == 1


def test_a_killed_pruning_stops_publishers_and_is_finished_by_the_next(homes, store):
    one, two = homes
    whole = contents(one)
    for request in range(12):
        kill_at(store, request)
        try:
            pruning.prune(store, now=START)
        except Killed:
            store.before = None
            follow(two)
            assert contents(two) == whole
            if request in {3, 4, 5}:
                with pytest.raises(DataError, match="is being pruned by"):
                    ingest(two, "ETH", 1)
            continue
        break
    store.before = None
    pruning.prune(store, now=START)
    assert pruning.find_orphans(store).objects == []
    ingest(two, "ETH", 1)
    follow(one)
    assert len(contents(one)) == 2


def test_a_publisher_that_took_an_object_for_granted_is_refused_and_sends_it_again(homes, store):
    """Its file is there already, left by a killed job; it is deleted before the publisher's root."""
    one, two = homes
    follow(two)
    kill_at(store, 2)
    with pytest.raises(Killed):
        ingest(two, "SOL", 1)  # its file is there now, and nobody names it
    store.before = None
    lake = lake_of(two)
    with publishing(lake, two):
        start = len(store.requests)

        def prune_before_the_root(number):
            if store.requests[number] == ("replace", ROOT) and number > start:
                store.before = None
                pruning.prune(store, now=START)

        lake.write("index_1h", "SOL", raw_rows(1))
        store.before = prune_before_the_root
    follow(one)
    assert len(contents(one)) == 2
    assert lake_of(one).verify() == 2


def test_nothing_published_is_said(store):
    with pytest.raises(MissingDataError, match="nothing is published in s3://memory/lake"):
        pruning.prune(store, now=START)
