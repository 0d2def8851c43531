"""The database of an open journal, as its pages use it: transactions, and errors in the journal's words."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import ClassVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from pairity.errors import JournalError
from pairity.journal_place import JournalPlace
from serving.journal.expressions import Expressions


class Store(ABC):
    """An open database with one journal in it. `writes`: whether it is open for its only writer."""

    expressions: ClassVar[Expressions]
    """What the database's dialect of SQL calls things that queries in text need."""

    def __init__(self, place: JournalPlace, database: Engine, *, writes: bool) -> None:
        self.place = place
        self.database = database
        self.writes = writes

    @abstractmethod
    def begin(self) -> AbstractContextManager[Connection]:
        """Begin a transaction that may write. JournalError where this process must not, or must no longer, write."""

    @abstractmethod
    def begin_reading(self) -> AbstractContextManager[Connection]:
        """Begin a transaction that only reads."""

    @abstractmethod
    def explain(self, error: DBAPIError) -> JournalError:
        """Return the error for a database that cannot be used: now (JournalWriteError), or at all."""

    @abstractmethod
    def check_whole(self) -> None:
        """Raise JournalError where the database says that it is damaged."""

    @abstractmethod
    def stamp(self) -> int:
        """Return a number that is another one after every change that another connection made."""

    def close(self) -> None:
        """Close the database and let the next writer in."""
        self.database.dispose()
