"""Orders by purpose and end, counted in the journal: they are the same numbers after a restart."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from sqlalchemy import func, select

from pairity.errors import JournalError
from pairity.journal_place import JournalDatabase, JournalPlace
from serving.journal import IntentState, Purpose, tables
from serving.journal.opened import connect_store

_BUSY_S = 0.2
"""A scrape gives up rather than wait for a lock. Readers do not hold up the writer (WAL)."""


def count_order_ends(journal: JournalPlace | None) -> dict[tuple[str, str], int] | None:
    """Return the orders that have ended, by purpose and final state; None where the journal cannot be read now."""
    ends = [state.value for state in IntentState if state.final]
    counts = {(purpose.value, end): 0 for purpose in Purpose for end in ends}
    if journal is None:
        return None
    if isinstance(journal, JournalDatabase):
        return _count_in_database(journal, counts)
    query = f"SELECT purpose, state, COUNT(*) FROM intents WHERE state IN ({','.join('?' * len(ends))}) GROUP BY 1, 2"
    try:
        with closing(sqlite3.connect(f"{journal.as_uri()}?mode=ro", uri=True, timeout=_BUSY_S)) as connection:
            for purpose, end, count in connection.execute(query, ends):
                counts[purpose, end] = count
    except sqlite3.Error:
        return None
    return counts


def _count_in_database(
    journal: JournalDatabase, counts: dict[tuple[str, str], int]
) -> dict[tuple[str, str], int] | None:
    """Fill the counts in from PostgreSQL, over a connection of this scrape."""
    intents = tables.intents.c
    query = select(intents.purpose, intents.state, func.count()).group_by(intents.purpose, intents.state)
    ended = query.where(intents.state.in_({end for _, end in counts}))
    try:
        store = connect_store(journal)
        try:
            with store.begin_reading() as connection:
                return counts | {(purpose, end): count for purpose, end, count in connection.execute(ended)}
        finally:
            store.close()
    except JournalError:
        return None
