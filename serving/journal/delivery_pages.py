"""The journal's pages about alerts: the outbox of messages, and what the planning of messages goes on from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime

from sqlalchemy import Connection, RowMapping, func, select, update

from serving.journal import tables
from serving.journal.codec import time_from_text, time_to_text
from serving.journal.conflicts import insert
from serving.journal.event_pages import keep_states
from serving.journal.event_records import Delivery, NewDelivery, Severity

WAITING, SENT, GIVEN_UP = "waiting", "sent", "given up"


class DeliveryPages:
    """Pages reached as `journal.deliveries`; every method is one transaction. Only writers use them."""

    def __init__(self, begin: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._begin = begin

    def plan(self, messages: Sequence[NewDelivery], states: Mapping[str, str]) -> None:
        """Queue messages, and keep the states from which their planning goes on: all of it or nothing.

        A message whose idempotency key is known already is left out.
        """
        rows = [
            {
                "destination": message.destination,
                "idempotency_key": message.idempotency_key,
                "queued_at": time_to_text(message.queued_at),
                "severity": message.severity.value,
                "subject": message.subject,
                "text": message.text,
                "state": WAITING,
                "tries": 0,
            }
            for message in messages
        ]
        with self._begin() as connection:
            if rows:
                connection.execute(insert(connection, tables.deliveries).on_conflict_do_nothing(), rows)
            keep_states(connection, states)

    def state(self, name: str) -> str | None:
        """Return the state that was kept under a name; None before the first."""
        table = tables.alert_states
        with self._begin() as connection:
            return connection.execute(select(table.c.state_json).where(table.c.name == name)).scalar()

    def next_waiting(self, destination: str) -> Delivery | None:
        """Return the oldest message that waits for a destination; None without one."""
        table = tables.deliveries
        which = (table.c.destination == destination) & (table.c.state == WAITING)
        with self._begin() as connection:
            row = connection.execute(select(table).where(which).order_by(table.c.seq).limit(1)).mappings().first()
        return None if row is None else _from_row(row)

    def note_try(self, seq: int, answer: str) -> None:
        """Note a try that did not end a message, and what was answered."""
        table = tables.deliveries
        change = update(table).where(table.c.seq == seq).values(tries=table.c.tries + 1, answer=answer)
        with self._begin() as connection:
            connection.execute(change)

    def end(self, seq: int, state: str, at: datetime, answer: str) -> None:
        """Note that a message was sent or given up, and what was answered."""
        table = tables.deliveries
        values = {"state": state, "ended_at": time_to_text(at), "answer": answer, "tries": table.c.tries + 1}
        with self._begin() as connection:
            connection.execute(update(table).where(table.c.seq == seq).values(**values))

    def count_waiting(self, destination: str) -> int:
        """Return how many messages wait for a destination."""
        table = tables.deliveries
        which = (table.c.destination == destination) & (table.c.state == WAITING)
        with self._begin() as connection:
            return connection.execute(select(func.count()).select_from(table).where(which)).scalar() or 0

    def all(self, destination: str) -> list[Delivery]:
        """Return all messages of a destination, oldest first."""
        table = tables.deliveries
        with self._begin() as connection:
            query = select(table).where(table.c.destination == destination).order_by(table.c.seq)
            return [_from_row(row) for row in connection.execute(query).mappings()]


def _from_row(row: RowMapping) -> Delivery:
    ended = row["ended_at"]
    return Delivery(
        seq=row["seq"],
        destination=row["destination"],
        idempotency_key=row["idempotency_key"],
        queued_at=time_from_text(row["queued_at"]),
        severity=Severity(row["severity"]),
        subject=row["subject"],
        text=row["text"],
        state=row["state"],
        tries=row["tries"],
        ended_at=None if ended is None else time_from_text(ended),
        answer=row["answer"],
    )
