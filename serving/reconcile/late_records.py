"""Records that the venue did not give in time: executions of open positions, results of closed ones.

A position is booked when it is flat, whether or not its executions and its funding can be read just then. What is
missing is read later, at growing distances, for as long as the venue keeps it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from pairity.backoff import Backoff
from pairity.errors import VenueError
from pairity.strategy.types import PairPosition
from serving.execution.executor import Executor
from serving.journal import PositionClose, Purpose

_RETRIES = Backoff(first_s=15.0, cap_s=3600.0)
_KEPT = timedelta(days=89)
"""How long the venue keeps executions and bills (docs/okx-protocol.md, Bills)."""


class LateRecords:
    """What the journal lacks of positions, and when it is asked for again."""

    def __init__(self, executor: Executor) -> None:
        self._accounting = executor.exits.accounting
        self._journal = executor.desk.journal
        self._clock = executor.desk.clock
        self._again: dict[str, tuple[int, datetime]] = {}
        """Tries, and the time of the next one, by position."""
        self._whole: set[str] = set()
        """Open positions whose executions are all here."""
        self._looked_at: datetime | None = None

    async def complete(self) -> None:
        """Read what is missing and due. A venue that does not give it is asked again later."""
        now = self._clock.now()
        if self._looked_at is not None and now - self._looked_at < timedelta(seconds=_RETRIES.first_s):
            return
        self._looked_at = now
        for record in self._journal.open_positions():
            name = record.position.position_id
            if name not in self._whole and self._is_due(name):
                await self._complete_open(record.position)
        for record in self._journal.positions_without_result(now - _KEPT):
            if record.close is not None and self._is_due(record.position.position_id):
                await self._complete_closed(record.position, record.close)

    async def _complete_open(self, position: PairPosition) -> None:
        if self._count_missing(position) > 0:
            try:
                await self._accounting.fetch_fills(position)
            except VenueError:
                self._delay(position.position_id)
                return
        if self._count_missing(position) > 0:
            self._delay(position.position_id)
        else:
            self._whole.add(position.position_id)
            self._again.pop(position.position_id, None)

    def _count_missing(self, position: PairPosition) -> Decimal:
        """Return the contracts of its entry that no journalled execution explains."""
        entries = self._journal.intents(position.position_id, purpose=Purpose.ENTRY)
        names = {intent.client_order_id for intent in entries} | {intent.order_id for intent in entries}
        known = [
            fill for fill in self._journal.fills(position.position_id) if names & {fill.client_order_id, fill.order_id}
        ]
        filled = sum((intent.filled_contracts for intent in entries), Decimal(0))
        return filled - sum((fill.contracts for fill in known), Decimal(0))

    async def _complete_closed(self, position: PairPosition, known: PositionClose) -> None:
        name = position.position_id
        found, _ = await self._accounting.compute_close(position, known.exit_reason, known.closed_at)
        if _count_unknown(found) < _count_unknown(known):
            self._journal.complete_close(name, found)
        if found.net_usdt is None:
            self._delay(name)
        else:
            self._again.pop(name, None)

    def _is_due(self, name: str) -> bool:
        return name not in self._again or self._clock.now() >= self._again[name][1]

    def _delay(self, name: str) -> None:
        tries = self._again[name][0] + 1 if name in self._again else 0
        self._again[name] = tries, self._clock.now() + timedelta(seconds=_RETRIES.delay_s(tries))


def _count_unknown(close: PositionClose) -> int:
    return [close.exit_price, close.pnl_usdt, close.fees_usdt, close.funding_usdt].count(None)
