"""The archive beside a journal: feature vectors that are too old for it. Nothing that was put in here is changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from pairity.durable import replace_file
from pairity.errors import JournalError, JournalWriteError
from pairity.journal_place import JournalDatabase, JournalPlace
from pairity.private_files import require_private

_BUSY_S = 2.0
COLUMNS = ("decision_id", "service", "entity", "event_timestamp", "values_json")
_CREATE = (
    "CREATE TABLE IF NOT EXISTS feature_vectors (decision_id TEXT NOT NULL, service TEXT NOT NULL, "
    "entity TEXT NOT NULL, event_timestamp TEXT, values_json TEXT NOT NULL, "
    "PRIMARY KEY (decision_id, service, entity))"
)
_NAMES = ", ".join(COLUMNS)


def archive_of(place: JournalPlace) -> Path:
    """Return where the archive of a journal lies: beside its file, or where that would be."""
    journal = place.file if isinstance(place, JournalDatabase) else place
    return journal.with_name(f"{journal.stem}-archive.db")


class VectorArchive:
    """Archive of feature vectors in a SQLite file of its own; it is made, private, with the first row."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add rows; on return they are on the disk. Those that are there already stay as they are.

        JournalError for one that is there and differs, and where the file cannot be used.
        """
        wanted = [tuple(row[name] for name in COLUMNS) for row in rows]
        if not self.path.exists():
            replace_file(self.path, b"")
        with self._open() as connection, connection:
            connection.execute(_CREATE)
            marks = ", ".join("?" * len(COLUMNS))
            connection.executemany(f"INSERT OR IGNORE INTO feature_vectors ({_NAMES}) VALUES ({marks})", wanted)
            for row in wanted:
                found = _find(connection, row)
                if found != row:
                    raise JournalError(
                        f"{self.path} has other features of {row[1]} {row[2]} for decision {row[0]}",
                        "move the archive away: it is of another journal",
                    )

    def rows(self, decision_id: str) -> list[dict[str, Any]]:
        """Return the rows of a decision, ordered by service and entity; none where there is no archive."""
        if not self.path.exists():
            return []
        query = f"SELECT {_NAMES} FROM feature_vectors WHERE decision_id = ? ORDER BY service, entity"
        with self._open() as connection:
            return [dict(zip(COLUMNS, row, strict=True)) for row in connection.execute(query, (decision_id,))]

    def merge(self, other: Path) -> None:
        """Take in what another archive has. JournalError where the two differ on a row."""
        with closing(sqlite3.connect(f"{other.absolute().as_uri()}?mode=ro", uri=True)) as source:
            cursor = source.execute(f"SELECT {_NAMES} FROM feature_vectors")
            while rows := cursor.fetchmany(1000):
                self.add(dict(zip(COLUMNS, row, strict=True)) for row in rows)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        require_private([self.path])
        try:
            with closing(sqlite3.connect(self.path, timeout=_BUSY_S)) as connection:
                # Readers, a backup among them, must not hold up the trading process.
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA synchronous=FULL")
                yield connection
        except sqlite3.OperationalError as error:
            raise JournalWriteError(f"{self.path} cannot be used now: {error}", "free space on the disk") from error
        except sqlite3.DatabaseError as error:
            raise JournalError(f"{self.path} is damaged: {error}", "restore it from a backup") from error


def _find(connection: sqlite3.Connection, row: tuple[Any, ...]) -> tuple[Any, ...] | None:
    query = f"SELECT {_NAMES} FROM feature_vectors WHERE decision_id = ? AND service = ? AND entity = ?"
    found: tuple[Any, ...] | None = connection.execute(query, row[:3]).fetchone()
    return found
