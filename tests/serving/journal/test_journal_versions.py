"""A journal of version 1 is read as it is, and extended by a writer to what a new one has."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine

from pairity.errors import JournalError
from pairity.margin import MarginMode
from serving.journal import (
    IntentState,
    Journal,
    ShadowRecord,
    database,
    tables,
)
from tests.serving.journal.intentions import intent
from tests.serving.journal.version_1 import write_version_1
from tests.serving.trading import RUN, T0, decision_of, entry


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old.db"
    write_version_1(path)
    return path


def stored(path: Path) -> tuple[str, set[str]]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (version,) = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
        return version, {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def told(journal: Journal) -> tuple[object, ...]:
    record = journal.last_decision()
    assert record is not None
    return record, journal.vectors(record.decision_id), journal.open_positions(), journal.unsettled(), journal.scope


def test_a_journal_of_version_1_is_read_as_it_is_and_extended_by_a_writer(old: Path) -> None:
    before = stored(old)
    assert before[0] == "1"
    reader = Journal.read(old)
    was = told(reader)
    assert was[0] == decision_of(entry())
    assert (reader.models.shadows(), reader.models.retrainings(), reader.states.newest()) == ([], [], None)
    reader.close()
    assert stored(old) == before
    for _ in range(2):
        journal = Journal.open(old)
        assert told(journal) == was
        journal.close()
        assert stored(old) == (
            tables.SCHEMA_VERSION,
            before[1]
            | {"shadows", "retrainings", "fees", "states", "rescalings", "equity_marks", "margin_modes"}
            | {
                "events",
                "requests",
                "deliveries",
                "alert_states",
                "parity_verdicts",
                "book_decisions",
                "book_fundings",
            },
        )
    journal = Journal.open(old)
    shadow = ShadowRecord(decision_of().decision_id, T0, "m", "2", "f" * 64, {"BTC__SOL": 0.1}, None)
    journal.models.record_shadow(shadow)
    assert journal.models.shadows() == [shadow]
    journal.close()


def test_an_extension_that_is_interrupted_leaves_version_1(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, real = stored(old), database.migrate

    def interrupted(connection: Connection) -> None:
        real(connection)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(database, "migrate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            Journal.open(old)
    assert stored(old) == before
    Journal.open(old).close()
    assert stored(old)[0] == tables.SCHEMA_VERSION


def test_an_extended_journal_has_the_tables_of_a_new_one(old: Path, tmp_path: Path) -> None:
    Journal.open(old).close()
    Journal.open(tmp_path / "new.db").close()

    def shape(path: Path) -> dict[str, object]:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            names = stored(path)[1]
            return {name: connection.execute(f"PRAGMA table_info({name})").fetchall() for name in names}

    assert shape(old) == shape(tmp_path / "new.db")


def test_the_scripts_make_what_the_program_declares(tmp_path: Path) -> None:
    Journal.open(tmp_path / "new.db").close()
    engine = create_engine(f"sqlite:///{tmp_path / 'migrated.db'}")
    with engine.begin() as connection:
        database.migrate(connection, "s")
    engine.dispose()

    def list_parts(path: Path) -> list[tuple[str, ...]]:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            tables_of = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1").fetchall()
            parts = connection.execute("SELECT type, name, tbl_name FROM sqlite_master ORDER BY 1, 2").fetchall()
            keys = [
                row
                for (name,) in tables_of
                for row in connection.execute(f"PRAGMA foreign_key_list({name})").fetchall()
            ]
            columns = [
                row for (name,) in tables_of for row in connection.execute(f"PRAGMA table_info({name})").fetchall()
            ]
            return [*parts, *keys, *columns]

    assert list_parts(tmp_path / "migrated.db") == list_parts(tmp_path / "new.db")


def test_an_order_in_isolated_margin_is_read_as_one_and_an_older_journal_has_none(old: Path, tmp_path: Path) -> None:
    with contextlib.closing(Journal.read(old)) as reader:
        assert {order.margin_mode for order in reader.unsettled()} == {MarginMode.CROSS}
    path = tmp_path / "new.db"
    with contextlib.closing(Journal.open(path)) as journal:
        journal.record_run(RUN)
        record = decision_of(entry())
        journal.record_decision(record, [])
        isolated = intent(decision_id=record.decision_id, margin_mode=MarginMode.ISOLATED)
        assert journal.intend(isolated) == journal.intend(isolated) == isolated
        sent = journal.advance(isolated.client_order_id, IntentState.SENT, T0)
        assert sent.margin_mode is MarginMode.ISOLATED
        with contextlib.closing(Journal.read(path)) as reader:
            for known in (journal, reader):
                assert known.unsettled() == known.intents(isolated.position_id) == [sent]
                assert known.intent(isolated.client_order_id) == known.trace(isolated.client_order_id).intent == sent
        with pytest.raises(JournalError, match="another margin_mode"):
            journal.intend(replace(isolated, margin_mode=MarginMode.CROSS))
