"""The watch: a look at the venue between decisions, and what a person asked for.

Each look takes up requests, makes journal and venue equal (a lost stop is placed again at once, an exit that the venue
refused is tried again), follows what the venue says of the instruments, and checks the clock. What it cannot confirm
becomes a cause of guarding; the next look that finds all well clears it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from pairity.backoff import Backoff
from pairity.errors import VenueError
from pairity.number_formats import format_plain
from pairity.strategy.types import PairPosition
from serving.control.carrying import CLOSED_BY_PERSON, RequestDesk
from serving.execution.venue_records import Balance
from serving.instrument_watch import InstrumentWatch
from serving.journal import TradingState
from serving.journal.event_records import Severity
from serving.limits import Limiter
from serving.margin_mode import CAUSE as MARGIN_MODE
from serving.margin_mode import explain_orders, explain_positions
from serving.parity_desk import ParityDesk
from serving.parts import GuardParts
from serving.reconcile import Reconciler, ReconcileReport
from serving.reconcile.spaced_exits import SpacedExits
from serving.risk import LEVERAGE, explain_leverage
from serving.rivals import RivalWatch
from serving.sightings import Reconciliation
from serving.wakes import Wakes
from venue.clock import SteppedClock, SystemClock

T = TypeVar("T")
FLATTENED = "flatten"
"""Reason of an exit that a person asked for."""
_RESTING_LOOK_S = 5.0
"""Most seconds between two looks while a limit order of ours rests: each keeps the dead man's switch from striking."""


class AccountReconciler(Protocol):
    """What makes journal and venue equal at a look, of pairs or of a book."""

    exits: SpacedExits
    under_way: bool
    """Whether something that was decided is to be taken further at the next look, although nothing rests."""

    async def run(self, *, decided_exits: bool = False, entries: bool = True) -> ReconcileReport:
        """Do one pass, as `Reconciler.run` describes."""
        ...

    def forget_refusals(self) -> None:
        """Try again at the next pass what the venue refused."""
        ...


class Watch:
    """Watch over one account; `look` may be called at any time, and by the decision too.

    `make_reconciler` makes what reconciles, that of pairs without it; `assets` are watched, those of pairs without
    them.
    """

    def __init__(
        self,
        parts: GuardParts,
        make_reconciler: Callable[[RivalWatch, Limiter], AccountReconciler] | None = None,
        assets: Sequence[str] | None = None,
    ) -> None:
        self._parts = parts
        self._supervisor = parts.supervisor
        self._events = parts.events
        self._venue = parts.executor.desk.venue
        self._stepped = isinstance(parts.clock, SteppedClock)
        self._rivals = RivalWatch(
            self._venue,
            parts.journal,
            parts.clock,
            parts.contracts,
            # Whoever steps a clock is alone with it.
            signs=parts.settings.serve.lease and not self._stepped,
        )
        self.limiter = Limiter(parts)
        self._reconciler: AccountReconciler = (
            Reconciler(parts.executor, parts.settings, self._rivals)
            if make_reconciler is None
            else make_reconciler(self._rivals, self.limiter)
        )
        self._requests = RequestDesk(parts, self._rivals, self._reconciler.forget_refusals)
        self._interval_s = parts.settings.serve.watch_s
        self._parity = ParityDesk(
            parts.settings, parts.journal, parts.supervisor, parts.events, parts.sightings, parts.clock.now
        )
        self._idles = self._stepped and not parts.settings.serve.watch_stepped
        # After a failure sooner than usual: most outages last seconds. A stepped venue is stepped for each try.
        self._retries = Backoff(self._interval_s if self._stepped else min(2.0, self._interval_s), 60.0)
        self._failed = 0
        self._looked_at = parts.clock.now()
        self._instruments = InstrumentWatch(parts, parts.settings.universe.traded if assets is None else assets)
        self._said: set[str] = set()
        # A stepped clock is stepped, not slept on: what wakes a sleep would only break off a step.
        self.wakes = Wakes(parts.stream, queue=None if self._stepped else self._requests.queue)
        # Before the first look: a limit order that rests in the other mode must not be taken further.
        self._follow_margin([record.position for record in parts.journal.open_positions()])
        self._follow_leverage()
        self.took = timedelta(0)
        """How long the last look took, by the clock in use: an accelerated one runs on."""

    def due(self) -> datetime | None:
        """Return when to look next; None where a stepped clock is not to be stepped for it."""
        rests = self._parts.executor.rests
        waits = rests or self._reconciler.under_way
        if self._idles and self._supervisor.state is TradingState.TRADING and not waits:
            return None
        return self._next_look()

    def _next_look(self) -> datetime:
        wait_s = self._retries.delay_s(self._failed - 1) if self._failed else self._interval_s
        if self._idles:  # every look steps the venue, so looks move apart while nothing changes
            wait_s = max(wait_s, self._interval_s)
        if self._parts.executor.rests:
            wait_s = min(wait_s, _RESTING_LOOK_S)
        return self._looked_at + max(timedelta(seconds=wait_s), self.took)

    async def look_while(self, job: Coroutine[Any, Any, T]) -> T:
        """Await a job that may take minutes, and look meanwhile; a stepped clock stands still for it.

        The job is cancelled with the caller, and its error is raised.
        """
        task = asyncio.ensure_future(job)
        try:
            while not (self._stepped or task.done()):
                pause = asyncio.ensure_future(self.wakes.sleep_until(self._parts.clock, self._next_look()))
                try:
                    await asyncio.wait({task, pause}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    pause.cancel()
                    await asyncio.gather(pause, return_exceptions=True)
                if not task.done():
                    await self.look()
            return await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def end_entries(self) -> None:
        """Cancel limit orders that rest: the process ends, and what was filled stays, with its stops."""
        if self._parts.executor.rests:
            await self.look(entries=False)

    async def look(self, *, deciding: bool = False, entries: bool = True) -> ReconcileReport | None:
        """Look once; return what reconciliation saw, None where the venue could not be read.

        The account is measured every few minutes; a decision, before which this is called, measures it by itself.
        Limit orders that rest are cancelled without `entries`, and while the process is not trading.
        """
        supervisor, report, begun = self._supervisor, None, self._parts.clock.now()
        real_begun = time.perf_counter()
        self._parts.pulse.beat()
        woken = self.wakes.begin_look()
        self.take_requests()
        with supervisor.covering("parity verdicts"):
            self._parity.take_up()
        if self._rivals.unread:
            # What is taken over from the account must be nobody's.
            with supervisor.covering("signs of life"):
                await self._rivals.look({}, woken=woken)
        with supervisor.covering("venue"):
            decided = supervisor.state is not TradingState.HALTED
            entries = entries and supervisor.state is TradingState.TRADING
            report = await self._reconciler.run(decided_exits=decided, entries=entries)
        if report is not None:
            with supervisor.covering("signs of life"):
                await self._rivals.look(report.rivals, woken=woken)
            with supervisor.covering("reconciliation"):
                await self._follow_report(report)
            if not deciding and self.limiter.is_due(self._parts.clock.now()):
                with supervisor.covering("balance"):
                    await self.measure()
        self._looked_at = self._parts.clock.now()
        self.took = self._looked_at - begun
        self._failed = 0 if report is not None else self._failed + 1
        self._note_look(report)
        if report is not None:
            self._events.heart.beat()
        self.wakes.end_look()
        self._parts.pulse.beat()
        self._parts.metrics.observe_look(time.perf_counter() - real_begun)
        supervisor.write_pending()
        self._events.follow_causes(supervisor.causes, halted=supervisor.state is TradingState.HALTED)
        self._events.flush()
        return report

    def has_requests(self) -> bool:
        """Return whether somebody asks for something that no look has tried."""
        return self._requests.queue.has_new()

    def take_requests(self) -> None:
        """Carry out what persons ask for, between two steps that may each take minutes: it changes the state at once.

        What has to be done on the venue for it is done by the next look.
        """
        with self._supervisor.covering("request"):
            self._requests.carry_out()

    async def measure(self) -> Balance:
        """Measure the account and follow its limits, as `Limiter.measure` does; it is noted as seen."""
        balance = await self.limiter.measure()
        self._parts.sightings.note_account(self.limiter.measured, balance)
        return balance

    def _note_look(self, report: ReconcileReport | None) -> None:
        """Note for readers what the look saw; a look that failed leaves what was seen before, with its age."""
        seen, protection = self._parts.sightings, self._parts.executor.protection
        seen.looked_at = self._looked_at
        seen.reachable = report is not None or not self._supervisor.has("venue")
        if report is not None:
            protection.forget_others({position.position_id for position in report.positions})
            seen.note_positions(report.rows, self._looked_at, report.positions)
            seen.reconciliation = Reconciliation(self._looked_at, report.differences)
        seen.note_stops(protection.confirmed)

    async def leave(self) -> None:
        """Say on the account that this process trades there no longer."""
        with self._supervisor.covering("signs of life"):
            await self._rivals.release()

    async def _follow_report(self, report: ReconcileReport) -> None:
        """Make causes of what reconciliation could not confirm or do, and look at the rest of the venue."""
        if self._supervisor.flattens:
            for position in report.positions:
                await self._reconciler.exits.close(position, FLATTENED, None, report)
        elif report.positions:
            asked = set(self._parts.journal.requests.positions_to_close())
            for position in report.positions:
                if position.position_id in asked:
                    await self._reconciler.exits.close(position, CLOSED_BY_PERSON, None, report)
        found = {
            "doubt": report.doubts,
            "orders": [f"the outcome of order {name} is unknown" for name in report.unresolved],
            "exits": list(report.stuck.values()),
            "second process": [reason] if (reason := self._rivals.explain()) else [],
        }
        for cause, reasons in found.items():
            if reasons:
                self._supervisor.guard(cause, reasons[0])
            else:
                self._supervisor.clear(cause)
        self._follow_margin(report.positions)
        if report.disagreements:
            self._supervisor.halt(f"journal and venue disagree: {report.disagreements[0]}")
        with self._supervisor.covering("instruments"):
            odd = report.doubts or report.stuck
            if await self._instruments.follow(report.blocked, odd=bool(odd)):
                # What was refused may be taken now: a missing stop must not wait for the next spaced try.
                self._reconciler.forget_refusals()
        self._follow_leverage()  # by the contracts as they are listed now
        with self._supervisor.covering("clock"):
            await self._check_clock()
        for problem in report.problems:
            if problem not in self._said:
                self._parts.progress.say(problem)
        self._events.record_new("reconciliation", Severity.WARNING, report.list_differences())
        self._said = set(report.problems)
        self._parts.executor.idle = self._instruments.idle
        blocked = self._parts.executor.idle | report.blocked
        self._parts.executor.blocked = blocked
        self._parts.status.blocked = blocked
        self._parts.status.lease = self._rivals.lease
        self._parts.status.watched = self._parts.clock.now().isoformat()

    def _follow_margin(self, positions: Iterable[PairPosition]) -> None:
        """Guard while something of ours is in another margin mode than the settings ask for."""
        wanted = self._parts.settings.strategy.margin_mode
        reason = explain_positions(positions, wanted) or explain_orders(self._parts.journal, wanted)
        if reason is None:
            self._supervisor.clear(MARGIN_MODE)
        else:
            self._supervisor.guard(MARGIN_MODE, reason)

    def _follow_leverage(self) -> None:
        """Guard while the venue allows less leverage than the settings ask for: no entry could be what was decided.

        While flat a start is refused instead (`check_leverage`); an open position is guarded all the same.
        """
        reason = explain_leverage(self._parts.settings, self._parts.contracts)
        if reason is None:
            self._supervisor.clear(LEVERAGE)
        else:
            self._supervisor.guard(LEVERAGE, f"{reason[0]}; stops and exits go on, nothing is opened: {reason[1]}")

    async def _check_clock(self) -> None:
        """Raise VenueError where the machine's clock is off the venue's; other clocks are the venue's own."""
        if not isinstance(self._parts.clock, SystemClock):
            return
        off = self._parts.clock.now() - await self._venue.server_time()
        self._parts.sightings.clock_skew_s = off.total_seconds()
        most = self._parts.settings.limits.clock_skew_s
        if abs(off.total_seconds()) > most:
            raise VenueError(
                f"this machine's clock is {off.total_seconds():+.1f} s off the venue's, limits.clock_skew_s allows "
                f"{format_plain(most)}",
                "synchronise it",
            )
