"""What a replay may give the trading process in place of its own parts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pairity.journal_place import JournalPlace
from pairity.settings import ExchangeSettings, Settings
from pairity.timeline import Clock
from pairity.trading_settings import ServeSettings
from serving.execution.pace import Pace
from serving.hourly_data import HourlyData
from serving.journal import Journal
from serving.models.deciding_model import DecidingBook, DecidingModel
from venue.clock import clock_for


@dataclass(frozen=True, kw_only=True)
class StandIns:
    """Parts in place of the trading process's own; None: its own."""

    open_data: Callable[[Settings, Clock], HourlyData] | None = None
    open_champion: Callable[[], DecidingModel] | None = None
    book: DecidingBook | None = None
    """Version of a book that decides in place of a champion."""
    make_pace: Callable[[ServeSettings], Pace] = Pace.of
    open_journal: Callable[[JournalPlace], Journal] = Journal.open
    open_clock: Callable[[ExchangeSettings], Awaitable[Clock]] = clock_for


class VirtualWaiting:
    """Waiting that takes no real time: execution's deadlines count what was asked for instead.

    For a stepped exchange that does at once whatever it is asked: while execution waits, its clock stands anyway.
    """

    def __init__(self) -> None:
        self.waited_s = 0.0
        """Seconds that execution asked for so far."""

    def make_pace(self, settings: ServeSettings) -> Pace:
        """Return the pace of the settings, in virtual seconds."""
        own = Pace.of(settings)
        return Pace(
            poll_s=own.poll_s,
            deadline_s=own.deadline_s,
            leg_deadline_s=own.leg_deadline_s,
            sleep=self._sleep,
            monotonic=self._monotonic,
        )

    async def _sleep(self, seconds: float) -> None:
        self.waited_s += seconds
        await asyncio.sleep(0)

    def _monotonic(self) -> float:
        return time.monotonic() + self.waited_s
