"""Door for requests over HTTP: which are taken while the process starts, trades, and ends.

What is taken is carried out: a process that ends, or has ended, takes nothing, because nobody would look at it again
before the next start. One that starts takes what lowers the risk, and holds it from its first look on.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from serving.control.actions import Action, RefusedActionError

_LATER = "stops stay on the venue; `pairity halt` lets the next start be halted from its first look on"
_AT_A_START = frozenset({Action.RESUME, Action.UNGUARD})
"""What is for a person who sees how things stand: at a start nobody does."""
_LONGEST_WAIT_S = 2.0
"""Seconds that the end of the process waits for a request that is just being written."""


def _is_open() -> str | None:
    """Return None: a process that has started."""
    return None


class Door:
    """Door of one process, for any thread. `explain_start` says what a start waits for; None once it is over."""

    def __init__(self, explain_start: Callable[[], str | None] = _is_open) -> None:
        self._explain_start = explain_start
        self._lock = threading.Lock()
        self._closed: str | None = None

    @contextlib.contextmanager
    def passing(self, action: Action) -> Iterator[str | None]:
        """Put a request in the block; yield what to say of one that is carried out later, None where it is now.

        RefusedActionError (409) where it is not taken. No block is left half done by `close`.
        """
        with self._lock:
            if self._closed is not None:
                raise RefusedActionError(409, f"{self._closed}: nothing is taken any more, this neither", _LATER)
            waits_for = self._explain_start()
            if waits_for is not None and action in _AT_A_START:
                raise RefusedActionError(
                    409,
                    f"the process is {waits_for}: there is nothing to {action} before it has seen the venue",
                    "ask again when it trades; halt, flatten, guard, close and acknowledge are taken now and hold then",
                )
            yield None if waits_for is None else f"taken, and carried out before anything else: {waits_for}"

    def close(self, why: str) -> None:
        """Take nothing from here on; the first reason stays. What is being written is waited for, a moment long."""
        taken = self._lock.acquire(timeout=_LONGEST_WAIT_S)
        try:
            self._closed = self._closed or why
        finally:
            if taken:
                self._lock.release()
