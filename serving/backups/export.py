"""A journal in PostgreSQL as a file, for a backup: one state of it, also while it is written."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pairity.durable import make_folder, temporary_path
from pairity.errors import JournalError
from pairity.journal_place import JournalDatabase
from serving.journal.copying import copy_journal
from serving.journal.file_store import FileStore
from serving.journal.journal import Journal
from serving.journal.postgres_store import PostgresStore
from serving.journal.tables import SCHEMA_VERSION


@contextmanager
def exported(place: JournalDatabase) -> Iterator[Path]:
    """Copy the journal into a private file for the block, every row compared. Raises JournalError, OSError."""
    folder = temporary_path(place.file.with_name("export"))
    make_folder(folder, durable=False)
    try:
        path = folder / "journal.db"
        source = PostgresStore.read(place)
        try:
            _copy(source, path)
        finally:
            source.close()
        yield path
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copy(source: PostgresStore, path: Path) -> None:
    journal = Journal(source)
    version = journal.schema_version
    if version != SCHEMA_VERSION:
        raise JournalError(
            f"the journal in {journal.path} has schema version {version!r}; a copy has {SCHEMA_VERSION!r}",
            "run: pairity journal upgrade",
        )
    target = FileStore.open(path, journal.scope, durable=False)
    try:
        with source.begin_reading() as reading, target.begin() as writing:
            copy_journal(reading, writing)
    finally:
        target.close()
