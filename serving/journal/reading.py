"""The journal as readers see it beside the process that writes: a connection of its own that cannot write.

SQLite in WAL mode lets any number read while one writes, and neither waits for the other. What needs a whole table is
computed by SQLite, outside of Python's lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, select, text
from sqlalchemy.exc import DatabaseError

from pairity.errors import JournalError
from serving.journal import codec, tables
from serving.journal.database import RESTORE, require_private_database, unusable_journal
from serving.journal.journal import Journal
from serving.journal.records import DecisionRecord

Row = Mapping[str, Any]


class ReadingJournal(Journal):
    """A journal that is only read; every method is one transaction. One object is for one thread at a time."""

    @classmethod
    def connect(cls, path: Path) -> ReadingJournal:
        """Open beside a writer, quickly: unlike `Journal.read` it does not check every page of the file.

        JournalError where there is none, where its version is unknown, or where it cannot be read.
        """
        if not path.is_file():
            raise JournalError(f"there is no journal at {path}", "nothing was traded yet: run pairity serve")
        require_private_database(path)
        database = _open_for_reading(path)
        try:
            return cls(path, database, None)
        except BaseException:
            database.dispose()
            raise

    def ask(self, query: str, **values: Any) -> list[Row]:  # noqa: ANN401 - whatever SQLite binds
        """Return the rows of a SELECT with `:names` bound to `values`."""
        return self._rows(text(query).bindparams(**values))

    def stamp(self) -> int:
        """Return a number that is another one after every change that another connection made."""
        return int(self.ask("PRAGMA data_version")[0]["data_version"])

    def newest_decisions(self, count: int) -> list[DecisionRecord]:
        """Return the newest decisions, newest bar first."""
        bar = tables.decisions.c.event_timestamp
        rows = self._rows(select(tables.decisions).order_by(bar.desc()).limit(count))
        return [codec.decision_from_row(row) for row in rows]

    def has_table(self, name: str) -> bool:
        """Return whether the file has a table; one that an older program wrote may lack some."""
        return bool(self.ask("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = :name", name=name))

    def _check_and_read_scope(self) -> str:
        try:
            with self._database.connect() as connection:
                meta = {row.key: row.value for row in connection.execute(select(tables.meta))}
        except DatabaseError as error:
            raise unusable_journal(self.path, error) from error
        if meta.get("schema_version") not in {tables.SCHEMA_VERSION, *tables.EXTENDED}:
            raise JournalError(
                f"the journal {self.path} has schema version {meta.get('schema_version')!r}; this program reads "
                f"{tables.SCHEMA_VERSION!r}",
                RESTORE,
            )
        return str(meta["scope"])


def bind_list(name: str, values: Iterable[str]) -> tuple[str, dict[str, str]]:
    """Return the placeholders `(:name0, :name1, …)` of an IN clause, and what they are bound to.

    >>> bind_list("id", ["a", "b"])
    ('(:id0, :id1)', {'id0': 'a', 'id1': 'b'})
    """
    bound = {f"{name}{number}": value for number, value in enumerate(values)}
    return "(" + ", ".join(f":{key}" for key in bound) + ")", bound


def _open_for_reading(path: Path) -> Engine:
    database = create_engine(f"sqlite:///{path}", pool_size=1, max_overflow=0)

    @event.listens_for(database, "connect")
    def configure(connection: Any, _record: object) -> None:  # noqa: ANN401 - a DB-API connection
        # A writer that holds the file for longer than this has its own alarms: a reader is told to come back.
        for pragma in ("busy_timeout=1000", "query_only=ON"):
            connection.execute(f"PRAGMA {pragma}")

    return database
