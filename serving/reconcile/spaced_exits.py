"""Exits that reconciliation makes. One that the venue does not take is tried again, at growing distances."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from pairity.backoff import Backoff
from pairity.errors import JournalError, OrderUnknownError, TradingError, UnconfirmedError, VenueError
from pairity.strategy.types import PairPosition
from serving.execution.executor import Executor
from serving.journal import Purpose
from serving.reconcile.report import ReconcileReport

RETRIES = Backoff(first_s=15.0, cap_s=900.0)
"""Seconds of the venue's time between two tries of a refused exit: a halt may take hours, a rejection seconds."""


class _Refused(NamedTuple):
    """How often an exit failed, when it is tried again, and what the venue said."""

    times: int
    again_at: datetime
    reason: str


class SpacedExits:
    """Exits with spaced retries. A position whose exit is refused keeps its stops and is reported as stuck."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._refused: dict[str, _Refused] = {}

    async def close(
        self, position: PairPosition, reason: str, decision_id: str | None, report: ReconcileReport
    ) -> None:
        """Close a position, or report why it is open still. Raises JournalError: nothing is sent unwritten."""
        name, now = position.position_id, self._executor.desk.clock.now()
        before = self._refused.get(name)
        if before is not None and now < before.again_at:
            report.add_stuck(name, before.reason)
            return
        try:
            closed = await self._executor.close(position, reason, decision_id)
        except JournalError:
            raise
        except OrderUnknownError as error:
            exits = self._executor.desk.journal.intents(name, purpose=Purpose.EXIT)
            report.unresolved.append(exits[-1].client_order_id if exits else name)
            report.problems.append(error.what)
        except UnconfirmedError as error:
            report.add_doubt(error.what)
        except (VenueError, TradingError) as error:
            times = 0 if before is None else before.times + 1
            wait = timedelta(seconds=RETRIES.delay_s(times))
            said = f"{name} is not closed yet: {error.what}"
            self._refused[name] = _Refused(times, now + wait, said)
            report.add_stuck(name, said)
        else:
            self._refused.pop(name, None)
            report.add_closed(closed)
