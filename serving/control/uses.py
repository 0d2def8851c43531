"""Use of the control token: every use becomes an event, and refused ones cannot fill the journal.

A use that is taken becomes an event when it is carried out (`serving.control.carrying`). Of refused ones the first
of an hour are written one by one, the others are counted, and the count is written with the next one that is.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Protocol

from serving.journal.event_records import Severity

MOST_REFUSED = 20
"""Most refused uses within an hour that are written one by one."""
MOST_TAKEN = 60
"""Most requests for one action within a minute that are taken."""
_HOUR_S, _MINUTE_S = 3600.0, 60.0


class Noted(Protocol):
    """Where uses are noted: the events of a process."""

    def record(self, kind: str, severity: Severity, text: str) -> None:
        """Note an event."""

    def flush(self) -> None:
        """Write what waits."""


class Uses:
    """Uses of one process's actions. May be called from any thread."""

    def __init__(self, events: Noted, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._events = events
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._refused_s: deque[float] = deque(maxlen=MOST_REFUSED)
        # By action: whoever acknowledged a long list, or a program that does, must be able to halt.
        self._taken_s: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=MOST_TAKEN))
        self._uncounted = 0

    def may_take(self, action: str) -> bool:
        """Return whether another request for an action that there is may be taken now, and count it."""
        with self._lock:
            return _is_within(self._taken_s[action], self._monotonic(), _MINUTE_S)

    def refuse(self, action: str, status: int, what: str) -> None:
        """Journal a use that was refused, or count it where there were many."""
        with self._lock:
            if not _is_within(self._refused_s, self._monotonic(), _HOUR_S):
                self._uncounted += 1
                return
            others, self._uncounted = self._uncounted, 0
        more = f"; {others} more were refused before" if others else ""
        text = f"an action over the status page was refused ({status}): {action}: {what}{more}"
        # Whoever has no token is no person at the desk: that someone tries is worth a look.
        self._events.record("request.refused", Severity.WARNING if status in (401, 403) else Severity.INFO, text)
        self._events.flush()


def _is_within(times: deque[float], now: float, period_s: float) -> bool:
    """Return whether fewer than `maxlen` lie within the period before now, and if so count this one."""
    if len(times) == times.maxlen and now - times[0] < period_s:
        return False
    times.append(now)
    return True
