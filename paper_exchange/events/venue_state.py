"""What the venue says about itself and about what is to come: maintenance, changes of instruments, delistings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from paper_exchange.events.script import Event
from paper_exchange.wire import Json, format_number

ANNOUNCED = ("tickSz", "minSz", "maxMktSz")
"""The changes that `upcChg` announces."""
REMEMBERED_MS = 3 * 24 * 3_600_000
"""How long a maintenance that is over stays in system/status."""


class Maintenance(NamedTuple):
    """A maintenance over [begin_ms, end_ms); `refuses` says whether requests are refused while it lasts."""

    title: str
    begin_ms: int
    end_ms: int
    refuses: bool

    def state_at(self, now_ms: int) -> str:
        """Return the state that system/status has for it."""
        if now_ms < self.begin_ms:
            return "scheduled"
        return "ongoing" if now_ms < self.end_ms else "completed"


@dataclass(frozen=True, slots=True)
class VenueState:
    """Announcements of a script; without one the venue is healthy and nothing is to come."""

    events: Sequence[Event] = ()
    outages: Sequence[Maintenance] = ()
    """What nobody announced, and is there."""

    def list_maintenances(self, now_ms: int) -> list[Maintenance]:
        """Return what system/status shows, newest first: to come, going on, and over for not more than three days."""
        found = [
            Maintenance(e.subject, e.at_ms, e.until_ms, bool(e.values["refuse"]))
            for e in self.events
            if e.kind == "maintenance" and e.at_ms is not None and e.until_ms is not None and _is_announced(e, now_ms)
        ]
        found += self.outages
        return sorted((m for m in found if now_ms - m.end_ms <= REMEMBERED_MS), key=lambda m: -m.begin_ms)

    def refuses(self, now_ms: int) -> bool:
        """Whether a maintenance refuses requests now."""
        return any(m.refuses and m.state_at(now_ms) == "ongoing" for m in self.list_maintenances(now_ms))

    def list_changes(self, inst_id: str, now_ms: int) -> list[Json]:
        """Return `upcChg` of an instrument: announced changes that have not come."""
        return [
            {"param": name, "newValue": format_number(value), "effTime": str(event.at_ms)}
            for event in self.events
            if event.kind == "change" and event.subject == inst_id and _is_ahead(event, now_ms)
            for name, value in event.values.items()
            if name in ANNOUNCED
        ]

    def list_ends(self) -> Iterator[tuple[str, int]]:
        """Yield every instrument that is delisted, announced or not, and when (ms)."""
        delisted = (event for event in self.events if event.kind == "delist")
        return ((event.subject, event.at_ms) for event in delisted if event.at_ms is not None)

    def find_end(self, inst_id: str, now_ms: int) -> int | None:
        """Return when an instrument will be delisted, once that is announced."""
        ends = [e.at_ms for e in self.events if e.kind == "delist" and e.subject == inst_id and _is_ahead(e, now_ms)]
        return ends[0] if ends else None


def _is_announced(event: Event, now_ms: int) -> bool:
    return event.announced_ms is None or event.announced_ms <= now_ms


def _is_ahead(event: Event, now_ms: int) -> bool:
    return event.at_ms is not None and now_ms < event.at_ms and _is_announced(event, now_ms)
