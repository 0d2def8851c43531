"""The journal's pages about requests of persons: what was carried out, and what of it still holds."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import Connection, inspect, literal_column, select

from serving.journal import tables
from serving.journal.codec import time_from_text, time_to_text
from serving.journal.conflicts import insert
from serving.journal.event_pages import append_events
from serving.journal.event_records import CarriedOut, NewEvent, Wish

_ROW: Any = literal_column("requests.rowid")
"""The database's own number of a row: the order of writing."""


class RequestPages:
    """Pages reached as `journal.requests`; every method is one transaction, and nothing is ever changed.

    Older journals do not have their table.
    """

    def __init__(self, begin: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._begin = begin

    def record(self, request: CarriedOut, event: NewEvent) -> None:
        """Write that a request was carried out, and its event; a second record of it changes nothing."""
        row = {
            "request_id": request.request_id,
            "at": time_to_text(request.at),
            "wish": request.wish.value,
            "reason": request.reason,
            "by": request.by,
            "position_id": request.position_id,
            "event_id": request.event_id,
            "carried_out_at": time_to_text(request.carried_out_at),
        }
        with self._begin() as connection:
            connection.execute(insert(connection, tables.requests).on_conflict_do_nothing(), row)
            append_events(connection, [event], request.carried_out_at)

    def get(self, request_id: str) -> CarriedOut | None:
        """Return a request that was carried out, None where it was not."""
        known = self._read(select(tables.requests).where(tables.requests.c.request_id == request_id))
        return known[0] if known else None

    def all(self) -> list[CarriedOut]:
        """Return all requests in the order in which they were carried out."""
        return self._read(select(tables.requests).order_by(_ROW))

    def standing_guard(self) -> CarriedOut | None:
        """Return the guard that a person asked for and nobody has lifted since; None without one."""
        table = tables.requests
        either = table.c.wish.in_([Wish.GUARD.value, Wish.UNGUARD.value])
        known = self._read(select(table).where(either).order_by(_ROW.desc()).limit(1))
        return known[0] if known and known[0].wish is Wish.GUARD else None

    def positions_to_close(self) -> list[str]:
        """Return the open positions that a person asked to close."""
        table, positions = tables.requests, tables.positions
        query = (
            select(positions.c.position_id)
            .join(table, table.c.position_id == positions.c.position_id)
            .where((table.c.wish == Wish.CLOSE.value) & positions.c.closed_at.is_(None))
            .distinct()
        )
        with self._begin() as connection:
            if not inspect(connection).has_table(table.name):
                return []
            return [str(name) for name in connection.execute(query).scalars()]

    def _read(self, query: Any) -> list[CarriedOut]:  # noqa: ANN401 - any SELECT
        with self._begin() as connection:
            if not inspect(connection).has_table(tables.requests.name):
                return []
            rows = list(connection.execute(query).mappings())
        return [
            CarriedOut(
                request_id=row["request_id"],
                at=time_from_text(row["at"]),
                wish=Wish(row["wish"]),
                reason=row["reason"],
                by=row["by"],
                position_id=row["position_id"],
                event_id=row["event_id"],
                carried_out_at=time_from_text(row["carried_out_at"]),
            )
            for row in rows
        ]
