"""A journal whose disk is full: SQLite's own limit of pages stands in, since the error is the same."""

from __future__ import annotations

import contextlib

import pytest

from pairity.errors import JournalWriteError
from serving.journal import Journal, StateRecord, TradingState
from tests.serving.trading import T0

FILLER = StateRecord(T0, TradingState.TRADING, "x" * 500)


def fill_up(journal: Journal) -> None:
    with journal._begin() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with contextlib.suppress(JournalWriteError):
        for _ in range(2000):
            journal.states.record(FILLER)
    with pytest.raises(JournalWriteError, match="full"):
        journal.states.record(FILLER)


def make_room(journal: Journal) -> None:
    with journal._begin() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
