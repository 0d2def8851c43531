"""Backups while somebody writes, restoring without losing anything, and old vectors in the archive."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
import tempfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairity.errors import ConfigError, JournalError, PairityError
from pairity.layout import Layout
from pairity.strategy.types import Side
from serving.backups import REPLACE, make_backup, read_backup, restore_backup
from serving.backups import restore as restoring
from serving.control.queue import Request, RequestQueue
from serving.journal import FeatureVector, Intent, IntentState, Journal, Purpose, TradingState
from serving.journal.archive import COLUMNS, VectorArchive, archive_of
from serving.journal.event_records import Wish
from tests.serving.trading import RUN, T0, decision_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def intent(number: int) -> Intent:
    return Intent(
        client_order_id=f"prtest{number:06d}",
        decision_id=None,
        position_id=f"position{number}",
        leg=0,
        purpose=Purpose.ENTRY,
        attempt=0,
        instrument="BTC-USDT-SWAP",
        side=Side.BUY,
        contracts=Decimal(1),
        order_type="market",
        reduce_only=False,
        stop_price=None,
        target_price=None,
        created_at=T0 + timedelta(seconds=number),
        state=IntentState.INTENDED,
    )


def decide(journal: Journal, hours: int) -> str:
    record = decision_of(at=T0 + timedelta(hours=hours))
    vectors = [
        FeatureVector(
            decision_id=record.decision_id,
            service="pair_forest_v1",
            entity=f"BTC__{name}",
            event_timestamp=T0,
            values={"spread": hours / 3, "z_score": None},
        )
        for name in ("ETH", "SOL")
    ]
    journal.record_decision(record, vectors)
    return record.decision_id


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir(0o700)
    return tmp_path / "home"


@pytest.fixture
def journal(home: Path) -> Iterator[Journal]:
    made = Journal.open(home / "journal.db", scope="test")
    made.record_run(RUN)
    yield made
    made.close()


def everything(path: Path) -> dict[str, list[tuple]]:
    """Every row of every table, by a plain connection."""
    connection = sqlite3.connect(path)
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")]
    found = {
        name: sorted(connection.execute(f"SELECT * FROM {name}"), key=repr)
        for name in names
        if not name.startswith("sqlite_")
    }
    connection.close()
    return found


def test_a_backup_is_what_the_journal_is(journal: Journal, tmp_path: Path) -> None:
    decide(journal, 1)
    journal.intend(intent(1))
    made = make_backup(journal.path, tmp_path / "copies" / "one")
    assert everything(made.folder / "journal.db") == everything(journal.path)
    assert made == read_backup(made.folder)
    assert (made.content.rows["intents"], made.content.rows["decisions"], made.content.scope) == (1, 1, "test")
    for path in made.folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(made.folder.stat().st_mode) == 0o700
    assert sorted(path.name for path in made.folder.iterdir()) == ["backup.json", "journal.db"]
    assert sorted(path.name for path in (tmp_path / "copies").iterdir()) == ["one"]


def test_backups_while_a_writer_writes_are_whole_and_only_grow(journal: Journal, tmp_path: Path) -> None:
    stop, written = threading.Event(), [0]

    def write() -> None:
        while not stop.is_set():
            journal.intend(intent(written[0]))
            written[0] += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        counts = []
        for number in range(8):
            before = written[0]
            made = make_backup(journal.path, tmp_path / f"copy{number}")
            # An order and its first event are one transaction: no copy has one without the other
            assert made.content.rows["intents"] == made.content.rows["order_events"]
            assert before <= made.content.rows["intents"] <= written[0] + 1
            counts.append(made.content.rows["intents"])
            assert read_backup(made.folder).content == made.content
    finally:
        stop.set()
        writer.join()
    assert counts == sorted(counts)
    assert counts[-1] > counts[0]


def test_a_backup_never_replaces_what_is_there(journal: Journal, tmp_path: Path) -> None:
    make_backup(journal.path, tmp_path / "one")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for target in (tmp_path / "one", journal.path, tmp_path / "link"):
        with pytest.raises(ConfigError, match="is there already"):
            make_backup(journal.path, target)


def test_without_a_journal_there_is_no_backup(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no journal"):
        make_backup(tmp_path / "journal.db", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_backup_that_fails_leaves_nothing(journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "copies").mkdir(0o700)
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        make_backup(journal.path, tmp_path / "copies" / "one")
    assert list((tmp_path / "copies").iterdir()) == []


@pytest.mark.parametrize("name", ["journal.db", "backup.json"])
def test_a_backup_that_was_changed_is_not_restored(journal: Journal, tmp_path: Path, name: str) -> None:
    decide(journal, 1)
    made = make_backup(journal.path, tmp_path / "one")
    journal.close()
    before = everything(journal.path)
    path = made.folder / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(PairityError):
        restore_backup(journal.path, made.folder, word=REPLACE)
    assert everything(journal.path) == before


NOTES = (b"[]", b"null", b"{}", b'{"format":1}', b'{"format":1,"content":[]}', b'{"format":2}', b"\xff")


@given(st.binary(max_size=200) | st.sampled_from(NOTES))
def test_a_note_that_is_none_is_refused(note: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "backup.json").write_bytes(note)
        with pytest.raises(ConfigError):
            read_backup(Path(folder))


def test_a_note_must_not_lead_elsewhere(journal: Journal, tmp_path: Path) -> None:
    made = make_backup(journal.path, tmp_path / "one")
    row = json.loads((made.folder / "backup.json").read_text())
    row["digests"]["../../other"] = row["digests"]["journal.db"]
    (made.folder / "backup.json").write_text(json.dumps(row))
    with pytest.raises(ConfigError, match="other files"):
        read_backup(made.folder)


def test_what_is_no_backup_is_refused(journal: Journal, tmp_path: Path) -> None:
    for source in (tmp_path, tmp_path / "nowhere", journal.path):
        with pytest.raises(ConfigError, match="is no backup"):
            read_backup(source)


def test_restoring_on_a_new_machine_begins_halted(journal: Journal, tmp_path: Path) -> None:
    name = decide(journal, 1)
    made = make_backup(journal.path, tmp_path / "one")
    there = tmp_path / "other" / "journal.db"
    assert restore_backup(there, made.folder, now=NOW).kept is None
    restored = Journal.open(there)
    newest = restored.states.newest()
    assert newest is not None
    assert (newest.state, newest.by, newest.flatten) == (TradingState.HALTED, "person", False)
    assert "look at the account" in newest.reason
    assert restored.vectors(name) == journal.vectors(name)
    assert restored.scope == "test"
    restored.close()
    assert sorted(path.name for path in there.parent.iterdir()) == ["journal.db", "journal.lock"]
    assert stat.S_IMODE(there.stat().st_mode) == 0o600


def test_while_a_process_holds_the_home_nothing_is_restored(journal: Journal, tmp_path: Path) -> None:
    made = make_backup(journal.path, tmp_path / "one")
    with pytest.raises(JournalError, match=f"pid {os.getpid()}"):
        restore_backup(journal.path, made.folder, word=REPLACE)


def test_a_newer_journal_needs_the_word_and_is_kept(journal: Journal, tmp_path: Path) -> None:
    decide(journal, 1)
    made = make_backup(journal.path, tmp_path / "one")
    decide(journal, 2)
    journal.close()
    before = everything(journal.path)
    for word in (None, "replace", "yes", ""):
        with pytest.raises(ConfigError, match="is newer than the backup"):
            restore_backup(journal.path, made.folder, word=word)
        assert everything(journal.path) == before
    done = restore_backup(journal.path, made.folder, word=REPLACE, now=NOW)
    assert done.kept is not None
    assert everything(done.kept) == before
    assert len(everything(journal.path)["decisions"]) == 1
    again = restore_backup(journal.path, made.folder, word=REPLACE, now=NOW)
    assert again.kept not in (None, done.kept)


def test_requests_that_wait_do_not_act_on_a_restored_journal(journal: Journal, tmp_path: Path) -> None:
    """A resume that was asked for before must not lift the halt that makes a person look."""
    made = make_backup(journal.path, tmp_path / "one")
    queue = RequestQueue(Layout(journal.path.parent))
    names = [queue.put(Request(wish=wish, at=T0, reason="of before")) for wish in (Wish.RESUME, Wish.CLOSE)]
    Layout(journal.path.parent).request.write_text("{}")
    journal.close()
    done = restore_backup(journal.path, made.folder, now=NOW)
    assert queue.list_waiting() == []
    assert done.requests is not None
    kept = sorted(path.name for path in done.requests.iterdir())
    assert kept == [*(f"{name}.json" for name in names), "serve-request.json"]
    assert restore_backup(journal.path, made.folder, word=REPLACE, now=NOW).requests is None


def test_rows_alone_make_a_journal_newer(journal: Journal, tmp_path: Path) -> None:
    decide(journal, 9)
    made = make_backup(journal.path, tmp_path / "one")
    journal.intend(intent(1))  # older than the newest, and not in the backup
    journal.close()
    with pytest.raises(ConfigError, match="is newer"):
        restore_backup(journal.path, made.folder)


def test_the_same_or_an_older_journal_is_replaced_without_a_word(journal: Journal, tmp_path: Path) -> None:
    old = make_backup(journal.path, tmp_path / "old")
    decide(journal, 1)
    new = make_backup(journal.path, tmp_path / "new")
    journal.close()
    assert restore_backup(journal.path, new.folder).kept is not None
    shutil.copyfile(old.folder / "journal.db", journal.path)
    restore_backup(journal.path, new.folder)
    assert len(everything(journal.path)["decisions"]) == 1


def test_another_journal_needs_the_word(journal: Journal, tmp_path: Path) -> None:
    made = make_backup(journal.path, tmp_path / "one")
    other = tmp_path / "other" / "journal.db"
    Journal.open(other, scope="other").close()
    with pytest.raises(ConfigError, match="another journal"):
        restore_backup(other, made.folder)


def test_a_damaged_journal_needs_the_word_and_its_bytes_are_kept(journal: Journal, tmp_path: Path) -> None:
    decide(journal, 1)
    made = make_backup(journal.path, tmp_path / "one")
    journal.close()
    torn = b"SQLite format 3\0" + b"torn" * 5000
    journal.path.write_bytes(torn)
    journal.path.with_name("journal.db-wal").write_bytes(b"its log")
    with pytest.raises(ConfigError, match="nobody knows what it says"):
        restore_backup(journal.path, made.folder)
    done = restore_backup(journal.path, made.folder, word=REPLACE)
    assert done.kept is not None
    assert done.kept.read_bytes() == torn
    restored = Journal.open(journal.path)
    assert len(restored.decisions()) == 1
    restored.close()


def test_a_log_that_a_killed_process_left_is_folded_into_what_is_kept(journal: Journal, tmp_path: Path) -> None:
    made = make_backup(journal.path, tmp_path / "one")
    decide(journal, 1)
    killed = tmp_path / "killed"
    killed.mkdir(0o700)
    for ending in ("", "-wal"):
        shutil.copyfile(f"{journal.path}{ending}", killed / f"journal.db{ending}")
        (killed / f"journal.db{ending}").chmod(0o600)
    done = restore_backup(killed / "journal.db", made.folder, word=REPLACE)
    assert done.kept is not None
    assert len(everything(done.kept)["decisions"]) == 1
    assert everything(killed / "journal.db")["decisions"] == []


@pytest.mark.parametrize("step", ["_restore_archive", "_keep", "_set_requests_aside", "rename_flushed"])
def test_a_restore_that_breaks_off_leaves_the_journal_that_was_there(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    made = make_backup(journal.path, tmp_path / "one")
    decide(journal, 1)
    journal.close()
    before = everything(journal.path)

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(restoring, step, fail)
    with pytest.raises(OSError, match="Input/output"):
        restore_backup(journal.path, made.folder, word=REPLACE)
    assert everything(journal.path) == before
    left = {path.name for path in journal.path.parent.iterdir()} - {"journal.db", "journal.lock"}
    assert not [name for name in left if "before-restore" not in name]


def test_old_vectors_move_and_are_found(journal: Journal) -> None:
    names = [decide(journal, hours) for hours in range(6)]
    before = {name: journal.vectors(name) for name in names}
    until = T0 + timedelta(hours=4)
    assert journal.archive_vectors(until, 3, T0 + timedelta(hours=3)) == 1
    assert [journal.archive_vectors(until, 2) for _ in range(3)] == [2, 1, 0]
    assert {name: journal.vectors(name) for name in names} == before
    assert {row[0] for row in everything(journal.path)["feature_vectors"]} == set(names[4:])
    assert stat.S_IMODE(archive_of(journal.path).stat().st_mode) == 0o600
    reader = Journal.read(journal.path)
    assert reader.vectors(names[0]) == before[names[0]]
    reader.close()


def test_a_move_that_broke_off_between_the_two_files_goes_on(journal: Journal) -> None:
    name = decide(journal, 1)
    before = journal.vectors(name)
    rows = everything(journal.path)["feature_vectors"]
    VectorArchive(archive_of(journal.path)).add(dict(zip(COLUMNS, row, strict=True)) for row in rows)
    assert journal.archive_vectors(T0 + timedelta(days=1), 10) == 1
    assert journal.vectors(name) == before


def test_an_archive_of_another_journal_is_refused_and_nothing_is_deleted(journal: Journal) -> None:
    name = decide(journal, 1)
    row = {"decision_id": name, "service": "pair_forest_v1", "entity": "BTC__ETH", "event_timestamp": None}
    VectorArchive(archive_of(journal.path)).add([row | {"values_json": "{}"}])
    with pytest.raises(JournalError, match="other features"):
        journal.archive_vectors(T0 + timedelta(days=1), 10)
    assert len(everything(journal.path)["feature_vectors"]) == 2


def test_backup_and_restore_keep_the_archive_and_lose_nothing_of_a_later_one(journal: Journal, tmp_path: Path) -> None:
    names = [decide(journal, hours) for hours in range(4)]
    before = {name: journal.vectors(name) for name in names}
    journal.archive_vectors(T0 + timedelta(hours=2), 10)
    made = make_backup(journal.path, tmp_path / "one")
    assert sorted(made.digests) == ["journal-archive.db", "journal.db"]
    journal.archive_vectors(T0 + timedelta(hours=3), 10)
    journal.close()
    elsewhere = tmp_path / "other" / "journal.db"
    restore_backup(journal.path, made.folder, word=REPLACE)
    restore_backup(elsewhere, made.folder)
    for path in (journal.path, elsewhere):
        restored = Journal.open(path)
        assert {name: restored.vectors(name) for name in names} == before
        restored.close()


def test_a_reader_of_the_archive_does_not_hold_up_who_writes_it(journal: Journal) -> None:
    decide(journal, 1)
    decide(journal, 2)
    journal.archive_vectors(T0 + timedelta(hours=1, minutes=30), 10)
    reader = sqlite3.connect(archive_of(journal.path))
    reader.execute("BEGIN")
    assert reader.execute("SELECT COUNT(*) FROM feature_vectors").fetchone()[0] == 2
    assert journal.archive_vectors(T0 + timedelta(days=1), 10) == 1
    reader.close()
