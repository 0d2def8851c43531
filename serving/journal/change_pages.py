"""The journal's pages read for what changed: from which events for persons are derived."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, literal_column, select

from serving.journal import codec, tables
from serving.journal.order_pages import select_intents
from serving.journal.records import Intent, IntentState, OrderEvent, PositionRecord, StateRecord

_POSITION_ROW: Any = literal_column("positions.rowid")
"""The database's own number of a position's row: rows are never deleted, so it is the order of opening."""
_BAD_ENDS = (IntentState.REJECTED.value, IntentState.UNKNOWN.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """How far the pages go: the number of the newest row of states, order events and positions, and how many ended."""

    state: int = 0
    order_event: int = 0
    position: int = 0
    closed: int = 0


class ChangePages:
    """Pages reached as `journal.changes`: they only read."""

    def __init__(self, begin: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._begin = begin

    def read_marks(self) -> Marks:
        """Return how far the pages go now, in one query."""
        ended = select(func.count()).where(tables.positions.c.closed_at.is_not(None)).scalar_subquery()
        query = select(
            select(func.max(tables.states.c.seq)).scalar_subquery(),
            select(func.max(tables.order_events.c.seq)).scalar_subquery(),
            select(func.max(_POSITION_ROW)).select_from(tables.positions).scalar_subquery(),
            ended,
        )
        with self._begin() as connection:
            state, order_event, position, closed = connection.execute(query).one()
        return Marks(state=state or 0, order_event=order_event or 0, position=position or 0, closed=closed)

    def states_after(self, seq: int) -> list[tuple[int, StateRecord]]:
        """Return the states that were entered after one, with their numbers, oldest first."""
        table = tables.states
        with self._begin() as connection:
            rows = list(connection.execute(select(table).where(table.c.seq > seq).order_by(table.c.seq)).mappings())
        return [(row["seq"], codec.state_from_row(row)) for row in rows]

    def bad_ends_after(self, seq: int) -> list[tuple[int, OrderEvent, Intent]]:
        """Return orders that were refused, or of which nobody knows the outcome, since an order event."""
        table = tables.order_events
        query = select(table.c.seq, table.c.client_order_id, table.c.at, table.c.state, table.c.answer)
        query = query.where((table.c.seq > seq) & table.c.state.in_(_BAD_ENDS)).order_by(table.c.seq)
        found = []
        with self._begin() as connection:
            for number, name, at, state, answer in connection.execute(query).all():
                query = select_intents().where(tables.intents.c.client_order_id == name)
                intent = connection.execute(query).mappings().one()
                event = OrderEvent(name, codec.time_from_text(at), IntentState(state), answer)
                found.append((number, event, codec.intent_from_row(intent)))
        return found

    def positions_after(self, row: int) -> list[PositionRecord]:
        """Return the positions that were opened after one, given by its row's number, in that order."""
        query = select(tables.positions).where(row < _POSITION_ROW).order_by(_POSITION_ROW)
        with self._begin() as connection:
            return [codec.position_from_row(found) for found in connection.execute(query).mappings()]

    def open_ids(self) -> list[str]:
        """Return the ids of the open positions."""
        table = tables.positions
        with self._begin() as connection:
            return list(connection.execute(select(table.c.position_id).where(table.c.closed_at.is_(None))).scalars())

    def closed_without_event(self, row: int, others: Sequence[str], prefix: str) -> list[PositionRecord]:
        """Return positions that ended and of which no event says so: its key is `prefix` and the position's id.

        Looked at are those opened after the one of the row's number, and `others` by id.
        """
        table, events = tables.positions, tables.events
        known = select(events.c.event_id).where(events.c.key == prefix + table.c.position_id).exists()
        looked_at = (row < _POSITION_ROW) | table.c.position_id.in_(list(others))
        query = select(table).where(table.c.closed_at.is_not(None) & ~known & looked_at).order_by(table.c.closed_at)
        with self._begin() as connection:
            return [codec.position_from_row(found) for found in connection.execute(query).mappings()]
