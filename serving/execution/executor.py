"""Executor of decisions: entries, exits and protection over one order desk."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from pairity.strategy.types import Entry, PairPosition
from pairity.universe import ContractSpec
from serving.execution.entries import Entries, Opened
from serving.execution.entry_legs import HEDGE_TOLERANCE, EntryLegs
from serving.execution.exits import Closed, Exits
from serving.execution.orders import OrderDesk
from serving.execution.position_protection import PositionProtector
from serving.journal import DecisionRecord


class Executor:
    """Executor of decisions. Every method may be called again after a crash and then goes on where it stopped.

    `contracts` holds the contracts by asset short name, `leverage` is that of every position. Two legs are filled
    within `hedge_tolerance` of their hedge ratio, or not at all.
    """

    def __init__(
        self,
        desk: OrderDesk,
        contracts: Mapping[str, ContractSpec],
        leverage: int,
        hedge_tolerance: Decimal = HEDGE_TOLERANCE,
    ) -> None:
        self.desk = desk
        self.contracts = contracts
        self._hedge_tolerance = hedge_tolerance
        self.protection = PositionProtector(desk, contracts)
        self.exits = Exits(desk, self.protection.protector, contracts)
        legs = EntryLegs(desk, contracts, self.protection.protector, hedge_tolerance)
        self.entries = Entries(desk, contracts, leverage, legs, self.protection, self.exits)

    async def open(self, entry: Entry, decision: DecisionRecord) -> Opened:
        """Open, protect and journal the position of an entry, as `Entries.open` describes."""
        return await self.entries.open(entry, decision)

    async def close(self, position: PairPosition, reason: str, decision_id: str | None) -> Closed:
        """Close a position at market and book it, as `Exits.close` describes."""
        return await self.exits.close(position, reason, decision_id)

    async def is_broken(self, position: PairPosition) -> bool:
        """Return whether a pair lost so much of one leg that it is not hedged within the tolerance any more."""
        return await self.exits.accounting.is_out_of_ratio(position, self._hedge_tolerance)
