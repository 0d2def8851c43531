"""Wakes: the account's stream says that something changed, and the watch looks at once.

An event makes a look due and says nothing more: what is true is read over REST. A stream that fails, lags, lies or
never connects costs seconds, for the watch looks by itself all the same.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime

from pairity.errors import PairityError
from pairity.settings import Settings
from pairity.timeline import Clock
from serving.status import Status
from venue.okx_stream import OkxStream

_SOONEST_S = 1.0
"""Least time between two looks: what one order sets off comes in several messages, and is looked at once."""
_MOST, _WITHIN_S = 20, 60.0
"""Most looks for wakes within so many seconds: an account on which another program trades would be looked at for ever.

All are real seconds, whatever the clock in use: they bound requests.
"""


class Wakes:
    """Wakes of one watch, by `stream`; without one nothing ever wakes it."""

    def __init__(self, stream: OkxStream | None, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._monotonic = monotonic
        self._looked_s = -_SOONEST_S
        self._woken_s: deque[float] = deque(maxlen=_MOST)

    @property
    def waiting(self) -> bool:
        """Whether something changed since the last look began."""
        return self._stream is not None and self._stream.changed.is_set()

    async def sleep_until(self, clock: Clock, instant: datetime) -> None:
        """Sleep on a clock, shorter where something changes and a look may follow. Raises what the clock raises."""
        if self._stream is None:
            await clock.sleep_until(instant)
            return
        sleeping = asyncio.ensure_future(clock.sleep_until(instant))
        waking = asyncio.ensure_future(self._wait(self._stream))
        try:
            await asyncio.wait({sleeping, waking}, return_when=asyncio.FIRST_COMPLETED)
            if sleeping.done():
                await sleeping
        finally:
            for task in (sleeping, waking):
                task.cancel()
            await asyncio.gather(sleeping, waking, return_exceptions=True)

    async def _wait(self, stream: OkxStream) -> None:
        """Return when something has changed, and a look for it is not too soon after others."""
        await stream.changed.wait()
        soonest_s = self._looked_s + _SOONEST_S
        if len(self._woken_s) == _MOST:
            soonest_s = max(soonest_s, self._woken_s[0] + _WITHIN_S)
        await asyncio.sleep(max(soonest_s - self._monotonic(), 0.0))

    def begin_look(self) -> bool:
        """Forget what changed until now, and return whether something did: the look that begins sees it."""
        if self._stream is None or not self.waiting:
            return False
        self._stream.take()
        self._woken_s.append(self._monotonic())
        return True

    def end_look(self) -> None:
        """Note that a look ended; what changed during it wakes again."""
        self._looked_s = self._monotonic()


def start_stream(settings: Settings, status: Status, *, live: bool) -> OkxStream | None:
    """Start the account's stream and return it; None, with the reason in the status, where it cannot be one."""
    try:
        stream = OkxStream(settings, live=live)
    except PairityError as error:
        status.stream = {"state": "off", "reason": error.what}
        return None
    stream.start()
    return stream


def show_stream(stream: OkxStream, status: Status) -> None:
    """Put the present state of the stream into the status."""
    shown = asdict(stream.describe())
    status.stream = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in shown.items()}
