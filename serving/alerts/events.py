"""Events: what a person should know of, written into the journal. Trading never fails with one.

What is recorded is kept in memory until the next `flush`, which the watch calls at the end of every look. What the
journal does not take (a full disk) waits for the next one, within a bound. What the journal knows by itself (states,
positions, orders) is not recorded by anybody: `serving.alerts.journal_events` derives it, so that no kill loses it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from pairity.number_formats import format_count
from pairity.printable import printable_line
from pairity.redaction import redact
from serving.alerts.heart import Heart
from serving.alerts.journal_events import JournalEvents
from serving.error_states import describe, may_be_survived
from serving.journal import Journal
from serving.journal.event_records import NewEvent, Severity

MOST_PENDING = 500
"""Most events that wait for the journal; the newest ones beyond are counted, and the count is said."""
_LONGEST_TEXT = 1000


class Events:
    """Events of one process. `now` is the clock in use; every method may be called from any thread, and none raises.

    `count` hears the severity of every event that was written; it must not raise.
    """

    def __init__(
        self, journal: Journal, now: Callable[[], datetime], count: Callable[[str], None] = lambda _: None
    ) -> None:
        self._journal = journal
        self._now = now
        self._count = count
        self._lock = threading.Lock()
        self._pending: list[NewEvent] = []
        self._tried: list[NewEvent] = []
        self._lost = 0
        self._known: dict[str, set[str]] = {}
        self._causes: set[str] = set()
        self._derived = JournalEvents(journal)
        self.changed = threading.Event()
        """Set whenever events were written: who delivers them waits for it."""
        self.heart = Heart()
        self.failure: str | None = None
        """Why the journal did not take the last ones; None where it did."""

    def record(
        self, kind: str, severity: Severity, text: str, ref: str | None = None, *, key: str | None = None
    ) -> None:
        """Note an event: its kind (`promotion`), its severity, one line for a person, the id of what it is about.

        Of two with the same `key` only the first is written, over restarts too.
        """
        line = printable_line(redact(text))[:_LONGEST_TEXT]
        event = NewEvent(at=self._now(), kind=kind, severity=severity, text=line, ref=ref, key=key)
        with self._lock:
            if len(self._tried) + len(self._pending) < MOST_PENDING:
                self._pending.append(event)
            else:
                self._lost += 1

    def record_new(self, kind: str, severity: Severity, texts: list[str]) -> None:
        """Note those of the present problems of a kind that were not there the last time this was called.

        What another kind has said stays with that kind. Texts that differ in their digits alone are the same problem:
        one that counts seconds must not be an event at every look.
        """
        with self._lock:
            before = self._known.get(kind, set())
            self._known[kind] = {_leave_out_digits(text) for text in texts}
            elsewhere = set[str]().union(*(known for name, known in self._known.items() if name != kind))
        for text in dict.fromkeys(texts):
            if _leave_out_digits(text) not in before | elsewhere:
                self.record(kind, severity, text)

    def follow_causes(self, causes: Mapping[str, str], *, halted: bool) -> None:
        """Note causes of guarding that are new while the process is halted: no change of state says so then."""
        if halted:
            for name in causes.keys() - self._causes:
                self.record("cause", Severity.WARNING, f"while halted: {name}: {causes[name]}", name)
        self._causes = set(causes)

    def flush(self) -> None:
        """Write what waits, and what the journal has come to know since; what it does not take waits on."""
        with self._lock:
            tried, self._tried = self._tried, []
            waiting, self._pending = self._pending, []
            if self._lost and not tried:  # when the journal takes events again: else there would be one a look
                waiting.append(self._say_lost(self._lost))
                self._lost = 0
        waiting = [*tried, *waiting]
        try:
            derived = self._derived.read_new()
            if waiting or derived.kept:
                written = [*derived.events, *waiting]
                self._journal.event_log.record(written, datetime.now(UTC), derived.kept, tried=tried)
                for event in written:
                    self._count(event.severity)
                self.changed.set()
            self._derived.accept(derived)
            self.failure = None
        except BaseException as error:  # as in `Supervisor.covering`: no event is worth guarding for
            if not may_be_survived(error):
                raise
            self.failure = describe(error)
            with self._lock:
                # The journal may have taken them although it could not say so.
                kept = [*waiting, *self._tried]
                self._tried = kept[: MOST_PENDING + 1]  # with the event that says how many were lost
                room = max(0, MOST_PENDING - len(self._tried))
                self._lost += len(kept) - len(self._tried) + max(0, len(self._pending) - room)
                self._pending = self._pending[:room]
            return
        if tried and self._lost:
            self.flush()

    def _say_lost(self, count: int) -> NewEvent:
        text = f"{format_count(count, 'event')} could not be written down: the journal took none for a while"
        return NewEvent(at=self._now(), kind="lost", severity=Severity.WARNING, text=text)


def _leave_out_digits(text: str) -> str:
    return re.sub(r"[0-9]+", "#", text)
