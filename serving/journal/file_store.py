"""A journal in a file: SQLite in WAL mode, one process that writes, any number that read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, DBAPIError

from pairity.durable import make_folder
from pairity.errors import JournalError
from serving.journal.database import (
    RESTORE,
    create_tables,
    lock_for_writing,
    make_private_database,
    open_database,
    require_private_database,
    unusable_journal,
)
from serving.journal.expressions import SqliteExpressions
from serving.journal.store import Store


class FileStore(Store):
    """A journal's file. `lock` is the writer's; None means that it is only read."""

    expressions = SqliteExpressions()

    def __init__(self, path: Path, database: Engine, lock: IO[str] | None) -> None:
        super().__init__(path, database, writes=lock is not None)
        self._path, self._lock = path, lock

    @classmethod
    def open(cls, path: Path, scope: str, *, durable: bool) -> FileStore:
        """Open for writing, alone, making the journal where there is none."""
        make_folder(path.parent)
        # The lock comes first: two processes must not create, or extend, the same tables.
        lock = lock_for_writing(path)
        with ExitStack() as undo:  # a refused journal is closed again, and the next writer let in
            undo.callback(lock.close)
            make_private_database(path, scope)
            database = open_database(path, durable=durable)
            undo.callback(database.dispose)
            create_tables(database, path, scope)
            undo.pop_all()
        return cls(path, database, lock)

    @classmethod
    def read(cls, path: Path) -> FileStore:
        """Open beside a writer. JournalError where there is no file."""
        require_journal(path)
        return cls(path, open_database(path), None)

    @classmethod
    def connect(cls, path: Path) -> FileStore:
        """Open beside a writer with a connection that cannot write, for one thread."""
        require_journal(path)
        return cls(path, _open_for_reading(path), None)

    def begin(self) -> AbstractContextManager[Connection]:
        """Begin a transaction; SQLite lets one write at a time."""
        return self._begin()

    def begin_reading(self) -> AbstractContextManager[Connection]:
        """Begin a transaction that only reads."""
        return self._begin()

    @contextmanager
    def _begin(self) -> Iterator[Connection]:
        try:
            with self.database.begin() as connection:
                yield connection
        except DatabaseError as error:
            if not isinstance(error.orig, sqlite3.Error):  # of PostgreSQL: two journals are open in one block
                raise
            raise self.explain(error) from error

    def explain(self, error: DBAPIError) -> JournalError:
        """Return the error for a file that SQLite cannot use."""
        return unusable_journal(self._path, error)

    def check_whole(self) -> None:
        """Raise JournalError where SQLite's quick look at every page finds damage."""
        with self._begin() as connection:
            verdict = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
        if verdict != "ok":
            raise JournalError(f"the journal {self._path} is damaged: {verdict}", RESTORE)

    def stamp(self) -> int:
        """Return SQLite's count of changes by other connections."""
        with self._begin() as connection:
            return int(connection.exec_driver_sql("PRAGMA data_version").scalar_one())

    def close(self) -> None:
        """Close the file and let the next writer in."""
        super().close()
        if self._lock is not None:
            self._lock.close()


def require_journal(path: Path) -> None:
    """Raise JournalError where there is no file, PrivacyError where others can read it."""
    if not path.is_file():
        raise JournalError(f"there is no journal at {path}", "nothing was traded yet: run pairity serve")
    require_private_database(path)


def _open_for_reading(path: Path) -> Engine:
    database = create_engine(f"sqlite:///{path}", pool_size=1, max_overflow=0)

    @event.listens_for(database, "connect")
    def configure(connection: Any, _record: object) -> None:  # noqa: ANN401 - a DB-API connection
        # A writer that holds the file for longer than this has its own alarms: a reader is told to come back.
        for pragma in ("busy_timeout=1000", "query_only=ON"):
            connection.execute(f"PRAGMA {pragma}")

    return database
