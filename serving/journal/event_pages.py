"""The journal's pages about events: what a person should know of, and whether somebody has seen it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, func, inspect, select, update

from serving.journal import tables
from serving.journal.codec import time_from_text, time_to_text
from serving.journal.conflicts import insert
from serving.journal.event_records import Event, NewEvent, Severity

_LONGEST_PAGE = 500


class EventPages:
    """Pages reached as `journal.event_log`; every method is one transaction. Older journals do not have their table."""

    def __init__(self, begin: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._begin = begin

    def record(
        self,
        events: Sequence[NewEvent],
        written_at: datetime,
        kept: Mapping[str, str] | None = None,
        *,
        tried: Sequence[NewEvent] = (),
    ) -> None:
        """Append events, and keep states under names: all of it or nothing.

        An event whose key is known already is left out. `tried` are those of them with which earlier calls raised: what
        these have written all the same, their replies lost, is left out too.
        """
        with self._begin() as connection:
            append_events(connection, _leave_out_written(connection, events, tried), written_at)
            keep_states(connection, kept or {})

    def acknowledge(
        self, event_ids: Iterable[int] | None, at: datetime, by: str, *, written_until: datetime | None = None
    ) -> int:
        """Note who has seen events (None: all) that nobody had; return how many there were.

        With `written_until` those that were written later are left out.
        """
        table = tables.events
        change = update(table).where(table.c.acknowledged_at.is_(None))
        if event_ids is not None:
            change = change.where(table.c.event_id.in_(list(event_ids)))
        if written_until is not None:
            change = change.where(table.c.written_at <= time_to_text(written_until))
        change = change.values(acknowledged_at=time_to_text(at), acknowledged_by=by)
        with self._begin() as connection:
            return int(connection.execute(change).rowcount)

    def page(
        self,
        *,
        limit: int = 100,
        before: int | None = None,
        severity: Severity | None = None,
        kind: str | None = None,
        acknowledged: bool | None = None,
    ) -> list[Event]:
        """Return events, newest first: at most `limit` (1 to 500), with ids below `before`, of these properties."""
        table = tables.events
        query = select(table).order_by(table.c.event_id.desc()).limit(max(1, min(limit, _LONGEST_PAGE)))
        if before is not None:
            query = query.where(table.c.event_id < before)
        if severity is not None:
            query = query.where(table.c.severity == severity.value)
        if kind is not None:
            query = query.where(table.c.kind == kind)
        if acknowledged is not None:
            seen = table.c.acknowledged_at
            query = query.where(seen.is_not(None) if acknowledged else seen.is_(None))
        return self._read(query)

    def after(self, event_id: int, limit: int = _LONGEST_PAGE) -> list[Event]:
        """Return the events that follow one, oldest first."""
        table = tables.events
        return self._read(select(table).where(table.c.event_id > event_id).order_by(table.c.event_id).limit(limit))

    def unacknowledged(self, severity: Severity, limit: int = _LONGEST_PAGE) -> list[Event]:
        """Return the events of a severity that nobody has seen, oldest first."""
        table = tables.events
        open_ = (table.c.severity == severity.value) & table.c.acknowledged_at.is_(None)
        return self._read(select(table).where(open_).order_by(table.c.event_id).limit(limit))

    def count_unacknowledged(self) -> dict[Severity, int]:
        """Return how many events nobody has seen, by severity; 0 is left out."""
        table = tables.events
        query = select(table.c.severity, func.count()).where(table.c.acknowledged_at.is_(None))
        with self._begin() as connection:
            if not inspect(connection).has_table(table.name):
                return {}
            rows = connection.execute(query.group_by(table.c.severity)).all()
        return {Severity(name): count for name, count in rows}

    def newest_id(self) -> int:
        """Return the id of the newest event, 0 without any."""
        with self._begin() as connection:
            if not inspect(connection).has_table(tables.events.name):
                return 0
            return connection.execute(select(func.max(tables.events.c.event_id))).scalar() or 0

    def _read(self, query: Any) -> list[Event]:  # noqa: ANN401 - any SELECT
        with self._begin() as connection:
            if not inspect(connection).has_table(tables.events.name):
                return []
            rows = list(connection.execute(query).mappings())
        return [_from_row(row) for row in rows]


def _leave_out_written(
    connection: Connection, events: Sequence[NewEvent], tried: Sequence[NewEvent]
) -> Sequence[NewEvent]:
    """Return `events` without those of `tried` that are in the journal; each row there stands for one of them.

    An event without a key is known by all that was noted of it, its instant first.
    """
    if not tried:
        return events
    table = tables.events
    instants = sorted({time_to_text(event.at) for event in tried})
    # Between the ends, not one of all: they may be more than a statement takes
    near = select(table).where(table.c.at >= instants[0], table.c.at <= instants[-1])
    there = Counter(
        NewEvent(
            at=time_from_text(row["at"]),
            kind=row["kind"],
            severity=Severity(row["severity"]),
            text=row["text"],
            ref=row["ref"],
            key=row["key"],
        )
        for row in connection.execute(near).mappings()
    )
    written = Counter(tried) & there
    left = []
    for event in events:
        if written[event] > 0:
            written[event] -= 1
        else:
            left.append(event)
    return left


def append_events(connection: Connection, events: Sequence[NewEvent], written_at: datetime) -> None:
    """Append events within a transaction; one whose key is known already is left out."""
    rows = [
        {
            "at": time_to_text(event.at),
            "written_at": time_to_text(written_at),
            "kind": event.kind,
            "severity": event.severity.value,
            "text": event.text,
            "ref": event.ref,
            "key": event.key,
        }
        for event in events
    ]
    if rows:
        connection.execute(insert(connection, tables.events).on_conflict_do_nothing(), rows)


def keep_states(connection: Connection, states: Mapping[str, str]) -> None:
    """Keep states of alerts under their names, in the place of what was kept before."""
    for name, state in states.items():
        keep = insert(connection, tables.alert_states).values(name=name, state_json=state)
        connection.execute(keep.on_conflict_do_update(index_elements=["name"], set_={"state_json": state}))


def _from_row(row: RowMapping) -> Event:
    seen = row["acknowledged_at"]
    return Event(
        event_id=row["event_id"],
        at=time_from_text(row["at"]),
        written_at=time_from_text(row["written_at"]),
        kind=row["kind"],
        severity=Severity(row["severity"]),
        text=row["text"],
        ref=row["ref"],
        acknowledged_at=None if seen is None else time_from_text(seen),
        acknowledged_by=row["acknowledged_by"],
    )
