"""Daily retraining as a process of its own: started when due, watched, ended with its parent.

The trading process knows nothing of training: it starts `pairity retrain --once` and reads the exit code and the last
line. Decisions are never delayed. However the job ends, the champion stays unless a new version passed the gate.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from pairity.errors import JournalError, PrivacyError
from pairity.layout import Layout
from pairity.schedule import find_due_slot, parse_time_of_day
from pairity.settings import Settings
from pairity.timeline import Clock
from serving.alerts.direct import tell_directly
from serving.alerts.events import Events
from serving.child_jobs import JobEnd, run_job
from serving.error_states import describe
from serving.journal import Journal, Retraining
from serving.retraining_outcome import Told, tell_end, tell_left_out, tell_lost
from serving.shutdown import finish_unless_stopped
from serving.status import Status
from venue.clock import SteppedClock

_SCHEDULER = "pairity retrain"
"""Who speaks where no trading process does."""

Command = Callable[[datetime], Sequence[str]]


def make_retrain_command(known_at: datetime) -> list[str]:
    """Return the command that trains on what was known at an instant."""
    return [sys.executable, "-m", "pairity_cli", "retrain", "--once", "--as-known-at", known_at.isoformat()]


async def run_retraining(settings: Settings, command: Sequence[str]) -> JobEnd:
    """Run a retraining, its output in `retrain.log`, and return its end; it may take `retrain.limit_hours`."""
    return await run_job(settings, command, Layout.of(settings).retrain_log, settings.retrain.limit_hours)


class Retrainer:
    """Retraining of the trading process: due once a day, at most one at a time, journalled, its end an event.

    A slot that passed while the process was down is made up for once. Before the first retraining in the journal, the
    next slot is awaited.
    """

    name = "retraining"

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        journal: Journal,
        run_id: str,
        status: Status,
        events: Events,
        say: Callable[[str], None],
        command: Command = make_retrain_command,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._journal = journal
        self._run_id = run_id
        self._status = status
        self._events = events
        self._say = say
        self._command = command
        self._at = parse_time_of_day(settings.retrain.at)
        self._last = journal.models.last_retraining_due() or clock.now()
        for lost in (row for row in journal.models.retrainings() if row.ended_at is None):
            self._tell(lost.due_at, tell_lost(lost.due_at))
        self._task: asyncio.Task[None] | None = None
        self._set_status(f"next due at {self.due():%Y-%m-%d %H:%M} UTC")

    def due(self) -> datetime:
        """Return when to start the next retraining; an instant that has passed means at once."""
        return find_due_slot(self._at, self._last, self._clock.now())

    async def start(self, due: datetime) -> None:
        """Start the retraining that was due then, unless one is still running; return at once.

        A stepped clock stands still until the job has ended: what a replay promotes, and when, must not depend on how
        fast the machine trains. One that the journal does not take stays due (JournalError).
        """
        if self._task is not None and not self._task.done():
            self._last = due
            self._say(f"retraining of {due:%Y-%m-%d %H:%M} UTC left out: the one before is still running")
            self._tell(due, tell_left_out(due))
            return
        started = Retraining(due_at=due, run_id=self._run_id, started_at=self._clock.now())
        self._journal.models.begin_retraining(started)
        self._last = due
        self._set_status(f"running, due {due:%Y-%m-%d %H:%M} UTC")
        self._task = asyncio.create_task(self._run(started))
        if isinstance(self._clock, SteppedClock):
            # Shielded: a stop ends the waiting here, while the job is ended, and journalled, by `aclose`.
            await asyncio.shield(self._task)

    async def aclose(self) -> None:
        """End a job that is running, and journal that it was."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self, started: Retraining) -> None:
        try:
            ended = await run_retraining(self._settings, self._command(started.started_at))
        except asyncio.CancelledError:
            self._book(started, None, "ended with the trading process")
            raise
        except (OSError, PrivacyError) as error:
            self._book(started, None, f"could not be started: {error}")
        else:
            self._book(started, ended.exit_code, ended.summary)

    def _book(self, started: Retraining, code: int | None, summary: str) -> None:
        """Journal the end, and tell it; what the journal does not take is told all the same."""
        ended = replace(started, ended_at=self._clock.now(), exit_code=code, summary=summary)
        message = str(JobEnd(code, summary)) if code is not None else summary
        try:
            self._journal.models.end_retraining(ended)
        except JournalError as error:
            message += f" (not journalled: {describe(error)})"
        self._tell(started.due_at, tell_end(started.due_at, code, summary))
        self._set_status(f"{started.due_at:%Y-%m-%d %H:%M}: {message}")
        self._say(f"retraining of {started.due_at:%Y-%m-%d %H:%M} UTC: {message}")

    def _tell(self, due: datetime, told: Told) -> None:
        """Make an event, once for each slot and outcome; written at once, since the process may be ending."""
        self._events.record(
            "retraining", told.severity, told.text, f"{due:%Y-%m-%d %H:%M}", key=f"retraining:{due.isoformat()}"
        )
        self._events.flush()

    def _set_status(self, text: str) -> None:
        self._status.retraining = text


async def retrain_daily(
    settings: Settings,
    clock: Clock,
    stop: asyncio.Event,
    say: Callable[[str], None],
    command: Command = make_retrain_command,
) -> None:
    """Retrain at `retrain.at` every day until `stop` is set; a failure is reported, and the next run happens anyway.

    The destinations of alerts are told of each end, once: there is no journal here to try again from.
    """
    at, last = parse_time_of_day(settings.retrain.at), clock.now()
    while not stop.is_set():
        due = find_due_slot(at, last, clock.now())
        if due > clock.now():
            say(f"next retraining at {due:%Y-%m-%d %H:%M} UTC")
        if not await finish_unless_stopped(stop, clock.sleep_until(due)):
            return
        last = due

        async def job(due: datetime = due) -> None:
            try:
                ended = await run_retraining(settings, command(clock.now()))
            except (OSError, PrivacyError) as error:
                said, told = f"could not be started: {error}", tell_end(due, None, f"could not be started: {error}")
            else:
                said, told = str(ended), tell_end(due, ended.exit_code, ended.summary)
            say(f"retraining of {due:%Y-%m-%d %H:%M} UTC: {said}")
            await tell_directly(
                settings.alerts, _SCHEDULER, told.text, clock.now(), severity=told.severity, kind="retraining"
            )

        if not await finish_unless_stopped(stop, job()):
            say(f"retraining of {due:%Y-%m-%d %H:%M} UTC: ended on request")
