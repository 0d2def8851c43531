"""Executions of a book in the journal: of its orders, of its stops, and of others on what it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from pairity.universe import short_name
from serving.execution.facts import SKEW
from serving.execution.orders import OrderDesk
from serving.execution.position_accounting import make_fill
from serving.execution.venue_records import AlgoState, VenueAlgo, VenueFill
from serving.journal import Intent

OUTSIDE = "outside"
"""Mark of executions that no order of ours brought about."""
LIQUIDATED = "liquidated"
"""Mark of those that the venue brought about."""


class Executions:
    """Executions of one book: read from the venue, written into the journal, each once."""

    def __init__(self, desk: OrderDesk) -> None:
        self._desk = desk
        self._journal = desk.journal

    async def collect(self) -> list[str]:
        """Journal the executions of orders that were filled; return what the venue does not show of them yet.

        Raises VenueError.
        """
        lacking = []
        for intent in self._journal.books.orders_short_of_executions():
            fills = await self._desk.venue.fills(intent.instrument, intent.created_at - SKEW)
            own = [fill for fill in fills if _is_of(fill, intent)]
            await self._write(own, intent.position_id, intent.client_order_id)
            if sum((fill.contracts for fill in own), Decimal(0)) != intent.filled_contracts:
                lacking.append(f"the executions of order {intent.client_order_id} are not all shown yet")
        return lacking

    async def take_stop(self, intent: Intent, algo: VenueAlgo) -> bool:
        """Journal the executions of a stop that was triggered; return whether all of them are there.

        True for one that was not triggered. Raises VenueError.
        """
        if algo.state is not AlgoState.EFFECTIVE:
            return True
        fills = await self._desk.venue.fills(intent.instrument, intent.created_at - SKEW)
        own = [fill for fill in fills if algo.order_id is not None and fill.order_id == algo.order_id]
        await self._write(own, intent.position_id, intent.client_order_id)
        return bool(own)

    async def find_outside(self, instrument: str, since: datetime) -> list[VenueFill]:
        """Return the executions in an instrument since an instant that the journal has not, oldest first."""
        known = {(fill.trade_id, fill.order_id) for fill in self._journal.fills() if fill.instrument == instrument}
        own = {intent.order_id for intent in self._journal.books.orders()}
        return [
            fill
            for fill in await self._desk.venue.fills(instrument, since)
            if (fill.trade_id, fill.order_id) not in known
            and fill.order_id not in own
            and not self._journal.owns(fill.client_order_id)
        ]

    async def take_outside(self, fills: Sequence[VenueFill]) -> None:
        """Journal executions of others on what a book holds."""
        for fill in fills:
            mark = LIQUIDATED if fill.forced else OUTSIDE
            await self._write([fill], f"{short_name(fill.instrument)}@{mark}", "")

    async def _write(self, fills: Sequence[VenueFill], position_id: str, client_id: str) -> None:
        made = [
            replace(await make_fill(self._desk.venue, fill, position_id), client_order_id=client_id) for fill in fills
        ]
        self._journal.record_fills(made)


def _is_of(fill: VenueFill, intent: Intent) -> bool:
    return fill.client_order_id == intent.client_order_id or (
        intent.order_id is not None and fill.order_id == intent.order_id
    )
