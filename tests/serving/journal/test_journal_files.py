"""Files of a journal: one writer, durable, and refused where it is damaged or not a journal of ours."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from pairity.errors import JournalError
from serving.journal import (
    Journal,
    file_store,
)
from serving.journal.database import lock_for_writing
from serving.opening import Stakes, read_stakes
from tests.serving.journal.intentions import intent
from tests.serving.trading import RUN


def test_only_one_process_writes(tmp_path: Path) -> None:
    first = Journal.open(tmp_path / "j.db")
    with pytest.raises(JournalError, match=f"another process .pid {os.getpid()}."):
        Journal.open(tmp_path / "j.db")
    reader = Journal.read(tmp_path / "j.db")
    reader.close()
    first.close()
    Journal.open(tmp_path / "j.db").close()


def test_a_reader_of_nothing_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no journal"):
        Journal.read(tmp_path / "j.db")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "j.db").write_bytes(b"not a database" * 100)
    (tmp_path / "j.db").chmod(0o600)
    with pytest.raises(JournalError, match=r"(?s)not a database.*restore"):
        Journal.open(tmp_path / "j.db")


def test_a_damaged_journal_is_refused(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "j.db")
    for number in range(60):
        journal.intend(intent(client_order_id=f"pairitye{number}", position_id=f"p{number}"))
    journal.close()
    content = bytearray((tmp_path / "j.db").read_bytes())
    content[4096 : len(content)] = b"\xff" * (len(content) - 4096)
    (tmp_path / "j.db").write_bytes(content)
    with pytest.raises(JournalError, match="journal"):
        Journal.open(tmp_path / "j.db")


@pytest.mark.parametrize("statement", ["UPDATE meta SET value = '0' WHERE key = 'schema_version'", "DELETE FROM meta"])
def test_another_schema_version_is_refused(statement: str, tmp_path: Path) -> None:
    Journal.open(tmp_path / "j.db").close()
    connection = sqlite3.connect(tmp_path / "j.db")
    connection.execute(statement)
    connection.commit()
    connection.close()
    with pytest.raises(JournalError, match="schema version"):
        Journal.open(tmp_path / "j.db")


@pytest.mark.parametrize("opened", [Journal.open, Journal.read])
def test_a_refused_journal_is_closed_again(opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Journal.open(tmp_path / "j.db").close()
    with contextlib.closing(sqlite3.connect(tmp_path / "j.db")) as connection, connection:
        connection.execute("DELETE FROM meta")
    databases = []
    real = file_store.open_database

    def opening(path, **options):
        databases.append(real(path, **options))
        return databases[-1]

    monkeypatch.setattr(file_store, "open_database", opening)
    with pytest.raises(JournalError, match="schema version"):
        opened(tmp_path / "j.db")
    assert [database.pool.checkedin() for database in databases] == [0]
    lock_for_writing(tmp_path / "j.db").close()


def test_another_program_s_database_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "j.db")
    connection.execute("CREATE TABLE notes (text TEXT)")
    connection.commit()
    connection.close()
    (tmp_path / "j.db").chmod(0o600)
    with pytest.raises(JournalError, match="no such table"):
        Journal.open(tmp_path / "j.db")


def test_the_file_is_durable(tmp_path: Path) -> None:
    with contextlib.closing(Journal.open(tmp_path / "j.db")) as journal, journal._database.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


@pytest.mark.parametrize("statement", ["CREATE TABLE intents", "INSERT INTO meta", "COMMIT"])
def test_a_process_killed_while_it_makes_a_journal_is_no_hindrance(statement: str, tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:

        @event.listens_for(Engine, "before_cursor_execute")
        def execute(_connection: object, _cursor: object, text: str, *_others: object) -> None:
            if text.strip().startswith(statement):
                os.kill(os.getpid(), signal.SIGKILL)

        @event.listens_for(Engine, "commit")
        def commit(_connection: object) -> None:
            if statement == "COMMIT":
                os.kill(os.getpid(), signal.SIGKILL)

        Journal.open(tmp_path / "journal.db")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert read_stakes(tmp_path / "journal.db") == Stakes(began=False, open=False)
    made = Journal.open(tmp_path / "journal.db", scope="second")
    made.record_run(RUN)
    assert made.scope == "second"
    made.close()
