"""What a position did, from the venue's own executions: prices, fees, funding, and why it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from pairity.errors import VenueError
from pairity.strategy.types import ExitReason, PairPosition
from pairity.universe import inst_id
from serving.execution.protection import Protector
from serving.execution.venue import VenueFill, VenuePort
from serving.journal import Journal
from serving.journal_records import Closing, Fill

MANUAL, UNKNOWN = "manual", "unknown"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a position is gone, as far as the venue tells."""

    reason: str
    order_ids: frozenset[str]


class Books:
    """Reads executions from the venue and writes them into the journal."""

    def __init__(self, venue: VenuePort, journal: Journal, protector: Protector) -> None:
        self._venue = venue
        self._journal = journal
        self._protector = protector

    async def fetch_fills(self, position: PairPosition) -> list[Fill]:
        """Journal all executions of a position so far, and return them.

        An instrument has at most one position at a time: what was executed in it since the entry was intended belongs
        to this one, except what the journal holds for another (the second half of a switch at the same instant).
        """
        others = {fill.order_id for fill in self._journal.fills() if fill.position_id != position.position_id}
        for leg in position.legs:
            seen = await self._venue.fills(inst_id(leg.asset), position.opened_at)
            mine = [_fill(fill, position.position_id) for fill in seen if fill.order_id not in others]
            self._journal.record_fills(mine)
        return self._journal.fills(position.position_id)

    async def cause(self, position: PairPosition) -> Cause:
        """Why a position that nobody closed here is gone."""
        triggered = await self._protector.settle(position.position_id)
        if triggered:
            stop = any(algo.triggered == "sl" for algo in triggered)
            reason = ExitReason.STOP_LOSS if stop else ExitReason.TAKE_PROFIT
            return Cause(reason, frozenset(algo.order_id for algo in triggered if algo.order_id))
        closing = await self._closing_fills(position)
        if any(fill.kind == "liquidation" for fill in closing):
            return Cause(ExitReason.LIQUIDATION, frozenset(fill.order_id for fill in closing))
        if closing:
            return Cause(MANUAL, frozenset(fill.order_id for fill in closing))
        return Cause(UNKNOWN, frozenset())

    async def closing(self, position: PairPosition, reason: str, at: datetime) -> tuple[Closing, list[str]]:
        """The booking of a position that is flat: only what the venue tells; what it does not tell is None."""
        try:
            fills = await self.fetch_fills(position)
            funding = Decimal(0)
            for leg in position.legs:
                funding += await self._venue.funding_paid(inst_id(leg.asset), position.opened_at, at)
        except VenueError as error:
            return Closing(at, reason), [f"{position.position_id}: executions not read: {error.what}"]
        ending = [fill for fill in fills if _closes(position, fill.instrument, fill.side)]
        missing = sum((leg.contracts for leg in position.legs), Decimal(0)) - sum(
            (fill.contracts for fill in ending), Decimal(0)
        )
        if missing > 0 or not ending:
            return Closing(at, reason), [f"{position.position_id}: executions of {missing} contracts are missing"]
        at = max(fill.at for fill in ending)
        pnl = sum((fill.pnl_usdt for fill in fills), Decimal(0))
        fees = sum((fill.fee_usdt for fill in fills), Decimal(0))
        return Closing(at, reason, _average(position, ending), pnl, fees, funding), []

    async def _closing_fills(self, position: PairPosition) -> list[VenueFill]:
        found: list[VenueFill] = []
        for leg in position.legs:
            fills = await self._venue.fills(inst_id(leg.asset), position.opened_at)
            found += [fill for fill in fills if fill.side is leg.side.opposite]
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
