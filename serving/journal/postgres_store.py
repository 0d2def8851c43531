"""A journal in PostgreSQL: one process that writes, one transaction at a time; any number that read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from sqlalchemy import Connection, Engine, select, text
from sqlalchemy.exc import DBAPIError

from pairity.errors import JournalError, PrivacyError
from pairity.journal_place import JournalDatabase
from serving.journal import tables
from serving.journal.expressions import PostgresExpressions
from serving.journal.migration import migrate
from serving.journal.postgres_server import explain_postgres, has_journal, is_public, open_server
from serving.journal.store import Store
from serving.journal.writer_lock import WriterLock


class PostgresStore(Store):
    """A journal's schema. `lock` is the writer's; None means that it is only read."""

    expressions = PostgresExpressions()

    def __init__(self, place: JournalDatabase, database: Engine, lock: WriterLock | None) -> None:
        super().__init__(place, database, writes=lock is not None)
        self._place, self._lock = place, lock

    @classmethod
    def open(cls, place: JournalDatabase, scope: str) -> PostgresStore:
        """Open for writing, alone, making the journal where there is none."""
        lock = WriterLock(place)
        with ExitStack() as undo:  # a refused journal is closed again, and the next writer let in
            undo.callback(lock.release)
            lock.take()
            database = open_server(place, writes=True)
            undo.callback(database.dispose)
            with postgres_errors(place), database.begin() as connection:
                lock.take_turn(connection)
                make_or_upgrade(connection, place, scope)
                lock.register(connection)
            undo.pop_all()
        return cls(place, database, lock)

    @classmethod
    def read(cls, place: JournalDatabase) -> PostgresStore:
        """Open beside a writer, with a connection that cannot write. JournalError where there is no journal."""
        with ExitStack() as undo:
            database = open_server(place, writes=False)
            undo.callback(database.dispose)
            with postgres_errors(place), database.begin() as connection:
                if not has_journal(connection):
                    raise JournalError(f"there is no journal in {place}", "nothing was traded yet: run pairity serve")
                require_private_schema(connection, place)
            undo.pop_all()
        return cls(place, database, None)

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Begin a transaction that may write: the only one, and only while this process is the writer."""
        with postgres_errors(self._place), self.database.begin() as connection:
            if self._lock is not None:
                self._lock.require(connection)
            yield connection

    def begin_reading(self) -> AbstractContextManager[Connection]:
        """Begin a transaction that only reads; a reader sees one state of the journal in it."""
        return self._begin_reading()

    @contextmanager
    def _begin_reading(self) -> Iterator[Connection]:
        with postgres_errors(self._place), self.database.begin() as connection:
            yield connection

    def explain(self, error: DBAPIError) -> JournalError:
        """Return the error for a database that cannot be used."""
        return explain_postgres(self._place, error)

    def check_whole(self) -> None:
        """Do nothing: PostgreSQL looks at its pages itself, where it was set up with checksums."""

    def stamp(self) -> int:
        """Return a number of the transactions that are visible now: of any of the database."""
        query = text("SELECT hashtextextended(CAST(pg_current_snapshot() AS text), 0)")
        with self._begin_reading() as connection:
            return int(connection.execute(query).scalar_one())

    def find_writer(self) -> str | None:
        """Return who writes the journal now, None where nobody does."""
        with self._begin_reading() as connection:
            return WriterLock(self._place).find_owner(connection)

    def close(self) -> None:
        """Close the connections and let the next writer in."""
        super().close()
        if self._lock is not None:
            self._lock.release()


@contextmanager
def postgres_errors(place: JournalDatabase) -> Iterator[None]:
    """Say in the journal's words what PostgreSQL said."""
    try:
        yield
    except DBAPIError as error:
        if isinstance(error.orig, sqlite3.Error):  # of a file: two journals are open in one block
            raise
        raise explain_postgres(place, error) from error


def make_or_upgrade(connection: Connection, place: JournalDatabase, scope: str) -> str | None:
    """Give the schema what it lacks, within a transaction that has its turn; return the version that it had.

    None where there was no journal. One of an unknown version stays as it is.
    """
    connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{place.schema}"'))
    require_private_schema(connection, place)
    if not has_journal(connection):
        migrate(connection, scope)
        return None
    version = connection.execute(select(tables.meta.c.value).where(tables.meta.c.key == "schema_version")).scalar()
    if version in tables.EXTENDED:
        migrate(connection, since=version)
    return version


def require_private_schema(connection: Connection, place: JournalDatabase) -> None:
    """Raise PrivacyError where every user of the server may look into the schema."""
    if is_public(connection, place):
        raise PrivacyError(
            f"every user of the server may look into {place}",
            f"run in psql: REVOKE ALL ON SCHEMA {place.schema} FROM PUBLIC",
        )
