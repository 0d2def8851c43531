"""What a position did, from the venue's own executions: prices, fees, funding, and why it ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from pairity.errors import VenueError
from pairity.strategy.types import ExitReason, PairPosition
from pairity.universe import inst_id
from serving.execution.protection import Protector
from serving.execution.venue import VenueFill, VenuePort
from serving.journal.journal import Journal
from serving.journal.records import Closing, Fill, Purpose, is_ours

MANUAL, UNKNOWN = "manual", "unknown"
_SKEW = timedelta(minutes=1)
"""How far the venue's clock may be behind ours: its executions carry its own time."""
_FORCED = frozenset({"full_liquidation", "partial_liquidation", "adl"})


class Books:
    """Reads executions from the venue and writes them into the journal."""

    def __init__(self, venue: VenuePort, journal: Journal, protector: Protector) -> None:
        self._venue = venue
        self._journal = journal
        self._protector = protector

    async def fetch_fills(
        self, position: PairPosition, triggered: frozenset[str] = frozenset(), *, outside: bool = False
    ) -> list[Fill]:
        """Journal the executions of a position so far, and return all that are known.

        Its own are those of its orders, and of the orders that its stops sent (`triggered`, venue order ids). With
        `outside`, closing executions that are nobody's of ours count as well: by hand, or by the venue itself.
        """
        intents = self._journal.intents(position.position_id)
        own = {intent.client_order_id for intent in intents} | {intent.order_id for intent in intents} | triggered
        for leg in position.legs:
            mine = [
                _fill(fill, position.position_id)
                for fill in await self._venue.fills(inst_id(leg.asset), position.opened_at - _SKEW)
                if {fill.client_order_id, fill.order_id} & own
                or (outside and fill.side is leg.side.opposite and not self._known(fill))
            ]
            self._journal.record_fills(mine)
        return self._journal.fills(position.position_id)

    async def cause(self, position: PairPosition) -> str:
        """Why a position that nobody closed here is gone, as far as the venue tells."""
        triggered = await self._protector.settle(position.position_id)
        if triggered:
            stop = any(algo.triggered == "sl" for algo in triggered)
            return ExitReason.STOP_LOSS if stop else ExitReason.TAKE_PROFIT
        closing = await self._closing_fills(position)
        if not closing:
            return UNKNOWN
        forced = {order.order_id for order in await self._venue.recent_orders() if order.category in _FORCED}
        if any(fill.forced or fill.order_id in forced for fill in closing):
            return ExitReason.LIQUIDATION
        return MANUAL

    async def closing(self, position: PairPosition, reason: str, at: datetime) -> tuple[Closing, list[str]]:
        """The booking of a position that is flat: only what the venue tells; what it does not tell is None."""
        try:
            triggered = frozenset(algo.order_id for algo in await self._protector.settle(position.position_id)
                                  if algo.order_id)  # fmt: skip
            fills = await self.fetch_fills(position, triggered)
            if self._missing(position, fills) > 0:
                fills = await self.fetch_fills(position, triggered, outside=True)
            funding = Decimal(0)
            for leg in position.legs:
                funding += await self._venue.funding_paid(inst_id(leg.asset), position.opened_at, at)
        except VenueError as error:
            return Closing(at, reason), [f"{position.position_id}: executions not read: {error.what}"]
        missing = self._missing(position, fills)
        ending = [fill for fill in fills if _closes(position, fill.instrument, fill.side)]
        if missing > 0 or not ending:
            return Closing(at, reason), [f"{position.position_id}: executions of {missing} contracts are missing"]
        at = max(fill.at for fill in ending)
        pnl = sum((fill.pnl_usdt for fill in fills), Decimal(0))
        fees = sum((fill.fee_usdt for fill in fills), Decimal(0))
        return Closing(at, reason, _average(position, ending), pnl, fees, funding), []

    def _missing(self, position: PairPosition, fills: Sequence[Fill]) -> Decimal:
        """Contracts that were opened and of which no closing execution is known."""
        entries = self._journal.intents(position.position_id, purpose=Purpose.ENTRY)
        opened = [intent.filled_contracts for intent in entries] or [leg.contracts for leg in position.legs]
        closed = [fill.contracts for fill in fills if _closes(position, fill.instrument, fill.side)]
        return sum(opened, Decimal(0)) - sum(closed, Decimal(0))

    def _known(self, fill: VenueFill) -> bool:
        """Whether an execution is one of ours, of whatever position."""
        return is_ours(fill.client_order_id) or any(known.order_id == fill.order_id for known in self._journal.fills())

    async def _closing_fills(self, position: PairPosition) -> list[VenueFill]:
        found: list[VenueFill] = []
        for leg in position.legs:
            fills = await self._venue.fills(inst_id(leg.asset), position.opened_at)
            found += [fill for fill in fills if fill.side is leg.side.opposite and not self._known(fill)]
        return found


def _closes(position: PairPosition, instrument: str, side: str) -> bool:
    return any(inst_id(leg.asset) == instrument and leg.side.opposite == side for leg in position.legs)


def _average(position: PairPosition, fills: Sequence[Fill]) -> Decimal:
    """Size-weighted exit price of the base leg."""
    base = [fill for fill in fills if fill.instrument == inst_id(position.legs[0].asset)]
    size = sum((fill.contracts for fill in base), Decimal(0))
    return sum((fill.price * fill.contracts for fill in base), Decimal(0)) / size


def _fill(fill: VenueFill, position_id: str) -> Fill:
    return Fill(fill.instrument, fill.trade_id, fill.order_id, position_id, fill.client_order_id, fill.side,
                fill.contracts, fill.price, fill.fee_usdt, fill.pnl_usdt, fill.at)  # fmt: skip
