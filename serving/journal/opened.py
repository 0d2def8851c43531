"""Opening of a journal where it is: a file of its own, or a schema of PostgreSQL."""

from __future__ import annotations

from pairity.journal_place import JournalDatabase, JournalPlace
from serving.journal.file_store import FileStore
from serving.journal.handover import refuse_beside_file
from serving.journal.store import Store


def open_store(place: JournalPlace, scope: str, *, durable: bool = True) -> Store:
    """Open for writing, making the journal where there is none; JournalError where another process writes it."""
    if isinstance(place, JournalDatabase):
        from serving.journal.postgres_store import PostgresStore

        refuse_beside_file(place)
        return PostgresStore.open(place, scope)
    return FileStore.open(place, scope, durable=durable)


def read_store(place: JournalPlace) -> Store:
    """Open beside a writer; JournalError where there is no journal."""
    if isinstance(place, JournalDatabase):
        from serving.journal.postgres_store import PostgresStore

        return PostgresStore.read(place)
    return FileStore.read(place)


def connect_store(place: JournalPlace) -> Store:
    """Open beside a writer, quickly and for one thread, with a connection that cannot write."""
    if isinstance(place, JournalDatabase):
        return read_store(place)
    return FileStore.connect(place)


def is_there(place: JournalPlace) -> bool:
    """Return whether there is a journal. JournalWriteError where PostgreSQL does not say."""
    if not isinstance(place, JournalDatabase):
        return place.is_file()
    from serving.journal.postgres_server import has_journal, open_server
    from serving.journal.postgres_store import postgres_errors

    database = open_server(place, writes=False)
    try:
        with postgres_errors(place), database.begin() as connection:
            return has_journal(connection)
    finally:
        database.dispose()
