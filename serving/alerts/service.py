"""The alert service: planning and delivery of messages in a thread of their own, beside trading.

The thread has an event loop and connections to the journal of its own. Trading shares two things with it: the list of
events that wait for the journal, and the journal's file. A destination that hangs, floods or is gone costs this thread
its time, and nobody else's; whatever fails in here is noted and tried again, and never ends anything.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING

from pairity.alert_settings import AlertSettings, DestinationSettings
from pairity.errors import PairityError
from pairity.settings import Settings
from serving.alerts.daily import UNWATCHED_AFTER, describe_day
from serving.alerts.direct import make_direct_message
from serving.alerts.emergency import run_emergency
from serving.alerts.events import Events
from serving.alerts.outbox import Outbox, run_dead_man, run_outbox
from serving.alerts.planner import Planner
from serving.alerts.sending import Outcome, open_session, send_get, send_post
from serving.alerts.shapes import shape_post
from serving.error_states import describe, may_be_survived
from serving.journal import Journal
from serving.journal.event_records import Delivery, Severity
from serving.status import Status

if TYPE_CHECKING:
    import aiohttp

_LOOK_S = 1.0
_ENDING_S = 0.5
_PLAN_S = 15.0
"""Real seconds between two plans without new events: windows end and escalations fall due meanwhile."""
_FAILED_S = 30.0
_LAST_WORDS_S = 3.0
"""Seconds that the end of the process waits for the messages about it."""


class AlertService:
    """Alerts of one process, while the `with` block runs. Without destinations and monitor there is no thread.

    `now` is the clock in use, `read` returns the status, `count` hears how each try to deliver ended.
    """

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        events: Events,
        read: Callable[[], Status],
        now: Callable[[], datetime],
        count: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._settings, self._left_out = _leave_out_incomplete(settings.alerts)
        self._unwatched_after_s = max(UNWATCHED_AFTER.total_seconds(), 3 * settings.serve.watch_s)
        self._journal = journal
        self._events = events
        self._read = read
        self._now = now
        self._count = count
        self._source = f"pairity {read().mode}"
        self._planner = Planner(journal, self._settings, self._describe_day)
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self.failures: dict[str, str] = {}
        """What fails inside, by part; empty where all works."""

    def __enter__(self) -> AlertService:
        for fault in self._left_out:
            self._events.record("delivery", Severity.WARNING, f"alerts: {fault}")
        if self._settings.destinations or self._settings.dead_man_url is not None:
            # A daemon: a process that ends does not wait for a webhook longer than `__exit__` does.
            self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if error is None:
            self._events.record("process", Severity.INFO, "the process ends as it was asked to")
        else:
            said = f"the process ends: {describe(error)}"
            self._events.record("process", Severity.CRITICAL, f"{said}; stops stay on the venue")
        self._events.flush()
        self._ending.set()
        if self._thread is not None:
            self._thread.join(_LAST_WORDS_S + 2.0)

    def is_well(self) -> bool:
        """Return whether the outside monitor may be told that the process lives: its watch succeeds."""
        return self._explain_unwatched() is None

    def _run(self) -> None:
        try:
            asyncio.run(self._work())
        except BaseException as error:  # noqa: BLE001 - the thread's own end: nothing above it could take it
            self.failures["thread"] = describe(error)

    async def _work(self) -> None:
        session = await open_session()
        more = {destination.name: asyncio.Event() for destination in self._settings.destinations}
        jobs = [self._keep_on("planning", partial(self._plan, more))]
        for destination in self._settings.destinations:
            name = destination.name
            deliver = partial(self._deliver, self._make_outbox(session, destination), more[name])
            jobs.append(self._keep_on(name, deliver))
        jobs.append(self._keep_on("emergency", partial(self._tell_directly, session)))
        if self._settings.dead_man_url is not None:
            jobs.append(self._keep_on("dead man", partial(self._signal, session)))
        tasks = [asyncio.ensure_future(job) for job in jobs]
        try:
            while not self._ending.is_set():
                await asyncio.sleep(_ENDING_S)
            await self._say_last_words(more)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await session.close()

    async def _keep_on(self, part: str, job: Callable[[], Awaitable[None]]) -> None:
        """Run a part for ever: what it raises is noted, and it begins again after a pause."""
        while True:
            try:
                await job()
            except BaseException as error:
                if not may_be_survived(error):
                    raise
                self.failures[part] = describe(error)
                await asyncio.sleep(_FAILED_S)

    async def _plan(self, more: dict[str, asyncio.Event]) -> None:
        """Plan whenever events were written, and every now and then."""
        while True:
            self._events.changed.clear()
            self._planner.plan(datetime.now(UTC))
            self.failures.pop("planning", None)
            for event in more.values():
                event.set()
            waited = 0.0
            while waited < _PLAN_S and not self._events.changed.is_set():
                await asyncio.sleep(_LOOK_S)
                waited += _LOOK_S

    async def _deliver(self, outbox: Outbox, more: asyncio.Event) -> None:
        async def wait_for_more() -> None:
            await more.wait()
            more.clear()

        await run_outbox(outbox, asyncio.sleep, wait_for_more)

    async def _tell_directly(self, session: aiohttp.ClientSession) -> None:
        by_name = {destination.name: destination for destination in self._settings.destinations}

        async def send(name: str, text: str) -> Outcome:
            message = make_direct_message(self._journal.scope, name, text, datetime.now(UTC))
            return await self._send(session, by_name[name], message)

        await run_emergency(self._explain_journal, list(by_name), send, asyncio.sleep)

    def _explain_journal(self) -> str | None:
        """Return why the journal takes nothing; None where it does."""
        return self._read().causes.get("journal") or self._events.failure

    async def _signal(self, session: aiohttp.ClientSession) -> None:
        assert self._settings.dead_man_url is not None
        url, timeout_s = self._settings.dead_man_url.get_secret_value(), self._settings.timeout_s
        await run_dead_man(
            self.is_well,
            lambda: send_get(session, url, timeout_s),
            self._events,
            asyncio.sleep,
            period_s=self._settings.dead_man_minutes * 60.0,
        )

    async def _say_last_words(self, more: dict[str, asyncio.Event]) -> None:
        """Give the messages about the end a moment; what is not delivered by then waits for the next start."""
        try:
            async with asyncio.timeout(_LAST_WORDS_S):
                self._planner.plan(datetime.now(UTC))
                for event in more.values():
                    event.set()
                while any(self._journal.deliveries.count_waiting(name) for name in more):
                    await asyncio.sleep(0.05)
        except (TimeoutError, PairityError):
            return

    def _make_outbox(self, session: aiohttp.ClientSession, destination: DestinationSettings) -> Outbox:
        pages, most = self._journal.deliveries, self._settings.max_tries
        send = partial(self._send, session, destination)
        return Outbox(destination.name, pages, self._events, send, max_tries=most)

    async def _send(
        self, session: aiohttp.ClientSession, destination: DestinationSettings, message: Delivery
    ) -> Outcome:
        post = shape_post(self._settings, destination, message, self._source)
        outcome = await send_post(session, post, self._settings.timeout_s)
        self._count("delivered" if outcome.delivered else "failed")
        return outcome

    def _describe_day(self) -> tuple[Severity, str]:
        return describe_day(self._journal, self._read(), self._now(), self._explain_unwatched())

    def _explain_unwatched(self) -> str | None:
        age_s = self._events.heart.age_s()
        if age_s is None:
            return "the venue has not been seen since the start"
        return f"the venue was last seen {age_s:.0f} s ago" if age_s > self._unwatched_after_s else None


def _leave_out_incomplete(settings: AlertSettings) -> tuple[AlertSettings, list[str]]:
    """Return the settings with the destinations that can be sent to alone, and what is wrong with the others.

    A process that guards open positions starts all the same.
    """
    faults = {item.name: fault for item in settings.destinations if (fault := settings.find_fault(item)) is not None}
    usable = tuple(item for item in settings.destinations if item.name not in faults)
    escalate_to = tuple(name for name in settings.escalate_to if name not in faults)
    changes = {"destinations": usable, "escalate_to": escalate_to}
    return (settings.model_copy(update=changes) if faults else settings), list(faults.values())
