"""View of events: what happened to the process, newest first.

A journal that keeps no events of its own has those of the process's state at least.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pairity.errors import ConfigError
from serving.journal import tables
from serving.views.base import Cut, Inputs, Page, View, parse_time

Severity = Literal["info", "warning", "critical"]


class EventView(View):
    """One event. `ref` leads to what it is about; null where it is about the process."""

    event_id: int
    at: datetime
    kind: str
    severity: Severity
    text: str
    ref: str | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events are wanted; None stands for all."""

    severity: Severity | None = None
    kind: str | None = None
    acknowledged: bool | None = None


_COLUMNS = "event_id, at, kind, severity, text, ref, acknowledged_at, acknowledged_by"
_KEPT = f"SELECT {_COLUMNS} FROM events"
_STATES = """
    SELECT seq AS event_id, at, 'state' AS kind,
        CASE state WHEN 'trading' THEN 'info' WHEN 'guarding' THEN 'warning' ELSE 'critical' END AS severity,
        state || ': ' || reason AS text, NULL AS ref, NULL AS acknowledged_at, NULL AS acknowledged_by
    FROM states
"""


def view_events(seen: Inputs, cut: Cut, wanted: EventFilter | None = None) -> Page[EventView]:
    """Return a page of events, newest first. ConfigError for a cursor that is none of this list."""
    wanted = wanted or EventFilter()
    source = find_source(seen)
    if source is None:
        return Page(items=[])
    conditions, values = ["1 = 1"], {}
    for name in ("severity", "kind"):
        if (value := getattr(wanted, name)) is not None:
            conditions.append(f"{name} = :{name}")
            values[name] = value
    if wanted.acknowledged is not None:
        conditions.append(f"acknowledged_at IS {'NOT ' if wanted.acknowledged else ''}NULL")
    bound: dict[str, int] = {}
    if keys := cut.keys(1):
        conditions.append("event_id < :before")
        bound["before"] = _read_number(keys[0])
    chosen = f"SELECT {_COLUMNS} FROM ({source}) AS source WHERE {' AND '.join(conditions)}"
    query = f"{chosen} ORDER BY event_id DESC LIMIT :limit"
    rows = seen.journal.ask(query, limit=cut.limit + 1, **values, **bound)
    items = [
        EventView(
            **{
                **row,
                "at": parse_time(row["at"]),
                "acknowledged_at": parse_time(row["acknowledged_at"]),
                "ref": row["ref"] or None,
            }
        )
        for row in rows
    ]
    return cut.page(items, [(str(row["event_id"]),) for row in rows])


def find_source(seen: Inputs) -> str | None:
    """Return the SELECT of all events; None where the journal is of a program that kept none."""
    if seen.journal.has_table(tables.events):
        return _KEPT
    return _STATES if seen.journal.has_table(tables.states) else None


def _read_number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise ConfigError("before is not a cursor of this list", "use the value of `next` of an earlier answer")
    return int(text)
