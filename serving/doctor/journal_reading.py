"""Reading of the journal without leaving a trace: no file is made beside it, nothing of its log is folded in."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from pairity.journal_place import JournalDatabase, JournalPlace
from serving.journal import Journal
from serving.journal.database import require_private_database
from serving.journal.file_store import FileStore

_PROC_LOCKS = Path("/proc/locks")


@contextmanager
def reading_journal(place: JournalPlace) -> Iterator[Journal]:
    """Open the journal for the block, to read only. Raises JournalError and PrivacyError as `Journal.read` does."""
    journal = Journal.read(place) if isinstance(place, JournalDatabase) else _read_file(place)
    try:
        yield journal
    finally:
        journal.close()


def _read_file(path: Path) -> Journal:
    require_private_database(path)
    database = create_engine("sqlite://", creator=lambda: connect_reading(path), poolclass=NullPool)
    return Journal(FileStore(path, database, None))


def connect_reading(path: Path, timeout_s: float = 5.0) -> sqlite3.Connection:
    """Connect to an SQLite database that is only read.

    Where it has no log beside it nobody has it open, and SQLite is told that nobody changes it: it would make a log
    otherwise, and leave it there.
    """
    unchanged = "" if path.with_name(f"{path.name}-wal").exists() else "&immutable=1"
    return sqlite3.connect(f"{path.as_uri()}?mode=ro{unchanged}", uri=True, timeout=timeout_s)


def find_writer(place: JournalPlace) -> str | None:
    """Return the process that writes a journal, by its id; None where nobody does.

    Of a journal in PostgreSQL the name has the machine too. JournalError where PostgreSQL does not say.
    """
    if isinstance(place, JournalDatabase):
        return _find_writer_in_database(place)
    return find_lock_owner(place.with_suffix(".lock"))


def _find_writer_in_database(place: JournalDatabase) -> str | None:
    from serving.journal.postgres_store import PostgresStore

    store = PostgresStore.read(place)
    try:
        return store.find_writer()
    finally:
        store.close()


def find_lock_owner(lock: Path) -> str | None:
    """Return the process that holds a lock file, by its id; None where nobody does.

    The lock is not tried: a process that starts at this moment would find it taken. Linux lists who holds which; on
    other systems a process counts that stands in the file and is alive.
    """
    try:
        found, owner = os.stat(lock), lock.read_text().strip()
    except OSError:
        return None
    if not _PROC_LOCKS.exists():
        return owner if _is_alive(owner) else None
    rows = [line.split() for line in _PROC_LOCKS.read_text().splitlines()]
    held = any(row[1] == "FLOCK" and int(row[5].split(":")[2]) == found.st_ino for row in rows if len(row) > 5)
    return (owner or "unknown") if held else None


def _is_alive(owner: str) -> bool:
    try:
        os.kill(int(owner), 0)
    except PermissionError:
        return True
    except (ValueError, OverflowError, ProcessLookupError):
        return False
    return True
