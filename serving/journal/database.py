"""The journal's file: opening it safely, creating its tables, keeping a second writer out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection, Engine, create_engine, event, insert, select
from sqlalchemy.exc import DatabaseError, DBAPIError

from pairity.durable import AlreadyLockedError, lock_exclusively, replace_file_with
from pairity.errors import JournalError, JournalWriteError
from pairity.private_files import require_private
from serving.journal import tables
from serving.journal.migration import migrate

_BESIDE = ("-wal", "-shm", "-journal")
"""Endings of the files that SQLite keeps beside a database: its content too."""
_PASSING = ("disk is full", "disk I/O error", "readonly database", "database is locked", "unable to open")
"""What SQLite says of a file that may be whole: a person or time mends it, and nothing in it is lost."""
RESTORE = "restore it from a copy; before trading without it, close every position on the venue by hand"


def make_private_database(path: Path, scope: str) -> None:
    """Make the file of a new journal, mode 0600, which SQLite's own files beside it take over; one that exists stays.

    It is there whole or not at all: a process that dies here must not leave one that no later process can use.

    Raises PrivacyError as `require_private_database` does for one that exists, and JournalError where SQLite cannot
    write.
    """
    if not os.path.lexists(path):
        try:
            replace_file_with(path, lambda unfinished: _write_new_journal(unfinished, scope))
        except DatabaseError as error:
            raise unusable_journal(path, error) from error
    require_private_database(path)


def require_private_database(path: Path) -> None:
    """Raise PrivacyError where others can read the journal or what SQLite keeps beside it, or where one is a link."""
    require_private([path, *(path.with_name(f"{path.name}{ending}") for ending in _BESIDE)])


def open_database(path: Path, *, durable: bool = True) -> Engine:
    """Open SQLite with the pragmas under which a transaction that returned survives a kill and a power cut.

    Not `durable`: it survives a kill alone.
    """
    database = create_engine(f"sqlite:///{path}")

    @event.listens_for(database, "connect")
    def configure(connection: Any, _record: object) -> None:  # noqa: ANN401 - a DB-API connection
        # In WAL mode only FULL syncs the log at every commit; NORMAL could lose the last intents in a power cut.
        synchronous = "synchronous=FULL" if durable else "synchronous=OFF"
        for pragma in ("journal_mode=WAL", synchronous, "foreign_keys=ON", "busy_timeout=10000"):
            connection.execute(f"PRAGMA {pragma}")

    return database


def create_tables(database: Engine, path: Path, scope: str) -> None:
    """Write tables and `scope` into an empty file; give an older journal what it lacks: all or none of the tables.

    Raises JournalError where SQLite cannot use the file.
    """
    try:
        with database.begin() as connection:
            if connection.exec_driver_sql("SELECT 1 FROM sqlite_master LIMIT 1").first() is not None:
                _extend(connection)
                return
            _write_tables(connection, scope)
    except DatabaseError as error:
        raise unusable_journal(path, error) from error


def _write_new_journal(path: Path, scope: str) -> None:
    """Write a journal without entries into one file: SQLite keeps nothing beside it meanwhile."""
    database = create_engine(f"sqlite:///{path}")
    try:
        with database.begin() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=MEMORY")
            _write_tables(connection, scope)
    finally:
        database.dispose()


def _write_tables(connection: Connection, scope: str) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")  # as in `_extend`
    tables.metadata.create_all(connection)
    rows = [{"key": "schema_version", "value": tables.SCHEMA_VERSION}, {"key": "scope", "value": scope}]
    connection.execute(insert(tables.meta), rows)


def _extend(connection: Connection) -> None:
    """Give an older journal the tables and indices that it lacks; one of an unknown version stays as it is."""
    key = tables.meta.c.key == "schema_version"
    version = connection.execute(select(tables.meta.c.value).where(key)).scalar()
    if version in tables.EXTENDED:
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # the driver begins by itself before rows only, not before tables
        # From the first on: two programs wrote different tables under the versions 4 and 7
        migrate(connection)
    elif version != tables.SCHEMA_VERSION:
        return
    for index in (*tables.intents.indexes, *tables.order_events.indexes):  # it changes nothing of what a journal says
        index.create(connection, checkfirst=True)


def unusable_journal(path: Path, error: DBAPIError) -> JournalError:
    """Return the error for a file that SQLite cannot use: now (JournalWriteError), or at all."""
    if any(words in str(error.orig) for words in _PASSING):
        return JournalWriteError(
            f"the journal {path} cannot be used now: {error.orig}", "free space on the disk, or end what locks the file"
        )
    return JournalError(f"the journal {path} cannot be used: {error.orig}", RESTORE)


def lock_for_writing(path: Path) -> IO[str]:
    """Take an exclusive lock that ends with the process, however it ends; JournalError names the process that has it.

    The lock has a file of its own: SQLite's locks end with every transaction.
    """
    try:
        return lock_exclusively(path.with_suffix(".lock"))
    except AlreadyLockedError as error:
        raise JournalError(
            f"another process (pid {error.owner}) writes the journal {path}", "only one may trade: stop that one first"
        ) from None
