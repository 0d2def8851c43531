"""Budget of the API: readers together take so much of a processor and no more, however many they are.

Python lets one thread run at a time, so what readers take beyond that would be taken from trading. While a decision is
being made they get next to nothing: an answer may be late by a second, an order may not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from serving.web.local_only import Application, Message, Receive, Send

SHARE, BUSY_SHARE = 0.25, 0.08
"""Shares of one processor that answering may take for long, at other times and while a decision is being made."""
BURST_S, BUSY_BURST_S = 0.25, 0.02
"""Seconds of a processor that may be taken at once after a pause."""
MOST_DEBT_S = 0.05
"""Most seconds of a processor that are paid back: what one answer took beyond that keeps nobody waiting."""
_LONGEST_WAIT_S = 0.05


class CpuBudget:
    """ASGI application around another: requests wait, first come first served, while the budget is spent.

    Counted is the time of the thread in which it runs; `charge` adds what other threads worked for it. `is_busy` says
    whether a decision is being made. Requests of which `goes_first` says so do not wait: who halts must not wait behind
    those who read.
    """

    def __init__(
        self,
        app: Application,
        is_busy: Callable[[], bool] = lambda: False,
        *,
        goes_first: Callable[[Message], bool] = lambda scope: False,
        monotonic: Callable[[], float] = time.monotonic,
        used: Callable[[], float] = time.thread_time,
    ) -> None:
        self._app = app
        self._is_busy = is_busy
        self._goes_first = goes_first
        self._monotonic, self._used = monotonic, used
        self._left_s = BURST_S
        self._looked_s: float | None = None
        self._used_s = 0.0
        self._turn = asyncio.Lock()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request when its turn has come."""
        if self._goes_first(scope):
            await self._app(scope, receive, send)
            return
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
        share, burst_s = (BUSY_SHARE, BUSY_BURST_S) if self._is_busy() else (SHARE, BURST_S)
        if self._looked_s is not None:
            earned = (now - self._looked_s) * share
            self._left_s = min(self._left_s + earned - (used - self._used_s), burst_s)
        self._left_s = max(self._left_s, -MOST_DEBT_S)
        self._looked_s, self._used_s = now, used
        return -self._left_s / share
