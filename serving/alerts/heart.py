"""The heart: when the watch last succeeded, for those who say outside that the process is alive."""

from __future__ import annotations

import time
from collections.abc import Callable


class Heart:
    """Heart of one process; may be used from any thread. Times are real seconds, whatever the clock in use."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._beat_s: float | None = None

    def beat(self) -> None:
        """Note that a look at the venue succeeded now."""
        self._beat_s = self._monotonic()

    def age_s(self) -> float | None:
        """Return the seconds since the last beat; None before the first."""
        return None if self._beat_s is None else self._monotonic() - self._beat_s
