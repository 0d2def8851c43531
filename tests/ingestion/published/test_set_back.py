"""A store that was set back goes on from an older state: no directory loses what it alone has by that."""

from __future__ import annotations

import json

import pytest

from feature_repo.placeholders import read_placeholder, write_placeholder
from ingestion.published import follow
from ingestion.published.state import REMEMBERED_STATES, ROOT, Root, find_lineage
from pairity.bounded_files import digest_plain_file
from pairity.errors import DataError
from tests.ingestion.published.homes import START, contents, ingest, lake_of, make_home, publish_view


@pytest.fixture
def homes(store, tmp_path):
    """Two homes of one store, both at state 2."""
    one, two = make_home(tmp_path / "one"), make_home(tmp_path / "two")
    ingest(one, "BTC", 1)
    ingest(one, "BTC", 1, hours=31)
    follow(two)
    return one, two


def keep(store):
    return store.objects.copy(), store.tags.copy()


def set_back(store, kept):
    store.objects, store.tags = kept[0].copy(), kept[1].copy()


def forget_lineage(store):
    """Let the root be one of a release that wrote down no lineage."""
    row = json.loads(store.objects[ROOT])
    del row["before"]
    store.objects[ROOT] = json.dumps(row).encode()


def fork(store, one, two, *, states):
    """Let `one` publish months of its own, set the store back, and let `two` publish so many states there."""
    kept = keep(store)
    ingest(one, "ETH", 1, 7.0)
    ingest(one, "BTC", 1, hours=50)
    publish_view(one, 1)
    set_back(store, kept)
    for number in range(states):
        ingest(two, "SOL", number + 1)


@pytest.mark.parametrize("states", [3, 4], ids=["as many states", "more states"])
def test_a_store_that_went_on_from_an_older_state_takes_nothing_away_here(homes, store, states):
    one, two = homes
    fork(store, one, two, states=states)
    before = contents(one)
    for job in (lambda: follow(one), lambda: ingest(one, "XRP", 1)):
        with pytest.raises(DataError, match=r"state \d of s3://memory/lake does not go on from state 5") as refused:
            job()
        assert str(one.root / ".published" / "base.json") in refused.value.remedy
    assert contents(one) == before
    assert lake_of(one).verify() == 2


def test_what_is_here_alone_is_merged_and_published_as_the_refusal_says(homes, store):
    one, two = homes
    fork(store, one, two, states=4)
    (one.root / ".published" / "base.json").unlink()
    ingest(one, "XRP", 1)
    assert lake_of(one).verify() == 7
    follow(two)
    assert contents(two) == contents(one)
    assert lake_of(two).scan("index_1h", ["BTC"], START, START.replace(month=2)).collect().height == 50


def test_bytes_that_nobody_has_any_more_are_named_and_nothing_is_changed(homes, store):
    one, two = homes
    fork(store, one, two, states=4)
    lost = next(path for path in sorted((one.root / "lake").rglob("*.parquet")) if "ETH" in str(path))
    write_placeholder(lost, digest_plain_file(lost), lost.stat().st_size)
    (one.root / ".published" / "base.json").unlink()
    before = keep(store)
    for _ in range(2):
        with pytest.raises(DataError, match=r"s3://memory/lake lacks .*ETH"):
            ingest(one, "XRP", 1)
    assert keep(store)[0] == before[0]
    assert read_placeholder(lost) is not None


def test_states_go_on_from_those_of_a_release_without_a_lineage(homes, store):
    one, two = homes
    forget_lineage(store)
    follow(two)
    ingest(two, "ETH", 1)
    ingest(two, "ETH", 2)
    follow(one)
    assert contents(one) == contents(two)


def test_without_a_lineage_a_state_that_lacks_a_partition_of_here_is_refused(homes, store):
    one, two = homes
    fork(store, one, two, states=4)
    forget_lineage(store)
    before = contents(one)
    with pytest.raises(DataError, match="does not go on from state 5"):
        follow(one)
    assert contents(one) == before


def test_a_lineage_is_bounded_and_known_by_distance():
    def root(number, before):
        return Root(number, f"{number:032x}"[::-1], START, "m", is_pruning=False, sections={}, before=before)

    last = root(1, ())
    states = [last]
    for number in range(2, REMEMBERED_STATES + 5):
        states.append(last := root(number, find_lineage(last)))
    assert len(last.before) == REMEMBERED_STATES
    assert last.goes_on_from(last) is True
    assert last.goes_on_from(states[-2]) is True
    assert last.goes_on_from(states[3]) is True
    assert last.goes_on_from(states[0]) is None, "too long ago"
    assert states[3].goes_on_from(last) is False
    other = Root(5, "another", START, "m", is_pruning=False, sections={}, before=find_lineage(states[3]))
    assert last.goes_on_from(other) is False
    assert other.goes_on_from(states[3]) is True
