"""The daily check of parity as a process of its own: what was decided on against the offline store.

The trading process starts `pairity parity --job`, which runs with low priority and keeps its verdict; the next look
takes that up. A check that fails is told, and tried again the next day: it stops nothing by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Sequence
from datetime import datetime

from pairity.errors import PrivacyError
from pairity.layout import Layout
from pairity.schedule import find_due_slot, parse_time_of_day
from pairity.settings import Settings
from pairity.timeline import Clock
from serving.alerts.events import Events
from serving.child_jobs import run_job
from serving.journal import Journal
from serving.journal.event_records import Severity
from venue.clock import SteppedClock


def make_parity_command() -> list[str]:
    """Return the command that checks what no check has compared yet."""
    return [sys.executable, "-m", "pairity_cli", "parity", "--job"]


class ParityJob:
    """Check of the trading process: due once a day, at most one at a time.

    A slot that passed while the process was down is made up for once. Before the first verdict in the journal, the next
    slot is awaited.
    """

    name = "parity check"

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        journal: Journal,
        events: Events,
        say: Callable[[str], None],
        command: Callable[[], Sequence[str]] = make_parity_command,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._events = events
        self._say = say
        self._command = command
        self._at = parse_time_of_day(settings.parity.at)
        known = [verdict.recorded_at for verdict in journal.verdicts.all() if verdict.by == "job"]
        self._last = max((at for at in known if at is not None), default=clock.now())
        self._task: asyncio.Task[None] | None = None

    def due(self) -> datetime:
        """Return when to start the next check; an instant that has passed means at once."""
        return find_due_slot(self._at, self._last, self._clock.now())

    async def start(self, due: datetime) -> None:
        """Start the check that was due then, unless one is still running; a stepped clock stands still for it."""
        self._last = due
        if self._task is not None and not self._task.done():
            self._tell(due, "was left out: the one before is still running")
            return
        self._task = asyncio.create_task(self._run(due))
        if isinstance(self._clock, SteppedClock):
            await asyncio.shield(self._task)

    async def aclose(self) -> None:
        """End a check that is running: the next one compares what it would have compared."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self, due: datetime) -> None:
        log, limit = Layout.of(self._settings).parity_log, self._settings.parity.limit_hours
        try:
            ended = await run_job(self._settings, self._command(), log, limit)
        except (OSError, PrivacyError) as error:
            self._tell(due, f"could not be started: {error}")
            return
        if ended.exit_code != 0:
            self._tell(due, str(ended))
        self._say(f"parity check of {due:%Y-%m-%d %H:%M} UTC: {ended}")

    def _tell(self, due: datetime, what: str) -> None:
        text = f"the parity check of {due:%Y-%m-%d %H:%M} UTC {what}; the next one compares those decisions too"
        self._events.record("parity", Severity.WARNING, text, key=f"parity job:{due.isoformat()}:{what[:20]}")
        self._events.flush()
