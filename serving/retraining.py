"""Daily retraining as a process of its own: started when due, watched, ended with its parent.

The trading process knows nothing of training: it starts `pairity retrain --once` and reads the exit code and the last
line. Decisions are never delayed. However the job ends, the champion stays unless a new version passed the gate.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from pairity.child_environment import make_child_environment
from pairity.durable import open_log
from pairity.errors import JournalError, PrivacyError
from pairity.layout import Layout
from pairity.number_formats import format_plain
from pairity.schedule import find_due_slot, parse_time_of_day
from pairity.secret_names import SECRET_SETTINGS
from pairity.setting_types import Section
from pairity.settings import DOTENV_VARIABLE, IGNORE_DOTENV, SIGNING_KEY_VARIABLE, Settings
from pairity.timeline import Clock
from serving.alerts.direct import tell_directly
from serving.alerts.events import Events
from serving.error_states import describe
from serving.journal import Journal, Retraining
from serving.retraining_outcome import Told, tell_end, tell_left_out, tell_lost
from serving.shutdown import finish_unless_stopped
from serving.status import Status
from venue.clock import SteppedClock

_STOP_S = 15.0
_SCHEDULER = "pairity retrain"
"""Who speaks where no trading process does."""
_NOT_FOR_TRAINING = frozenset({"exchange", "sources", "alerts"})
"""Sections of settings with secrets: training needs no venue and no source, and tells nobody."""


@dataclass(frozen=True, slots=True)
class JobEnd:
    """End of a job: its exit code (negative: the signal that ended it) and its last line."""

    exit_code: int
    summary: str

    def __str__(self) -> str:
        return self.summary if self.exit_code == 0 else f"failed with exit code {self.exit_code}: {self.summary}"


Command = Callable[[datetime], Sequence[str]]


def make_retrain_command(known_at: datetime) -> list[str]:
    """Return the command that trains on what was known at an instant."""
    return [sys.executable, "-m", "pairity_cli", "retrain", "--once", "--as-known-at", known_at.isoformat()]


async def run_job(settings: Settings, command: Sequence[str]) -> JobEnd:
    """Run a job, its output in `retrain.log`, and return its end.

    A job that takes too long is terminated, as is a cancelled one. It gets the settings of this process, credentials
    excepted, and a session of its own: Ctrl-C reaches it through us.
    """
    log = Layout.of(settings).retrain_log
    with open_log(log) as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=make_environment(settings),
            start_new_session=True,
        )
    try:
        async with asyncio.timeout(settings.retrain.limit_hours * 3600):
            code = await process.wait()
    except TimeoutError:
        await _terminate(process)
        return JobEnd(
            process.returncode or 1, f"ended: it took more than {format_plain(settings.retrain.limit_hours)} h"
        )
    finally:
        await _terminate(process)
    return JobEnd(code, _read_last_line(log, code))


def make_environment(settings: Settings) -> dict[str, str]:
    """Return the environment in which a job reads these very settings, wherever they came from, and no credentials.

    It does not read `.env` either: what that file says of other sections is passed on, and the keys are not.
    """
    ours = {"PAIRITY_HOME": str(settings.root), DOTENV_VARIABLE: IGNORE_DOTENV}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, Section) and name not in _NOT_FOR_TRAINING:
            # A secret is dumped as asterisks, which are no token: it is left out.
            plain = value.model_dump(mode="json", exclude=set(SECRET_SETTINGS.get(name, ())))
            ours[f"PAIRITY_{name.upper()}"] = json.dumps(plain)
    if SIGNING_KEY_VARIABLE in os.environ:
        ours[SIGNING_KEY_VARIABLE] = os.environ[SIGNING_KEY_VARIABLE]  # a path: the job signs with our key
    return make_child_environment(ours)


class Retrainer:
    """Retraining of the trading process: due once a day, at most one at a time, journalled, its end an event.

    A slot that passed while the process was down is made up for once. Before the first retraining in the journal, the
    next slot is awaited.
    """

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
        self._set_status(f"next due at {self.due():%Y-%m-%d %H:%M}")

    def due(self) -> datetime:
        """Return when to start the next retraining; an instant that has passed means at once."""
        return find_due_slot(self._at, self._last, self._clock.now())

    async def start(self, due: datetime) -> None:
        """Start the retraining that was due then, unless one is still running; return at once.

        A stepped clock stands still until the job has ended: what a replay promotes, and when, must not depend on how
        fast the machine trains.
        """
        self._last = due
        if self._task is not None and not self._task.done():
            self._say(f"retraining of {due:%Y-%m-%d %H:%M} left out: the one before is still running")
            self._tell(due, tell_left_out(due))
            return
        started = Retraining(due_at=due, run_id=self._run_id, started_at=self._clock.now())
        self._journal.models.begin_retraining(started)
        self._set_status(f"running, due {due:%Y-%m-%d %H:%M}")
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
            ended = await run_job(self._settings, self._command(started.started_at))
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
        self._say(f"retraining of {started.due_at:%Y-%m-%d %H:%M}: {message}")

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
                ended = await run_job(settings, command(clock.now()))
            except (OSError, PrivacyError) as error:
                said, told = f"could not be started: {error}", tell_end(due, None, f"could not be started: {error}")
            else:
                said, told = str(ended), tell_end(due, ended.exit_code, ended.summary)
            say(f"retraining of {due:%Y-%m-%d %H:%M}: {said}")
            await tell_directly(
                settings.alerts, _SCHEDULER, told.text, clock.now(), severity=told.severity, kind="retraining"
            )

        if not await finish_unless_stopped(stop, job()):
            say(f"retraining of {due:%Y-%m-%d %H:%M}: ended on request")


async def _terminate(process: asyncio.subprocess.Process) -> None:
    """Terminate a process, wait, and kill it if it does not end; do nothing where it has ended."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_STOP_S):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _read_last_line(log: Path, code: int) -> str:
    """Return the last line of a job's output; after a failure its error message, if there is one."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    if code != 0:
        lines = [line for line in lines if line.startswith("error: ")] or lines
    return lines[-1].removeprefix("error: ") if lines else "no output"
