"""The journal's pages about the state of the trading process: every change, with its reason. They only grow."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import Connection, insert, inspect, select

from serving.journal import tables
from serving.journal.codec import state_from_row, state_to_row
from serving.journal.records import StateRecord, TradingState


class StatePages:
    """Pages reached as `journal.states`; every method is one transaction. Older journals do not have their table."""

    def __init__(self, begin: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._begin = begin

    def record(self, record: StateRecord, *, tried: bool = False) -> None:
        """Append a state. `tried`: an earlier call with it raised, and nothing was appended since.

        What that call has written all the same, its reply lost, is the last row: it is not written again.
        """
        table, row = tables.states, state_to_row(record)
        with self._begin() as connection:
            if tried:
                last = connection.execute(select(table).order_by(table.c.seq.desc()).limit(1)).mappings().first()
                if last is not None and {name: last[name] for name in row} == row:
                    return
            connection.execute(insert(table), row)

    def newest(self) -> StateRecord | None:
        """Return the state that was entered last; None before the first."""
        known = self._read(select(tables.states).order_by(tables.states.c.seq.desc()).limit(1))
        return known[0] if known else None

    def last_resumption(self) -> StateRecord | None:
        """Return the state that was entered when a person last lifted a halt; None before that."""
        table = tables.states
        lifted = select(table).where(table.c.by == "person", table.c.state != TradingState.HALTED.value)
        known = self._read(lifted.order_by(table.c.seq.desc()).limit(1))
        return known[0] if known else None

    def all(self) -> list[StateRecord]:
        """Return all states in the order in which they were entered."""
        return self._read(select(tables.states).order_by(tables.states.c.seq))

    def _read(self, query: Any) -> list[StateRecord]:  # noqa: ANN401 - any SELECT
        with self._begin() as connection:
            if not inspect(connection).has_table(tables.states.name):
                return []
            rows = list(connection.execute(query).mappings())
        return [state_from_row(row) for row in rows]
