"""Budget of the API: readers together take so much of a processor and no more, however many they are.

Python lets one thread run at a time, so what readers take beyond that would be taken from trading.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from serving.web.local_only import Application, Message, Receive, Send

_SHARE = 0.25
"""Share of one processor that answering may take for long."""
_BURST_S = 0.5
"""Seconds of a processor that may be taken at once after a pause."""
_LONGEST_WAIT_S = 0.25


class CpuBudget:
    """ASGI application around another: requests wait, first come first served, while the budget is spent.

    Counted is the time of the thread in which it runs; `charge` adds what other threads worked for it.
    """

    def __init__(
        self,
        app: Application,
        share: float = _SHARE,
        monotonic: Callable[[], float] = time.monotonic,
        used: Callable[[], float] = time.thread_time,
    ) -> None:
        self._app = app
        self._share = share
        self._monotonic, self._used = monotonic, used
        self._left_s = _BURST_S
        self._looked_s: float | None = None
        self._used_s = 0.0
        self._turn = asyncio.Lock()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request when its turn has come."""
        async with self._turn:
            while (wait_s := self.find_wait()) > 0:
                await asyncio.sleep(min(wait_s, _LONGEST_WAIT_S))
        await self._app(scope, receive, send)

    def charge(self, seconds: float) -> None:
        """Count time that another thread took to make an answer."""
        self._left_s -= seconds

    def find_wait(self) -> float:
        """Return for how many seconds nothing more may be begun; 0 or less: now."""
        now, used = self._monotonic(), self._used()
        if self._looked_s is not None:
            earned = (now - self._looked_s) * self._share
            self._left_s = min(self._left_s + earned - (used - self._used_s), _BURST_S)
        self._looked_s, self._used_s = now, used
        return -self._left_s / self._share
