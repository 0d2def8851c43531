"""The trading loop: one decision per closed bar and a watch between them, until a stop is requested."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Generic, Protocol, TypeVar

from pairity.backoff import Backoff
from pairity.timeline import HOUR, ceil_to, last_closed
from serving.announcing import describe_start
from serving.child_jobs import DailyJob
from serving.cycle import Cycle
from serving.error_states import describe
from serving.metrics import SKIPPED
from serving.parts import DecidingParts, GuardParts, Parts
from serving.report import DECISION, Reporter, ServeReport
from serving.shutdown import finish_unless_stopped
from serving.status import DECIDING, STOPPED
from serving.watch import Watch

OPENING = "opening"
"""Cause of guarding while what decides (model, features) cannot be opened."""
_TRIES = 6
"""Tries at one decision: 15, 30, … seconds apart, so that the last is some eight minutes after the first."""
_RETRIES = Backoff(first_s=15.0, cap_s=240.0)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)

P = TypeVar("P", bound=DecidingParts)


class DecidingCycle(Protocol):
    """One decision after another."""

    async def resume(self) -> None:
        """Carry out what the last decision of an earlier process still asks for."""
        ...

    async def run(self, close: datetime, *, last_try: bool = True) -> object | None:
        """Decide on the bar that closed at `close` and carry it out; None where that failed."""
        ...


class DecidingLoop(ABC, Generic[P]):
    """Loop of one decision per interval until a stop is requested; a cycle that has begun is always finished.

    `open_parts` opens what decides; until it succeeds the loop guards what is open.
    """

    def __init__(self, guard: GuardParts, open_parts: Callable[[], Awaitable[P]]) -> None:
        self._guard = guard
        self._open_parts = open_parts
        self._clock = guard.clock
        self._settings = guard.settings
        self._supervisor = guard.supervisor
        self._interval = timedelta(minutes=guard.settings.serve.interval_minutes)
        self._reporter = Reporter(guard)
        self._watch = self._make_watch()
        self._not_before: dict[str, datetime] = {}
        self._stop = asyncio.Event()

    @abstractmethod
    def _make_watch(self) -> Watch:
        """Return the watch over what is traded."""

    @abstractmethod
    def _begin(self, parts: P) -> DecidingCycle:
        """Say what trades from here on, and return the cycle of its decisions."""

    def _find_decision(self, close: datetime) -> datetime:
        """Return the close of the bar that is decided on next, where `close` is that of the next bar."""
        return close

    def stop(self) -> None:
        """Finish the cycle that is running and end; positions stay, with their stops on the venue."""
        self._stop.set()

    async def run(self, cycles: int | None = None, *, before_end: Callable[[], None] = lambda: None) -> ServeReport:
        """Trade `cycles` bars, or until stopped. What fails is a state (`serving.supervisor`), not an end.

        `before_end` ends the taking of requests: those that were taken until then are carried out before the loop ends.
        """
        try:
            report = await self._run(cycles)
            report.journal_s = self._guard.journal.spent_s
            before_end()
            if self._watch.has_requests():
                await self._watch.look(entries=False)
            self._guard.status.state = STOPPED
            return report
        finally:
            await self._watch.leave()

    async def _run(self, cycles: int | None) -> ServeReport:
        status, report = self._guard.status, self._reporter.report
        parts = await self._open()
        if parts is None:
            return report
        cycle = self._begin(parts)
        await cycle.resume()
        parts.progress.stage("decisions", cycles or 0)
        while not self._stop.is_set() and (cycles is None or report.cycles < cycles):
            # A microsecond later: at the very instant of a close, the next bar is the one to wait for.
            close = ceil_to(self._clock.now() + timedelta(microseconds=1), self._interval)
            status.state = f"waiting for the bar that closes at {close:%Y-%m-%d %H:%M} UTC"
            self._guard.sightings.next_decision_at = self._find_decision(close) + self._settings.features.decision_lag
            if not await self._wait_for(close + timedelta(seconds=self._settings.serve.grace_s), parts):
                break
            close = self._take_newest(close)
            if not await self._decide(cycle, close, parts):
                break
            report.cycles += 1
            parts.progress.advance(1, f"{close:%m-%d %H:%M} {status.action or ''}")
        await self._watch.end_entries()
        return report

    def _take_newest(self, close: datetime) -> datetime:
        """Return the newest bar that has closed: a machine that slept must not trade on the bar it slept through."""
        with self._supervisor.covering("time"):
            newest = last_closed(self._clock.now() - timedelta(seconds=self._settings.serve.grace_s), self._interval)
            if newest > close:
                said = f"no decision on bars from {close:%Y-%m-%d %H:%M} to before {newest:%Y-%m-%d %H:%M} UTC"
                self._reporter.add_problems([f"{said}: this process stood still"])
                return newest
        return close

    async def _open(self) -> P | None:
        """Open what decides, and guard until that succeeds; None if a stop was requested before."""
        parts, tries = None, 0
        while parts is None:
            with self._supervisor.covering(OPENING):
                parts = await self._open_parts()
            if parts is None:
                self._guard.status.state = "guarding what is open: nothing can be decided yet"
                await self._watch.look()
                if not await self._wait_for(self._clock.now() + timedelta(seconds=_RETRIES.delay_s(tries)), None):
                    return None
                tries += 1
        return parts

    async def _decide(self, cycle: DecidingCycle, close: datetime, parts: P) -> bool:
        """Decide on a bar, several times where it fails; return False if a stop was requested between two tries."""
        for attempt in range(_TRIES):
            self._guard.status.state = DECIDING
            self._guard.pulse.beat()
            last_try = attempt == _TRIES - 1
            spent = self._reporter.report.spent
            with spent.stage(DECISION):
                decided = await cycle.run(close, last_try=last_try)
            self._guard.metrics.observe_steps(spent.seconds)
            if decided is not None:
                return True
            if not last_try:
                self._guard.status.state = f"trying again to decide on {close:%Y-%m-%d %H:%M} UTC"
                wait = timedelta(seconds=_RETRIES.delay_s(attempt))
                if not await self._wait_for(self._clock.now() + wait, parts):
                    return False
        self._reporter.report.actions[SKIPPED] += 1
        self._guard.metrics.count_skipped()
        return True

    async def _wait_for(self, instant: datetime, parts: P | None) -> bool:
        """Sleep, watch, and start jobs that fall due meanwhile; return False if a stop was requested."""
        while True:
            look_at = self._watch.due()
            if look_at is not None and look_at + self._watch.took >= instant:
                look_at = None  # it would make the decision late, which looks by itself
            job, job_at = self._find_next_job(() if parts is None else parts.jobs)
            due = min((at for at in (look_at, job_at) if at is not None), default=instant)
            may_wake = self._has_time_to_look(instant)
            if not await self._sleep_until(min(due, instant), may_wake=may_wake):
                return False
            if may_wake and self._clock.now() < min(due, instant):
                if self._has_time_to_look(instant):
                    await self._watch.look()
            elif due >= instant:
                return True
            elif job is not None and due == job_at:
                if not await self._start(job, due):
                    return False
            else:
                await self._watch.look()

    def _has_time_to_look(self, instant: datetime) -> bool:
        """Return whether a look would be over by then: the decision must not be late, and looks by itself."""
        return self._clock.now() + self._watch.took < instant

    def _find_next_job(self, jobs: Sequence[DailyJob]) -> tuple[DailyJob | None, datetime | None]:
        """Return the job that is started next, and when; None without any."""
        times = [(max(job.due(), self._not_before.get(job.name, _LONG_AGO)), job) for job in jobs]
        at, job = min(times, key=lambda one: one[0], default=(None, None))
        return job, at

    async def _start(self, job: DailyJob, due: datetime) -> bool:
        """Start a job; return False if a stop was requested. One that cannot be started is tried in an hour."""
        try:
            return await finish_unless_stopped(self._stop, job.start(job.due()))
        except Exception as error:  # noqa: BLE001 - trading does not depend on it
            self._not_before[job.name] = due + HOUR
            self._reporter.add_problems([f"the {job.name} was not started: {describe(error)}"])
            return True

    async def _sleep_until(self, instant: datetime, *, may_wake: bool = False) -> bool:
        """Sleep, with `may_wake` until the stream wakes; return False if a stop was requested meanwhile.

        A clock that fails is waited for.
        """
        while not self._stop.is_set():
            self._guard.pulse.beat()
            with self._supervisor.covering("time"):
                job = (
                    self._watch.wakes.sleep_until(self._clock, instant)
                    if may_wake
                    else self._clock.sleep_until(instant)
                )
                return await finish_unless_stopped(self._stop, job)
            # The venue's clock cannot be asked: real seconds pass until it can.
            await finish_unless_stopped(self._stop, asyncio.sleep(1.0))
        return False


class TradingLoop(DecidingLoop[Parts]):
    """Loop of pairs, by the champion."""

    def _make_watch(self) -> Watch:
        return Watch(self._guard)

    def _begin(self, parts: Parts) -> DecidingCycle:
        for line in describe_start(self._settings, self._guard.status, parts.champion.ref):
            parts.progress.say(line)
        return Cycle(parts, self._watch, self._reporter)
