"""The trading loop: one decision per closed bar, until a stop is requested."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from pairity.timeline import ceil_to
from serving.cycle import Cycle
from serving.parts import Parts
from serving.report import DECISION, Reporter, ServeReport
from serving.shutdown import finish_unless_stopped


class TradingLoop:
    """Loop of one decision per interval until a stop is requested; a cycle that has begun is always finished."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._settings = parts.settings
        self._interval = timedelta(minutes=parts.settings.serve.interval_minutes)
        self._reporter = Reporter(parts)
        self._cycle = Cycle(parts, self._reporter)
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Finish the cycle that is running and end; positions stay, with their stops on the venue."""
        self._stop.set()

    async def run(self, cycles: int | None = None) -> ServeReport:
        """Trade `cycles` bars, or until stopped. Raises TradingError and others where going on would be unsafe."""
        parts, report = self._parts, self._reporter.report
        await self._cycle.resume()
        parts.progress.stage("decisions", cycles or 0)
        while not self._stop.is_set() and (cycles is None or report.cycles < cycles):
            # A microsecond later: at the very instant of a close, the next bar is the one to wait for.
            close = ceil_to(parts.clock.now() + timedelta(microseconds=1), self._interval)
            parts.status.state = f"waiting for the bar that closes at {close:%Y-%m-%d %H:%M}"
            if not await self._wait_for(close + timedelta(seconds=self._settings.serve.grace_s)):
                break
            parts.status.state = "deciding"
            with report.spent.stage(DECISION):
                await self._cycle.run(close)
            report.cycles += 1
            parts.progress.advance(1, f"{close:%m-%d %H:%M} {parts.status.action or ''}")
        parts.status.state = "stopped"
        return report

    async def _wait_for(self, instant: datetime) -> bool:
        """Sleep, and start a retraining that falls due meanwhile; return False if a stop was requested."""
        retrainer = self._parts.retrainer
        while retrainer is not None and (due := retrainer.due()) <= instant:
            if not (await self._sleep_until(due) and await finish_unless_stopped(self._stop, retrainer.start(due))):
                return False
        return await self._sleep_until(instant)

    async def _sleep_until(self, instant: datetime) -> bool:
        """Sleep; return False if a stop was requested meanwhile."""
        return await finish_unless_stopped(self._stop, self._parts.clock.sleep_until(instant))
