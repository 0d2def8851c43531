"""Pruning deletes what the published state does not name; whoever publishes meanwhile loses nothing."""

from __future__ import annotations

import pytest

from ingestion.published import follow, pruning, publishing
from ingestion.published.state import ROOT
from pairity.errors import DataError, MissingDataError
from tests.ingestion.published.homes import START, contents, ingest, lake_of, make_home, raw_rows
from tests.ingestion.published.memory_store import Killed


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
    for request in range(14):
        kill_at(store, request)
        try:
            pruning.prune(store, now=START + 2 * pruning.SILENCE * request)
        except Killed:
            store.before = None
            follow(two)
            assert contents(two) == whole
            if request in {3, 4, 5}:
                with pytest.raises(DataError, match="is being pruned by"):
                    ingest(two, "ETH", 1)
            continue
        break
    else:
        pytest.fail("the pruning makes more requests")
    store.before = None
    pruning.prune(store, now=START + 99 * pruning.SILENCE)
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


def test_a_second_pruning_waits_while_the_first_may_run(homes, store):
    _, two = homes
    kill_at(store, 8)
    with pytest.raises(Killed):
        pruning.prune(store, now=START)
    store.before = None
    before = store.objects.copy()
    for job in (lambda: pruning.prune(store, now=START + pruning.SILENCE / 2), lambda: ingest(two, "ETH", 1)):
        with pytest.raises(DataError, match=r"is being pruned by .*, .*at work at 2025-01-01 00:00 UTC") as refused:
            job()
        assert "after 00:10 UTC" in refused.value.remedy
    assert store.objects == before
    pruning.prune(store, now=START + 2 * pruning.SILENCE)
    assert pruning.find_orphans(store).objects == []


def test_a_pruning_that_works_on_says_so_before_each_batch(homes, store, monkeypatch):
    monkeypatch.setattr(pruning, "_AT_ONCE", 1)
    seen = []
    monkeypatch.setattr(pruning.time, "monotonic", lambda: 400.0 * len(seen))

    def note(number):
        if store.requests[number][0] == "delete":
            seen.append(pruning.read_head(store).root.published_at)

    store.before = note
    pruning.prune(store, now=START)
    assert len(seen) == 3
    assert [(at - START).total_seconds() for at in seen] == [0, 400, 800]


def test_a_pruning_that_another_took_over_deletes_nothing_that_was_published_since(store, tmp_path, monkeypatch):
    """It stands still before any of its requests; another one ends meanwhile, and somebody publishes the orphan."""
    monkeypatch.setattr(pruning, "_AT_ONCE", 1)
    stopped = 0
    for request in range(20):
        store.objects.clear()
        store.tags.clear()
        one, two = make_home(tmp_path / f"one{request}"), make_home(tmp_path / f"two{request}")
        ingest(one, "BTC", 1)
        ingest(one, "BTC", 1, hours=40)
        store.create("files/aa/left", b"over")
        start = len(store.requests)

        def overtake(number, two=two, at=start + request):
            # A request to delete that takes longer than the silence is not what this is about
            if number == at and store.requests[number][0] != "delete":
                store.before = None
                pruning.prune(store, now=START + 2 * pruning.SILENCE)
                ingest(two, "SOL", 1)  # the bytes that were BTC's

        store.before = overtake
        try:
            pruning.prune(store, now=START)
        except DataError:
            stopped += 1
        came_there = store.before is None
        store.before = None
        new = make_home(tmp_path / f"new{request}")
        follow(new)
        assert lake_of(new).verify() == (2 if came_there else 1)
        if len(store.requests) <= start + request:
            break
    assert stopped > 5


def test_nothing_published_is_said(store):
    with pytest.raises(MissingDataError, match="nothing is published in s3://memory/lake"):
        pruning.prune(store, now=START)
