"""What would overwrite, mix or lose something is refused by name, and what was lost in the store is sent again."""

from __future__ import annotations

import json

import pytest

from ingestion.published import follow, publishing
from ingestion.published.publication import resend
from ingestion.published.session import open_directory
from ingestion.published.state import ROOT
from pairity.durable import replace_file
from pairity.errors import ConfigError, DataError, LakeCorruptError
from tests.ingestion.published.homes import contents, ingest, lake_of, make_home, publish_view, raw_rows


@pytest.fixture
def homes(store, tmp_path):
    one, two = make_home(tmp_path / "one"), make_home(tmp_path / "two")
    remember(one, fee=1)
    ingest(one, "BTC", 1)
    follow(two)
    return one, two


def remember(home, **values):
    content = {"format": 1, "process": hash(home.root) % 1000, "settings": values}
    replace_file(home.root / "settings.json", json.dumps(content).encode())


@pytest.mark.parametrize("left", [None, "older"])
def test_a_store_that_lost_its_newest_state_takes_nothing_away_here(homes, store, left):
    one, two = homes
    older = store.objects[ROOT], store.tags[ROOT]
    ingest(one, "ETH", 1)
    follow(two)
    before = contents(two)
    if left is None:
        store.delete([ROOT])
    else:
        store.objects[ROOT], store.tags[ROOT] = older
    for job in (lambda: follow(two), lambda: ingest(two, "SOL", 1)):
        with pytest.raises(DataError, match=r"has state [01], and this data directory goes on from state 2"):
            job()
    assert contents(two) == before


def test_a_reader_does_not_wait_for_a_writer_of_its_home(homes):
    one, two = homes
    ingest(one, "ETH", 1)
    with lake_of(two).writing():
        assert "is writing to" in follow(two).busy
    assert follow(two).busy == ""
    assert contents(two) == contents(one)


def test_data_of_other_settings_are_not_mixed(homes):
    one, two = homes
    assert json.loads((two.root / "settings.json").read_bytes())["settings"] == {"fee": 1}
    remember(one, fee=2)
    ingest(one, "ETH", 1)
    remember(two, fee=2)
    ingest(two, "SOL", 1)  # another process wrote it, with the same settings
    remember(one, fee=3)
    ingest(one, "XRP", 1)
    remember(two, fee=4)
    with pytest.raises(ConfigError, match="were made with other settings than those in"):
        ingest(two, "ADA", 1)
    (two.root / "settings.json").unlink()
    ingest(two, "ADA", 1)
    follow(one)
    assert contents(one) == contents(two)
    assert json.loads((two.root / "settings.json").read_bytes())["settings"] == {"fee": 3}


def test_reference_data_that_both_have_changed_are_kept_apart(homes):
    one, two = homes
    for home, content in ((one, b"one"), (two, b"two")):
        replace_file(home.root / "reference" / "universes" / "mine.parquet", content)
        replace_file(home.root / "reference" / content.decode(), content)
    ingest(one, "ETH", 1)
    lake = lake_of(two)
    with publishing(lake, two):
        lake.write("index_1h", "SOL", raw_rows(1))
    assert (two.root / "reference" / "universes" / "mine.parquet").read_bytes() == b"one"
    kept = two.root / ".published" / "set-aside" / "1" / "reference" / "universes" / "mine.parquet"
    assert kept.read_bytes() == b"two"
    follow(one)
    assert sorted(path.name for path in (one.root / "reference").iterdir()) == ["one", "two", "universes"]


def test_damaged_files_are_not_published(homes, store):
    one, _ = homes
    before = store.objects[ROOT]
    publish_view(one, 1)
    part = next(one.root.rglob("part.parquet"))
    view = next((one.root / "features").rglob("*.parquet"))
    for path in (part, part.with_name("manifest.json"), view):
        sound = path.read_bytes()
        replace_file(path, sound[:-4] + b"XXXX")
        with pytest.raises(LakeCorruptError):
            ingest(one, "ETH", 1)
        replace_file(path, sound)
    assert before != store.objects[ROOT]
    ingest(one, "ETH", 1)
    assert lake_of(one).verify() == 2


def test_a_file_that_changes_while_it_is_sent_is_noticed(homes, store):
    one, _ = homes
    path = one.root / "reference" / "note"
    replace_file(path, b"first")

    def change(number):
        if store.requests[number][0] == "create":
            store.before = None
            replace_file(path, b"second")

    store.before = change
    with pytest.raises(DataError, match="was changed while it was being published"):
        ingest(one, "ETH", 1)
    ingest(one, "ETH", 1)
    assert b"second" in store.objects.values()
    assert b"first" not in store.objects.values()


def test_what_the_store_has_lost_is_sent_again(homes, store):
    one, two = homes
    publish_view(one, 1)
    lost = [name for name in store.objects if name != ROOT]
    store.delete(lost)
    with pytest.raises(DataError, match="lacks the listing of"):
        follow(two)
    with lake_of(one).writing():
        assert resend(open_directory(one)) == len(lost)
        assert resend(open_directory(one)) == 0
    follow(two)
    assert lake_of(two).verify() == 1
