"""Bringing the tables of a journal forward before the trading process starts."""

from __future__ import annotations

from typing import NamedTuple

from pairity.journal_place import JournalPlace
from serving.journal import tables
from serving.journal.handover import read_meta
from serving.journal.journal import Journal
from serving.journal.opened import connect_store, is_there


class Upgraded(NamedTuple):
    """Versions of the tables before and after."""

    before: str
    after: str


def upgrade_journal(place: JournalPlace) -> Upgraded | None:
    """Bring a journal to this program's version, all of it or nothing; None where there is none.

    JournalError where another process has it open, and for one of a version that this program does not know.
    """
    if not is_there(place):
        return None
    store = connect_store(place)
    try:
        with store.begin_reading() as connection:
            before = read_meta(connection).get("schema_version", "unknown")
    finally:
        store.close()
    Journal.open(place).close()
    return Upgraded(before, tables.SCHEMA_VERSION)
