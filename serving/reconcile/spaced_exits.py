"""Exits that reconciliation makes. One that the venue does not take is tried again, at growing distances."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import datetime, timedelta
from typing import NamedTuple

from pairity.backoff import Backoff
from pairity.errors import JournalError, OrderUnknownError, TradingError, UnconfirmedError, VenueError
from pairity.strategy.types import PairPosition
from pairity.timeline import Clock
from serving.execution.executor import Executor
from serving.execution.exits import Closed
from serving.journal import Purpose
from serving.reconcile.report import ReconcileReport

RETRIES = Backoff(first_s=15.0, cap_s=900.0)
"""Seconds of the venue's time between two tries of a refused exit: a halt may take hours, a rejection seconds."""


class _Refused(NamedTuple):
    """How often something was refused, when it is tried again, and what the venue said."""

    times: int
    again_at: datetime
    reason: str


class Refusals:
    """What the venue refused, by position, and when it is tried again, by the clock in use."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[str, _Refused] = {}

    def delay(self, name: str, report: ReconcileReport) -> bool:
        """Return whether it is too early to try again; the position is reported as stuck then."""
        known = self._known.get(name)
        if known is None or self._clock.now() >= known.again_at:
            return False
        report.add_stuck(name, known.reason)
        return True

    def refuse(self, name: str, reason: str) -> None:
        """Note a refusal: the next try is later than after the one before."""
        times = self._known[name].times + 1 if name in self._known else 0
        again_at = self._clock.now() + timedelta(seconds=RETRIES.delay_s(times))
        self._known[name] = _Refused(times, again_at, reason)

    def forget(self, name: str) -> None:
        """Forget refusals: it was taken."""
        self._known.pop(name, None)

    def forget_all(self) -> None:
        """Forget all refusals: what they were for is over."""
        self._known.clear()


class SpacedExits:
    """Exits with spaced retries. A position whose exit is refused keeps its stops and is reported as stuck."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._refusals = Refusals(executor.desk.clock)

    def forget_refusals(self) -> None:
        """Try every exit again at once when it is next asked for."""
        self._refusals.forget_all()

    async def close(
        self, position: PairPosition, reason: str, decision_id: str | None, report: ReconcileReport
    ) -> None:
        """Close a position, or report why it is open still. Raises JournalError: nothing is sent unwritten."""
        if not self._refusals.delay(position.position_id, report):
            await self._try(self._executor.close(position, reason, decision_id), position.position_id, report)

    async def book(self, position: PairPosition, report: ReconcileReport) -> None:
        """Book a position that ended without us, or report why it is not booked yet. Raises JournalError."""
        if not self._refusals.delay(position.position_id, report):
            await self._try(self._executor.exits.book(position, None), position.position_id, report)

    async def _try(self, exit_: Awaitable[Closed], name: str, report: ReconcileReport) -> None:
        try:
            closed = await exit_
        except JournalError:
            raise
        except OrderUnknownError as error:
            exits = self._executor.desk.journal.intents(name, purpose=Purpose.EXIT)
            report.unresolved.append(exits[-1].client_order_id if exits else name)
            report.problems.append(error.what)
        except UnconfirmedError as error:
            report.add_doubt(error.what)
        except (VenueError, TradingError) as error:
            said = f"{name} is not closed yet: {error.what}"
            self._refusals.refuse(name, said)
            report.add_stuck(name, said)
        else:
            self._refusals.forget(name)
            report.add_closed(closed)
