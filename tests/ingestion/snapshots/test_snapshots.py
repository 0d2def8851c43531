"""Snapshots of a data directory: what they hold, what survives, what is found out."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta

import pytest

from ingestion.lake.lock import single_writer
from ingestion.snapshots import (
    copy_snapshot,
    count_freed_bytes,
    find_snapshot,
    list_snapshots,
    name_snapshot,
    remove_snapshots,
    save_snapshot,
    verify_snapshot,
)
from ingestion.snapshots.saved import RECORD
from pairity.durable import replace_file
from pairity.errors import ConfigError, DataError, MissingDataError, UnknownNameError
from pairity.layout import Layout
from pairity.progress import SilentProgress

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
PART = "lake/candles_1h/venue=okx/instrument=BTC-USDT-SWAP/month=2025-12/part.parquet"
FEATURES = "features/pair_hourly/month=2025-12/0001.parquet"


@pytest.fixture
def layout(tmp_path):
    layout = Layout(tmp_path / "home")
    for path, content in {
        PART: b"bars",
        FEATURES: b"features",
        "features/snapshot.json": b'{"snapshot_id": "abc"}\n',
        "reference/contracts.parquet": b"contracts",
        "settings.json": b"{}",
        "journal.db": b"orders",
        "mlflow/mlflow.db": b"runs",
        "quarantine/x/rows.parquet": b"bad",
    }.items():
        replace_file(layout.root / path, content)
    return layout


def save(layout, name="one", now=NOW, note=""):
    return save_snapshot(layout, name, SilentProgress(), now=now, note=note)


def test_it_holds_what_trainings_are_made_from_and_nothing_else(layout):
    saved = save(layout, note="before the change")
    assert set(saved.files) == {
        PART,
        FEATURES,
        "features/snapshot.json",
        "reference/contracts.parquet",
        "settings.json",
    }
    assert (saved.snapshot_id, saved.saved_at, saved.note) == ("abc", NOW, "before the change")
    assert list_snapshots(layout) == [saved]
    assert saved.size == sum((layout.root / path).stat().st_size for path in saved.files)


def test_it_costs_no_room_and_stays_as_it_is_when_the_data_go_on(layout):
    saved = save(layout)
    assert (layout.snapshots / "one" / PART).samefile(layout.root / PART)
    assert count_freed_bytes(layout, [saved]) == 0
    replace_file(layout.root / PART, b"bars and a correction")
    (layout.root / FEATURES).unlink()
    found = verify_snapshot(layout, saved, SilentProgress())
    assert found.is_whole
    assert found.replaced_since == 2
    assert (layout.snapshots / "one" / PART).read_bytes() == b"bars"
    assert count_freed_bytes(layout, [saved]) == len(b"bars") + len(b"features")


def test_equal_states_have_equal_digests(layout):
    first, second = save(layout), save(layout, "two", NOW + timedelta(hours=1))
    assert first.digest == second.digest
    replace_file(layout.root / PART, b"other")
    assert save(layout, "three", NOW + timedelta(hours=2)).digest != first.digest
    assert [saved.name for saved in list_snapshots(layout)] == ["three", "two", "one"]


def test_a_copy_is_a_data_directory_of_its_own(layout, tmp_path):
    saved = save(layout)
    target = tmp_path / "elsewhere" / "copy"
    copy_snapshot(layout, saved, target, SilentProgress())
    found = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    assert found == set(saved.files)
    assert not (target / PART).samefile(layout.root / PART)
    assert (target / PART).read_bytes() == b"bars"
    assert save(Layout(target), now=NOW + timedelta(days=1)).digest == saved.digest


def test_where_links_cannot_be_files_are_copied(layout, monkeypatch):
    def refuse(*_args, **_options):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    saved = save(layout)
    assert verify_snapshot(layout, saved, SilentProgress()).is_whole
    assert not (layout.snapshots / "one" / PART).samefile(layout.root / PART)


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        (lambda path: path.unlink(), "missing"),
        (lambda path: replace_file(path, b"bart"), "changed"),
        (lambda path: (path.unlink(), path.mkdir()), "changed"),
        (lambda path: replace_file(path.with_name("new.parquet"), b"x"), "extra"),
    ],
)
def test_what_was_done_to_a_snapshot_is_found_and_not_copied(layout, tmp_path, damage, kind):
    saved = save(layout)
    damage(layout.snapshots / "one" / PART)
    found = verify_snapshot(layout, saved, SilentProgress())
    assert not found.is_whole
    assert getattr(found, kind) == [PART.replace("part", "new") if kind == "extra" else PART]
    if kind != "extra":
        with pytest.raises((DataError, OSError), match=r"part\.parquet"):
            copy_snapshot(layout, saved, tmp_path / "copy", SilentProgress())
        assert list(tmp_path.iterdir()) == [layout.root]


def test_removing_one_leaves_the_others_and_the_data(layout):
    first, second = save(layout), save(layout, "two", NOW + timedelta(hours=1))
    remove_snapshots(layout, [first])
    assert list_snapshots(layout) == [second]
    assert verify_snapshot(layout, second, SilentProgress()).is_whole
    assert (layout.root / PART).read_bytes() == b"bars"


def test_names_are_found_by_their_beginning_and_never_taken_twice(layout):
    save(layout, "20260101-0000")
    save(layout, "20260102-0304", NOW + timedelta(hours=1))
    assert find_snapshot(layout, "latest").name == find_snapshot(layout, "20260102").name == "20260102-0304"
    assert name_snapshot(layout, NOW) == "20260102-0304-2"
    with pytest.raises(ConfigError, match="begins 2 snapshots"):
        find_snapshot(layout, "2026")
    with pytest.raises(UnknownNameError, match="20260102"):
        find_snapshot(layout, "20260109")
    with pytest.raises(ConfigError, match="already"):
        save(layout, "20260101-0000")


def test_nothing_is_saved_beside_a_writer_or_of_nothing(layout, tmp_path):
    with single_writer(layout.root), pytest.raises(DataError, match="another process"):
        save(layout)
    with pytest.raises(MissingDataError, match="nothing is stored"):
        save(Layout(tmp_path / "empty"))
    assert list_snapshots(layout) == []


def test_a_save_that_fails_leaves_nothing(layout, monkeypatch):
    def fail(_path):
        raise OSError(28, "full")

    monkeypatch.setattr("ingestion.snapshots.actions.digest_plain_file", fail)
    with pytest.raises(OSError, match="full"):
        save(layout)
    assert list(layout.snapshots.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"[]", b'{"format": 1}', b'{"format": 2, "files": {}}'])
def test_a_damaged_record_is_named(layout, content):
    save(layout)
    replace_file(layout.snapshots / "one" / RECORD, content)
    with pytest.raises(DataError, match=RECORD):
        list_snapshots(layout)


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "lake/../../x", "journal.db", ""])
def test_a_record_cannot_name_files_elsewhere(layout, path):
    saved = save(layout)
    text = (layout.snapshots / "one" / RECORD).read_text().replace(PART, path)
    replace_file(layout.snapshots / "one" / RECORD, text.encode())
    assert saved.files
    with pytest.raises(DataError, match="no path of a snapshot"):
        list_snapshots(layout)


def test_what_a_killed_process_left_is_no_snapshot(layout):
    save(layout)
    shutil.copytree(layout.snapshots / "one", layout.snapshots / ".two.123.abcd.tmp")
    assert [saved.name for saved in list_snapshots(layout)] == ["one"]
