"""Pace of execution: how fast, how long and how often the venue is asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pairity.backoff import Backoff
from pairity.trading_settings import ServeSettings


@dataclass(frozen=True)
class Pace:
    """Intervals, deadlines and counts. All in real seconds: a stepped venue's clock stands while we wait."""

    poll_s: float = 0.2
    deadline_s: float = 20.0
    """A market order that is not finished by then is cancelled, and its partial fill accounted."""
    settle_s: float = 5.0
    """Absence counts only if it is confirmed at least this long after the first answer."""
    absent_answers: int = 3
    unknown_deadline_s: float = 60.0
    leg_deadline_s: float = 60.0
    """One leg of a pair stands alone no longer: by then the other one is filled, or it is closed."""
    max_sends: int = 3
    max_wait_s: float = 5.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    monotonic: Callable[[], float] = time.monotonic

    @classmethod
    def of(cls, settings: ServeSettings) -> Pace:
        """Return the pace of the settings."""
        return cls(
            poll_s=settings.order_poll_s,
            deadline_s=settings.order_deadline_s,
            leg_deadline_s=settings.leg_deadline_s,
        )

    async def wait(self, attempt: int = 0) -> None:
        """Sleep one poll interval, doubled with every attempt, capped."""
        # The exponent is capped too: 2.0 ** 1024 overflows.
        await self.sleep(Backoff(self.poll_s, max(self.max_wait_s, self.poll_s)).delay_s(attempt))
