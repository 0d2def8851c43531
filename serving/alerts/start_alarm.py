"""Alarm of a start that waits for the venue: neither journal nor alert service is open then, so it is told directly."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

from pairity.alert_settings import AlertSettings
from serving.alerts.direct import tell_directly
from serving.alerts.emergency import AFTER_S, AGAIN_S


class StartAlarm:
    """Alarm of one start. `source` says which process speaks, such as `pairity paper`."""

    def __init__(
        self,
        settings: AlertSettings,
        source: str,
        *,
        after_s: float = AFTER_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._source = source
        self._after_s = after_s
        self._monotonic = monotonic
        self._since_s: float | None = None
        self._next_s = 0.0
        self._task: asyncio.Task[None] | None = None

    def note(self, what: str) -> None:
        """Note a try that failed, and why: after a minute of them it is told, and again every hour. It never waits."""
        now_s = self._monotonic()
        if self._since_s is None:
            self._since_s, self._next_s = now_s, now_s + self._after_s
        if now_s >= self._next_s:
            self._next_s = now_s + AGAIN_S
            minutes = int((now_s - self._since_s) // 60)
            text = f"the process starts, and cannot use the venue for {minutes} min: {what}; stops stay on the venue"
            self._task = asyncio.ensure_future(self._tell(text))

    async def close(self) -> None:
        """End what is being told."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _tell(self, text: str) -> None:
        await tell_directly(self._settings, self._source, text, datetime.now(UTC))
