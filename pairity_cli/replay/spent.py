"""Where the time of a replay went."""

from __future__ import annotations

import contextlib
import logging
import resource
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from venue.request_reports import LOGGER


@dataclass(slots=True)
class Spent:
    """Seconds of the wall clock by part of the replay, and of the exchange's processor while trading."""

    seconds: dict[str, float] = field(default_factory=dict)
    exchange_cpu_s: float = 0.0
    requests: Counter[str] = field(default_factory=Counter)
    """Requests to the exchange while trading, by method and path."""
    wire_s: Counter[str] = field(default_factory=Counter)
    """Seconds until they were answered, by the same."""

    @contextlib.contextmanager
    def timing_requests(self) -> Iterator[None]:
        """Count the requests of this process while the block runs, and time them."""
        handler = _RequestTimer(self)
        LOGGER.addHandler(handler)
        try:
            yield
        finally:
            LOGGER.removeHandler(handler)

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Add what the block takes."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begun


class _RequestTimer(logging.Handler):
    """Handler of reports of requests."""

    def __init__(self, spent: Spent) -> None:
        super().__init__(logging.INFO)
        self._spent = spent

    def emit(self, record: logging.LogRecord) -> None:
        """Add the request of a report."""
        request = record.__dict__["request"]
        name = f"{request.method} {request.path.rpartition('/api/v5/')[2]}"
        self._spent.requests[name] += 1
        self._spent.wire_s[name] += request.seconds


def count_children_cpu_s() -> float:
    """Return the processor's seconds of all children that have ended: the exchange is the only one."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
