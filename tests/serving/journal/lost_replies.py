"""Transactions that are committed while their writer is told that they failed: the reply to a COMMIT was lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, event

from pairity.errors import JournalWriteError
from serving.journal import Journal


@contextmanager
def replies_lost(journal: Journal) -> Iterator[None]:
    """Within the block every transaction of `journal` that writes happens, and its writer hears of an error."""
    store = journal._store
    real, written = store.begin, []

    def note(_connection, _cursor, statement, *_others):
        if statement.startswith(("INSERT", "UPDATE", "DELETE")):
            written.append(statement)

    @contextmanager
    def begin() -> Iterator[Connection]:
        written.clear()
        with real() as connection:
            yield connection
        if written:
            raise JournalWriteError("the connection was lost while it was written", "wait")

    event.listen(store.database, "before_cursor_execute", note)
    store.begin = begin
    try:
        yield
    finally:
        store.begin = real
        event.remove(store.database, "before_cursor_execute", note)
