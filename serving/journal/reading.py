"""The journal as readers see it beside the process that writes: a connection of its own that cannot write.

SQLite in WAL mode, as PostgreSQL, lets any number read while one writes, and neither waits for the other. What needs a
whole table is computed by the database, outside of Python's lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Table, select, text

from pairity.journal_place import JournalPlace
from serving.journal import codec, tables
from serving.journal.expressions import Expressions
from serving.journal.journal import Journal
from serving.journal.opened import connect_store
from serving.journal.records import DecisionRecord

Row = Mapping[str, Any]


class ReadingJournal(Journal):
    """A journal that is only read; every method is one transaction. One object is for one thread at a time."""

    @classmethod
    def connect(cls, place: JournalPlace) -> ReadingJournal:
        """Open beside a writer, quickly: unlike `Journal.read` it does not check every page of a file.

        JournalError where there is none, where its version is unknown, or where it cannot be read.
        """
        store = connect_store(place)
        try:
            return cls(store)
        except BaseException:
            store.close()
            raise

    @property
    def expressions(self) -> Expressions:
        """What queries in text need of the database's dialect."""
        return self._store.expressions

    def ask(self, query: str, **values: Any) -> list[Row]:  # noqa: ANN401 - whatever the database binds
        """Return the rows of a SELECT with `:names` bound to `values`."""
        return self._rows(text(query).bindparams(**values))

    def stamp(self) -> int:
        """Return a number that is another one after every change that another connection made."""
        return self._store.stamp()

    def newest_decisions(self, count: int) -> list[DecisionRecord]:
        """Return the newest decisions, newest bar first."""
        bar = tables.decisions.c.event_timestamp
        rows = self._rows(select(tables.decisions).order_by(bar.desc()).limit(count))
        return [codec.decision_from_row(row) for row in rows]

    def has_table(self, table: Table) -> bool:
        """Return whether the journal has a table; one that an older program wrote may lack some."""
        return self._has(table)

    def _check_and_read_scope(self) -> str:
        return self._read_scope()


def bind_list(name: str, values: Iterable[str]) -> tuple[str, dict[str, str]]:
    """Return the placeholders `(:name0, :name1, …)` of an IN clause, and what they are bound to; nothing is in none.

    >>> bind_list("id", ["a", "b"]), bind_list("id", [])
    (('(:id0, :id1)', {'id0': 'a', 'id1': 'b'}), ('(NULL)', {}))
    """
    bound = {f"{name}{number}": value for number, value in enumerate(values)}
    # PostgreSQL knows no empty list, and NULL equals nothing
    return "(" + (", ".join(f":{key}" for key in bound) or "NULL") + ")", bound
