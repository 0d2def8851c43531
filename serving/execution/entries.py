"""Entries: from a decision to a protected position."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from pairity.errors import OrderUnknownError, VenueError
from pairity.strategy.stops import compute_stop_prices
from pairity.strategy.types import Entry, Leg, LegOrder, PairPosition
from pairity.universe import ContractSpec, exact, inst_id
from serving.execution.contracts import get_contract
from serving.execution.exits import UNPROTECTED, Exits
from serving.execution.orders import OrderDesk
from serving.execution.position_protection import PositionProtector
from serving.execution.venue_records import AttachedStops
from serving.journal import DecisionRecord, Intent, Purpose, client_order_id


@dataclass(frozen=True, slots=True)
class Opened:
    """Outcome of an entry: the protected position, or None and why there is none. `problems` are for a human."""

    position: PairPosition | None
    reason: str
    problems: tuple[str, ...] = ()


class Entries:
    """Opening of positions. Every method may be called again after a crash and then goes on where it stopped."""

    def __init__(
        self,
        desk: OrderDesk,
        contracts: Mapping[str, ContractSpec],
        leverage: int,
        protection: PositionProtector,
        exits: Exits,
    ) -> None:
        self._desk = desk
        self._journal = desk.journal
        self._contracts = contracts
        self._leverage = leverage
        self._protection = protection
        self._exits = exits

    async def open(self, entry: Entry, decision: DecisionRecord) -> Opened:
        """Open the position of an entry, protect it and journal it; `decision` must be in the journal.

        A second call for the same entry sends nothing twice. Raises VenueError where the venue leaves something open:
        the journal says what, and reconciliation takes it up.
        """
        known = self._journal.position(entry.position_id)
        if known is not None:
            return Opened(None if known.close else known.position, "carried out before")
        taken = self._list_taken_instruments(entry.position_id)
        for leg in entry.legs:
            if inst_id(leg.asset) in taken:
                return Opened(None, f"{leg.asset} is held in another position, or an order of it is in doubt")
            await self._desk.venue.ensure_leverage(inst_id(leg.asset), self._leverage)
        at = self._desk.clock.now()
        for index, leg in enumerate(entry.legs):
            done = await self._open_leg(entry, index, leg, decision.decision_id, at)
            if done.filled_contracts == 0:
                reason = self._journal.events(done.client_order_id)[-1].answer
                self._protection.protector.withdraw(
                    entry.position_id, self._desk.clock.now(), "the entry was not filled"
                )
                if index > 0:
                    return await self.unwind(entry, decision, reason)
                return Opened(None, f"{inst_id(leg.asset)}: {done.state}: {reason}")
        return await self.complete(entry, decision)

    async def complete(self, entry: Entry, decision: DecisionRecord) -> Opened:
        """Journal the position of entries that are filled, with stops recomputed from the fills, and protect it."""
        known = self._journal.position(entry.position_id)
        if known is None:
            position = _make_position(entry, self._journal.intents(entry.position_id, purpose=Purpose.ENTRY))
            # Saved before its stops are known: a process that dies here must find the position in the journal.
            self._journal.save_position(position)
        else:
            position = known.position
        self._desk.checkpoint("entry: position journalled")
        position = replace(position, legs=tuple(self._compute_stops(leg, entry) for leg in position.legs))
        self._journal.save_position(position)
        position, problems, safe = await self._protection.protect(position, decision.decision_id, expected=True)
        if not safe:
            closed = await self._exits.close(position, UNPROTECTED, decision.decision_id)
            return Opened(None, "closed again: it could not be protected", (*problems, *closed.problems))
        self._desk.checkpoint("entry: protected")
        problems += await self._record_fills(position)
        return Opened(position, decision.decision.reason, tuple(problems))

    async def unwind(self, entry: Entry, decision: DecisionRecord, reason: str) -> Opened:
        """Close the first leg after the second one failed: one leg alone is a bet that nobody decided on."""
        filled = [
            intent
            for intent in self._journal.intents(entry.position_id, purpose=Purpose.ENTRY)
            if intent.filled_contracts > 0
        ]
        position = _make_position(entry, filled)
        self._journal.save_position(position)
        closed = await self._exits.close(position, "leg_risk", decision.decision_id)
        return Opened(None, f"only one leg was filled, closed again: {reason}", closed.problems)

    async def _open_leg(self, entry: Entry, index: int, leg: LegOrder, decision_id: str, at: datetime) -> Intent:
        """Journal the order and the protection attached to it, then bring the order to its end."""
        contract = get_contract(self._contracts, leg.asset)
        self._desk.checkpoint("entry: before the intent")
        known = self._journal.intents(entry.position_id, index, Purpose.ENTRY)
        if known:
            stops = self._journal.intents(entry.position_id, index, Purpose.PROTECT)[0]
            return await self._desk.carry_out(known[0], _attach(stops))
        intent, protection = self._make_intents(entry, index, leg, contract, decision_id, at)
        # Together: the venue creates the protection with the fill, so its id must be known before the order leaves.
        self._journal.intend_all([intent, protection])
        self._desk.checkpoint("entry: intended")
        done = await self._desk.carry_out(intent, _attach(protection))
        self._desk.checkpoint("entry: finished")
        return done

    def _make_intents(
        self, entry: Entry, index: int, leg: LegOrder, contract: ContractSpec, decision_id: str, at: datetime
    ) -> tuple[Intent, Intent]:
        """Return the intents of a leg's market order and of the protection that is attached to it."""
        prices = compute_stop_prices(leg.stops, leg.side, exact(leg.reference_price), contract)
        intent = Intent(
            client_order_id=client_order_id(self._journal.scope, entry.position_id, index, Purpose.ENTRY),
            decision_id=decision_id,
            position_id=entry.position_id,
            leg=index,
            purpose=Purpose.ENTRY,
            attempt=0,
            instrument=inst_id(leg.asset),
            side=leg.side,
            contracts=leg.contracts,
            order_type="market",
            reduce_only=False,
            stop_price=None,
            target_price=None,
            created_at=at,
        )
        protection = replace(
            intent,
            client_order_id=client_order_id(self._journal.scope, entry.position_id, index, Purpose.PROTECT),
            purpose=Purpose.PROTECT,
            side=leg.side.opposite,
            order_type="attached",
            reduce_only=True,
            stop_price=prices.stop,
            target_price=prices.target,
        )
        return intent, protection

    async def _record_fills(self, position: PairPosition) -> list[str]:
        """Journal the executions so far; return a problem where they cannot be read.

        They are for the record only: a venue that does not list them yet must not stop trading.
        """
        try:
            await self._exits.accounting.fetch_fills(position)
        except (VenueError, OrderUnknownError) as error:
            return [f"{position.position_id}: executions not read yet: {error.what}"]
        return []

    def _list_taken_instruments(self, position_id: str) -> set[str]:
        """Return the instruments that another position has, or may turn out to have.

        One position per instrument at a time: in net mode the venue would merge two.
        """
        taken = {inst_id(leg.asset) for record in self._journal.open_positions() for leg in record.position.legs}
        pending = [intent for intent in self._journal.unsettled() if intent.purpose is not Purpose.PROTECT]
        pending += self._journal.filled_entries_without_position()
        return taken | {intent.instrument for intent in pending if intent.position_id != position_id}

    def _compute_stops(self, leg: Leg, entry: Entry) -> Leg:
        """Return the leg with the stops that its rule gives for the actual fill."""
        rule = next(order.stops for order in entry.legs if order.asset == leg.asset)
        prices = compute_stop_prices(rule, leg.side, exact(leg.entry_price), get_contract(self._contracts, leg.asset))
        return replace(leg, stop_price=float(prices.stop), target_price=float(prices.target))


def _attach(protection: Intent) -> AttachedStops:
    assert protection.stop_price is not None
    assert protection.target_price is not None
    return AttachedStops(protection.client_order_id, protection.stop_price, protection.target_price)


def _make_position(entry: Entry, intents: list[Intent]) -> PairPosition:
    """Return the position that filled entry orders make: sizes and prices are the venue's, not the requested ones."""
    legs = tuple(
        Leg(
            asset=entry.legs[intent.leg].asset,
            side=intent.side,
            contracts=intent.filled_contracts,
            entry_price=float(intent.average_price or Decimal(0)),
        )
        for intent in intents
        if intent.filled_contracts > 0
    )
    return PairPosition(
        position_id=entry.position_id,
        pair=entry.pair,
        direction=entry.direction,
        legs=legs,
        opened_at=min(intent.created_at for intent in intents),
        entry_z=entry.z,
        entry_score=entry.score,
        last_z=entry.z,
    )
