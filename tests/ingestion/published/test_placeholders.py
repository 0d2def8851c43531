"""Placeholders: recognised, filled with what they stand for alone, never over what a writer has put there since."""

from __future__ import annotations

import hashlib
import os
import time

import pytest

from feature_repo.placeholders import bring, name_object, read_placeholder, write_placeholder
from ingestion.published import follow
from ingestion.published.cache import bring_all, shrink
from ingestion.published.session import open_directory
from ingestion.snapshots import save_snapshot, verify_snapshot
from pairity.durable import replace_file
from pairity.errors import LakeCorruptError
from pairity.layout import Layout
from pairity.progress import SilentProgress
from tests.ingestion.published.homes import START, ingest, lake_of, make_home, publish_view

CONTENT = b"PAR1" + bytes(range(256)) * 20 + b"PAR1"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def placed(store, tmp_path):
    """A placeholder below a data directory that follows a store which has its bytes."""
    settings = make_home(tmp_path / "home")
    ingest(settings, "BTC", 1)
    store.create(name_object(DIGEST), CONTENT)
    path = settings.root / "features" / "v" / "month=2025-01" / f"{DIGEST[:24]}.parquet"
    write_placeholder(path, DIGEST, len(CONTENT))
    return path


def test_a_placeholder_has_the_size_of_what_it_stands_for_and_is_filled_once(placed, store):
    stands_for = read_placeholder(placed)
    assert (stands_for.sha256, stands_for.size, placed.stat().st_size) == (DIGEST, len(CONTENT), len(CONTENT))
    inode = placed.stat().st_ino
    bring(placed)
    assert (placed.read_bytes(), placed.stat().st_ino, placed.stat().st_mode & 0o777) == (CONTENT, inode, 0o600)
    asked = len(store.requests)
    bring(placed)
    bring(placed.with_name("none.parquet"))
    assert len(store.requests) == asked


def test_what_a_writer_has_put_there_meanwhile_stays(placed, store):
    def write(_):
        store.before = None
        replace_file(placed, b"newer rows")

    store.before = write
    bring(placed)
    assert placed.read_bytes() == CONTENT, "the writer was first: the name had a new file when it was filled"
    # The other way round: the file that is filled has no name any more
    write_placeholder(placed, DIGEST, len(CONTENT))
    with placed.open("r+b"):
        replace_file(placed, b"newer rows")
    bring(placed)
    assert placed.read_bytes() == b"newer rows"


def test_a_fill_that_was_killed_is_still_a_placeholder(placed, monkeypatch):
    def kill(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", kill)
    with pytest.raises(KeyboardInterrupt):
        bring(placed)
    assert read_placeholder(placed).sha256 == DIGEST
    monkeypatch.setattr(os, "fsync", os.fstat)
    bring(placed)
    assert placed.read_bytes() == CONTENT


def test_a_placeholder_without_a_data_directory_is_named(tmp_path):
    path = tmp_path / "part.parquet"
    write_placeholder(path, DIGEST, len(CONTENT))
    with pytest.raises(LakeCorruptError, match="no folder above it says of which"):
        bring(path)


def test_what_was_not_used_for_longest_makes_room(store, tmp_path):
    one, two = make_home(tmp_path / "one"), make_home(tmp_path / "two")
    for month in range(1, 5):
        ingest(one, "BTC", month)
    follow(two)
    assert bring_all(two.root) == 4
    directory = open_directory(two)
    assert shrink(directory, directory.scan(), 0) == 0, "what was used a moment ago may be in use"
    paths = sorted(two.root.rglob("part.parquet"))
    for age, path in enumerate(reversed(paths)):
        os.utime(path, ns=(time.time_ns() - (10_000 + age) * 10**9, path.stat().st_mtime_ns))
    assert shrink(directory, directory.scan(), 1) == 0
    assert shrink(directory, directory.scan(), 0) == 4
    assert all(read_placeholder(path) for path in paths)
    assert lake_of(two).verify() == 4
    directory = open_directory(one)
    assert shrink(directory, directory.scan(), 0, grace_s=0) == 4


def test_a_snapshot_has_no_placeholders(store, tmp_path):
    one, two = make_home(tmp_path / "one"), make_home(tmp_path / "two")
    ingest(one, "BTC", 1)
    publish_view(one, 1)
    follow(two)
    saved = [save_snapshot(Layout(home.root), "s", SilentProgress(), now=START) for home in (one, two)]
    assert {name: file for name, file in saved[0].files.items() if name.endswith("parquet")} == {
        name: file for name, file in saved[1].files.items() if name.endswith("parquet")
    }
    assert verify_snapshot(Layout(two.root), saved[1], SilentProgress()).is_whole
    assert not any(read_placeholder(path) for path in (two.root / "snapshots").rglob("*.parquet"))
