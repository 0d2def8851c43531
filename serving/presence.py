"""Presence of the process: what its page, its health and its metrics read, from its first second on.

A start may wait for its venue for hours. Until what guards is open, the presence says so by itself, and by this
machine's clock; from then on it is that of the parts, which share its status, sightings and pulse.
"""

from __future__ import annotations

import threading
from collections import deque
from datetime import UTC, datetime

from pairity.redaction import redact
from pairity.settings import Settings
from serving.alerts.events import Events
from serving.control.door import Door
from serving.health import Pulse
from serving.journal.event_records import Severity
from serving.metrics import Metrics
from serving.parts import GuardParts
from serving.sightings import Sightings
from serving.status import Status
from serving.wakes import show_stream

_MOST_KEPT = 100


class EarlyEvents:
    """Events of a process whose journal may not be open yet: kept, within a bound, until it is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: deque[tuple[str, Severity, str]] = deque(maxlen=_MOST_KEPT)
        self._events: Events | None = None

    def record(self, kind: str, severity: Severity, text: str) -> None:
        """Note an event."""
        with self._lock:
            if self._events is None:
                self._kept.append((kind, severity, text))
                return
        self._events.record(kind, severity, text)

    def flush(self) -> None:
        """Write what waits, where there is a journal."""
        if self._events is not None:
            self._events.flush()

    def attach(self, events: Events) -> None:
        """Hand over what was kept; it is written with the next flush."""
        with self._lock:
            self._events = events
            for kind, severity, text in self._kept:
                events.record(kind, severity, text)
            self._kept.clear()


class Presence:
    """Presence of one process. Of a starting one the status says that it guards, and what it waits for."""

    def __init__(self, settings: Settings, mode: str) -> None:
        self.settings = settings
        self.sightings = Sightings(started_at=_read_clock())
        self.status = Status(mode=mode, market=settings.exchange.url or "OKX", model={}, trading="guarding")
        self.pulse = Pulse()
        self.metrics = Metrics()
        self.events = EarlyEvents()
        self.door = Door(self.explain_start)
        self._guard: GuardParts | None = None
        self._waits_since: datetime | None = None
        self._show("starting: loading what it decides with", {})

    @classmethod
    def of(cls, guard: GuardParts) -> Presence:
        """Return the presence of parts that are open."""
        made = cls(guard.settings, guard.status.mode)
        made.status, made.sightings = guard.status, guard.sightings
        made.pulse, made.metrics = guard.pulse, guard.metrics
        made.attach(guard)
        return made

    def attach(self, guard: GuardParts) -> None:
        """Be the presence of these parts from here on."""
        self.events.attach(guard.events)
        self._guard = guard

    def explain_start(self) -> str | None:
        """Return what the start waits for; None once it is over."""
        return None if self._guard is not None else self.status.trading_reason

    def note_connecting(self) -> None:
        """Note that the venue is tried now; a wait for it goes on."""
        self.pulse.beat()
        if self._waits_since is None:
            self._show("starting: connecting to the venue", {})

    def note_waiting(self, why: str) -> None:
        """Note that the venue cannot be used, and why."""
        self.pulse.beat()
        self._waits_since = self._waits_since or _read_clock()
        since = f"{self._waits_since:%Y-%m-%d %H:%M:%S} UTC"
        why = redact(why)
        self._show(f"starting: waiting for the venue since {since}, because {why}", {"venue": why})
        self.status.trading_since = self._waits_since.isoformat()
        self.sightings.reachable = False

    def note_connected(self) -> None:
        """Note that the venue answers: what is held is looked at next."""
        self.pulse.beat()
        self.sightings.reachable = None
        self._show("starting: taking up what is open", {})

    def read_status(self) -> Status:
        """Return the status, with the stream as it is now."""
        guard = self._guard
        if guard is not None and guard.stream is not None:
            show_stream(guard.stream, guard.status)
        return self.status

    def now(self) -> datetime:
        """Return the present instant of the clock in use, this machine's before there is one. May raise as it does."""
        return _read_clock() if self._guard is None else self._guard.clock.now()

    def started_at(self) -> datetime:
        """Return since when it runs, by the clock in use."""
        return self.sightings.started_at or self.now()

    def _show(self, reason: str, causes: dict[str, str]) -> None:
        self.status.trading, self.status.trading_reason, self.status.causes = "guarding", reason, causes


def _read_clock() -> datetime:
    return datetime.now(UTC)
