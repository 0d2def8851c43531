"""Events that the journal knows by itself: changes of state, positions opened and closed, orders that end badly.

They are derived from its pages, each under a key of its own. A process that is killed between a change and its event
derives it again after its restart, and an event that is derived twice is written once. A journal that is older than its
events begins with what changes from then on.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from serving.alerts.wording import CLOSED, describe_closed, describe_opened, describe_order, describe_state
from serving.journal import Journal
from serving.journal.change_pages import Marks
from serving.journal.event_records import NewEvent

KEPT_AS = "derived"
"""Name under which the journal keeps how far its pages were looked through."""


@dataclass(frozen=True, slots=True)
class Derived:
    """New events, and what is kept of how far the pages were looked through once they are written."""

    events: tuple[NewEvent, ...]
    marks: Marks
    kept: dict[str, str]


class JournalEvents:
    """Events derived from one journal. A look without anything new costs one query."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._marks: Marks | None = None
        self._first_row = 0
        self._open_at_first: list[str] = []

    def read_new(self) -> Derived:
        """Return what is new since what was accepted. Raises JournalError."""
        changes = self._journal.changes
        newest = changes.read_marks()
        if self._marks is None:
            self._marks = self._restore(newest)
        marks = self._marks
        if newest == marks:
            return Derived((), marks, {})
        events = [
            *(describe_state(seq, record) for seq, record in changes.states_after(marks.state)),
            *(describe_order(seq, event, intent) for seq, event, intent in changes.bad_ends_after(marks.order_event)),
            *(describe_opened(record.position) for record in changes.positions_after(marks.position)),
        ]
        if newest.closed != marks.closed:
            ended = changes.closed_without_event(self._first_row, self._open_at_first, CLOSED)
            events += [describe_closed(record) for record in ended]
        return Derived(tuple(sorted(events, key=lambda event: event.at)), newest, {KEPT_AS: self._dump(newest)})

    def accept(self, derived: Derived) -> None:
        """Go on from what was derived: it is written."""
        self._marks = derived.marks

    def _restore(self, newest: Marks) -> Marks:
        """Return how far an earlier process came; before the first one, how far the pages go now."""
        text = self._journal.deliveries.state(KEPT_AS)
        if text is None:
            self._first_row, self._open_at_first = newest.position, self._journal.changes.open_ids()
            self._journal.deliveries.plan([], {KEPT_AS: self._dump(newest)})
            return newest
        kept = json.loads(text)
        self._first_row, self._open_at_first = kept["first_row"], kept["open_at_first"]
        return Marks(**kept["marks"])

    def _dump(self, marks: Marks) -> str:
        kept: dict[str, Any] = {
            "marks": asdict(marks),
            "first_row": self._first_row,
            "open_at_first": self._open_at_first,
        }
        return json.dumps(kept)
