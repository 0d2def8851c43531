"""What changed from one look to the next: the events of the stream."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from serving.views.base import Inputs
from serving.views.events import find_source
from serving.views.positions import view_positions
from serving.views.status import StatusView, view_status

_PASSING: dict[str, Any] = {"now": True, "data": {"age_s"}, "venue_link": {"age_s"}}
"""Fields of the status that change while nothing does."""
_MARKS = """
    SELECT
        (SELECT decision_id FROM decisions ORDER BY event_timestamp DESC LIMIT 1) AS decision,
        (SELECT max(seq) FROM order_events) AS step,
        (SELECT client_order_id FROM order_events ORDER BY seq DESC LIMIT 1) AS "order",
        (SELECT max(rowid) FROM fills) AS fill,
        (SELECT position_id FROM positions WHERE closed_at IS NOT NULL ORDER BY closed_at DESC LIMIT 1) AS trade,
        (SELECT count(*) FROM positions WHERE closed_at IS NOT NULL AND funding_usdt IS NOT NULL) AS results
"""


class Event(NamedTuple):
    """One event as it is sent: `data` is JSON in one line."""

    kind: str
    data: str


@dataclass(frozen=True, slots=True)
class Marks:
    """Newest entries of the journal: another one, and a list has changed."""

    decision: str | None = None
    order: tuple[str | None, int | None, int | None] = (None, None, None)
    trade: tuple[str | None, int] = (None, 0)
    event: tuple[int | None, int] = (None, 0)


@dataclass(frozen=True, slots=True)
class Seen:
    """One look: status and positions as JSON, each with what of it must differ to count as changed."""

    status: str
    status_key: str
    positions: str
    positions_key: str
    marks: Marks
    heartbeat: str


@dataclass
class Changes:
    """Changes between looks. `look` is for the reading thread, everything else for the event loop."""

    _stamp: int | None = None
    _marks: Marks = field(default_factory=Marks)
    _last: Seen | None = None

    def look(self, seen: Inputs) -> Seen:
        """Return what there is now; the journal is read where it has changed."""
        stamp = seen.journal.stamp()
        if stamp != self._stamp:
            self._marks, self._stamp = _read_marks(seen), stamp
        status, positions = view_status(seen), view_positions(seen)
        return Seen(
            status=status.model_dump_json(),
            status_key=status.model_dump_json(exclude=_PASSING),
            positions=positions.model_dump_json(),
            positions_key=positions.model_dump_json(exclude={"items": {"__all__": {"hours_held"}}}),
            marks=self._marks,
            heartbeat=_make_heartbeat(status),
        )

    def find(self, seen: Seen) -> Iterator[Event]:
        """Yield what changed since the look before; of a first look nothing did."""
        before, self._last = self._last, seen
        if before is None:
            return
        if seen.status_key != before.status_key:
            yield Event("status", seen.status)
        if seen.positions_key != before.positions_key:
            yield Event("positions", seen.positions)
        if seen.marks.decision != before.marks.decision:
            yield Event("decision", json.dumps({"changed": seen.marks.decision}))
        for kind in ("order", "trade", "event"):
            now, then = getattr(seen.marks, kind), getattr(before.marks, kind)
            if now != then:
                yield Event(kind, json.dumps({"changed": now[0]}))

    def heartbeat(self) -> Event:
        """Return the sign that the process answers, with how old is what it knows."""
        return Event("heartbeat", "{}" if self._last is None else self._last.heartbeat)

    def forget(self) -> None:
        """Forget the last look: what changes from here on is not seen until the next one."""
        self._last = None


def _read_marks(seen: Inputs) -> Marks:
    row = seen.journal.ask(_MARKS)[0]
    newest, acknowledged = None, 0
    if (source := find_source(seen)) is not None:
        query = f"SELECT max(event_id) AS newest, count(acknowledged_at) AS acknowledged FROM ({source}) AS source"
        found = seen.journal.ask(query)[0]
        newest, acknowledged = found["newest"], found["acknowledged"]
    return Marks(
        decision=row["decision"],
        order=(row["order"], row["step"], row["fill"]),
        trade=(row["trade"], row["results"]),
        event=(newest, acknowledged),
    )


def _make_heartbeat(status: StatusView) -> str:
    return json.dumps(
        {
            "now": status.now.isoformat(),
            "state": status.state,
            "trading": status.trading,
            "fresh": status.data.fresh,
            "data_age_s": status.data.age_s,
            "watched_age_s": status.venue_link.age_s,
        }
    )
