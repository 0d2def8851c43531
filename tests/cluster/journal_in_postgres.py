"""Plugin of pytest: journals that tests keep in files are kept in PostgreSQL instead, each in a schema of its own.

`python -m pytest -p tests.cluster.journal_in_postgres tests/serving/journal` runs tests of the journal once more. An
empty file stands where the journal's would be, so that what looks for a file finds one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from pairity.configuration import load_settings
from pairity.durable import make_folder
from pairity.errors import JournalWriteError
from pairity.journal_place import JournalDatabase
from serving.journal import Journal
from serving.journal.database import require_private_database
from serving.journal.file_store import FileStore, require_journal
from serving.journal.postgres_store import PostgresStore
from tests.cluster.conftest import read_variables
from tests.cluster.refusing_postgres import allow_rows, refuse_rows
from tests.serving import full_disk

_PREFIX = "journal_t"


def place_for(path: Path) -> JournalDatabase:
    """Return the place in PostgreSQL that stands for a file."""
    given = {name.removeprefix("PAIRITY_CLUSTER__").lower(): value for name, value in read_variables().items()}
    names = ("postgres", "postgres_user", "postgres_password", "scheduler", "redis")
    settings = load_settings(profile="cluster", cluster={name: given[name] for name in names})
    schema = _PREFIX + hashlib.sha1(str(path).encode(), usedforsecurity=False).hexdigest()[:16]
    return JournalDatabase(settings.cluster.make_postgres_address(schema), schema, path)


def _open(path: Path, scope: str, *, durable: bool) -> PostgresStore:
    del durable
    make_folder(path.parent)
    store = PostgresStore.open(place_for(path), scope)
    if not path.exists():
        path.touch(mode=0o600)
    require_private_database(path)
    store.place = path
    return store


def _read(path: Path) -> PostgresStore:
    require_journal(path)
    store = PostgresStore.read(place_for(path))
    store.place = path
    return store


def _fill_up(journal: Journal) -> None:
    """A trigger stands in, with the code of PostgreSQL's for a full disk; test_journal_refused has real ones."""
    refuse_rows(place_for(journal.path), "53100", "could not extend file: the disk is full")
    with pytest.raises(JournalWriteError, match="full"):
        journal.states.record(full_disk.FILLER)


def _make_room(journal: Journal) -> None:
    allow_rows(place_for(journal.path))


def keep_in_postgres(replace: Callable[[object, str, object], None]) -> None:
    """Keep journals in PostgreSQL from here on; `replace` sets an attribute."""
    for name, instead in (("open", _open), ("read", _read), ("connect", _read)):
        replace(FileStore, name, staticmethod(instead))


def pytest_configure() -> None:
    keep_in_postgres(setattr)
    full_disk.fill_up, full_disk.make_room = _fill_up, _make_room  # before any test imports them


def pytest_unconfigure() -> None:
    place = place_for(Path("/"))
    engine = create_engine(place.address, poolclass=NullPool)
    listed = text(f"SELECT nspname FROM pg_namespace WHERE nspname LIKE '{_PREFIX}%'")
    with engine.connect() as connection:
        for schema in list(connection.execute(listed).scalars()):
            connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
            connection.commit()
