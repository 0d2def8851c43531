"""An open journal, and what its pages share: transactions, queries, and errors in the journal's words."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, insert, inspect, select

from pairity.errors import JournalError
from serving.journal import tables
from serving.journal.handover import require_unmoved
from serving.journal.store import Store

T = TypeVar("T")


class Pages:
    """Base of the journal's pages. Every method is one transaction; JournalError where it cannot be trusted.

    The writer is alone: what it has read is true until it writes (`_recall`).
    """

    def __init__(self, store: Store) -> None:
        self.path = store.place
        self._store = store
        self._database = store.database
        self._seen_tables: set[str] = set()
        """Tables that a reader has found: they stay."""
        self.spent_s = 0.0
        """Seconds of the wall clock inside transactions so far."""
        self._changes = 0
        self._recalled: dict[Hashable, tuple[int, Any]] = {}
        """Answers by question, each with the number of changes after which it was read."""
        self.schema_version = ""
        self.scope = self._check_and_read_scope()

    def close(self) -> None:
        """Close the database and let the next writer in."""
        self._store.close()

    @contextmanager
    def _begin(self) -> Iterator[Connection]:
        """Begin a transaction that may write: nothing that was read before it, or beside it, is recalled after it."""
        self._changes += 1
        try:
            with self._timed(), self._store.begin() as connection:
                yield connection
        finally:
            self._changes += 1
            self._recalled.clear()

    @contextmanager
    def _begin_reading(self) -> Iterator[Connection]:
        with self._timed(), self._store.begin_reading() as connection:
            yield connection

    @contextmanager
    def _timed(self) -> Iterator[None]:
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.spent_s += time.perf_counter() - begun

    def _insert(self, table: Table, row: dict[str, Any]) -> None:
        with self._begin() as connection:
            connection.execute(insert(table), row)

    def _recall(self, question: Hashable, read: Callable[[], T]) -> T:
        """Return what `read` returns; the writer is told the same again, without reading, until it writes.

        `question` says what is read, with all that the answer depends on. An answer is not to be changed.
        """
        if not self._store.writes:
            return read()
        changes = self._changes
        known = self._recalled.get(question)
        if known is not None and known[0] == changes:
            answer: T = known[1]
            return answer
        answer = read()
        self._recalled[question] = (changes, answer)
        return answer

    def _rows(self, query: Any) -> list[Any]:  # noqa: ANN401 - any SELECT
        with self._begin_reading() as connection:
            return list(connection.execute(query).mappings())

    def _one(self, query: Any) -> Any:  # noqa: ANN401 - any SELECT; a row or None
        rows = self._rows(query)
        return rows[0] if rows else None

    def _has(self, table: Table) -> bool:
        """Return whether the journal has a table: read beside a writer of an older version, it may lack one."""
        if self._store.writes or table.name in self._seen_tables:
            return True
        with self._begin_reading() as connection:
            there = inspect(connection).has_table(table.name)
        if there:
            self._seen_tables.add(table.name)
        return there

    def _check_and_read_scope(self) -> str:
        """Return the scope of a journal that is whole and of a known version."""
        self._store.check_whole()
        return self._read_scope()

    def _read_scope(self) -> str:
        with self._begin_reading() as connection:
            meta = {row.key: row.value for row in connection.execute(select(tables.meta))}
        # A writer has added the tables that an older journal lacks; a reader must not.
        readable = frozenset[str]() if self._store.writes else tables.EXTENDED
        if meta.get("schema_version") not in {tables.SCHEMA_VERSION, *readable}:
            raise JournalError(
                f"the journal {self.path} has schema version {meta.get('schema_version')!r}; this program writes "
                f"{tables.SCHEMA_VERSION!r}",
                "use the program that wrote it, or close its positions and move the journal away",
            )
        if self._store.writes:
            require_unmoved(meta, self.path)
        self.schema_version = str(meta["schema_version"])
        return str(meta["scope"])
