"""Copies of a SQLite file: consistent while somebody writes it, one file each, and inspected."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pairity.errors import JournalError, JournalWriteError

_GROWING = (
    "runs",
    "decisions",
    "intents",
    "order_events",
    "positions",
    "fills",
    "states",
    "equity_marks",
    "fees",
    "events",
)
"""Tables that only grow: a copy has at least what the file had when it began."""
_TIMES = (
    ("runs", "started_at"),
    ("decisions", "decision_time"),
    ("order_events", "at"),
    ("states", "at"),
    ("fills", "at"),
    ("equity_marks", "at"),
    ("events", "at"),
)


@dataclass(frozen=True, slots=True)
class Content:
    """What a journal's file holds: its version and scope, rows by table, and the newest instant (ISO, UTC) in it."""

    schema_version: str
    scope: str
    rows: dict[str, int]
    newest: str

    def lacks(self, other: Content) -> bool:
        """Return whether `other` says something that this one cannot: another journal, or a later state of it."""
        if self.scope != other.scope or other.newest > self.newest:
            return True
        return any(count > self.rows.get(table, 0) for table, count in other.rows.items() if table in _GROWING)


def copy_database(source: Path, target: Path) -> None:
    """Copy the file, with what waits in its log, into `target`: one consistent state, also while it is written.

    Writers are not held up: in WAL mode a reader blocks nobody. Raises JournalError where it cannot be read, and
    JournalWriteError where the copy cannot be written.
    """
    with reading(source) as old, _writing(target) as new:
        old.backup(new)
        # One file, which needs nothing beside it and can be read from a medium that cannot be written.
        new.execute("PRAGMA journal_mode=DELETE")


def check_database(path: Path) -> None:
    """Raise JournalError where SQLite finds anything wrong with a file."""
    with reading(path) as connection:
        verdict = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if verdict != "ok":
        raise JournalError(f"{path} is damaged: {verdict}", "use another copy")


def inspect_journal(path: Path) -> Content:
    """Return what a journal's file holds. JournalError where it is none, or damaged."""
    with reading(path) as connection:
        meta = dict(connection.execute("SELECT key, value FROM meta"))
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        tables = [name for name in names if not name.startswith("sqlite_")]
        rows = {name: connection.execute(f'SELECT COUNT(*) FROM "{name}"').fetchone()[0] for name in sorted(tables)}
        times = [
            connection.execute(f"SELECT MAX({column}) FROM {table}").fetchone()[0]
            for table, column in _TIMES
            if table in rows
        ]
    return Content(
        schema_version=str(meta.get("schema_version", "")),
        scope=str(meta.get("scope", "")),
        rows=rows,
        newest=max((at for at in times if at), default=""),
    )


def fold_in(path: Path) -> None:
    """Write what waits in the log of a file into the file itself. JournalError where that cannot be done."""
    with _writing(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a file for reading; errors of SQLite become JournalErrors."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as connection:
            connection.execute("BEGIN")  # everything that is read is of one state
            yield connection
    except sqlite3.Error as error:
        raise JournalError(f"{path} cannot be read: {error}", "use another copy") from error


@contextmanager
def _writing(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(path)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise JournalWriteError(f"{path} cannot be written: {error}", "make room on the disk") from error
