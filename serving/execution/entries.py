"""Entries: from a decision to a protected position."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from pairity.errors import OrderUnknownError, VenueError
from pairity.strategy.stops import compute_stop_prices
from pairity.strategy.types import Entry, Leg, PairPosition
from pairity.universe import ContractSpec, exact, inst_id
from serving.execution.contracts import get_contract
from serving.execution.entry_intents import EntryIntents
from serving.execution.entry_legs import EntryLegs
from serving.execution.exits import LEG_RISK, UNPROTECTED, Exits
from serving.execution.orders import OrderDesk
from serving.execution.position_protection import PositionProtector
from serving.journal import DecisionRecord, Intent, Purpose


@dataclass(frozen=True, slots=True)
class Opened:
    """Outcome of an entry: the protected position, or None and why there is none. `problems` are for a human.

    `rests`: there is none yet, for a limit order rests; `Entries.go_on` looks at it again.
    """

    position: PairPosition | None
    reason: str
    problems: tuple[str, ...] = ()
    rests: bool = False


class Entries:
    """Opening of positions. Every method may be called again after a crash and then goes on where it stopped."""

    def __init__(
        self,
        desk: OrderDesk,
        contracts: Mapping[str, ContractSpec],
        leverage: int,
        intents: EntryIntents,
        legs: EntryLegs,
        protection: PositionProtector,
        exits: Exits,
    ) -> None:
        self._desk = desk
        self._journal = desk.journal
        self._contracts = contracts
        self._leverage = leverage
        self._intents = intents
        self._legs = legs
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
        holders = self._find_holders(entry.position_id)
        for leg in entry.legs:
            if inst_id(leg.asset) in holders:
                return Opened(None, f"{leg.asset} {holders[inst_id(leg.asset)]}")
        for leg in entry.legs:
            await self._desk.venue.ensure_leverage(inst_id(leg.asset), self._leverage, entry.margin_mode)
        return await self.go_on(entry, decision)

    async def go_on(self, entry: Entry, decision: DecisionRecord, *, allowed: bool = True) -> Opened:
        """Bring an entry that was begun to its end: whole and protected, or closed again.

        While its limit order rests it is not at its end, and what was filled by then is protected. With `allowed`
        False (nothing may be opened now) that order is cancelled, and what was filled is all there is.
        """
        if self._journal.intents(entry.position_id, purpose=Purpose.EXIT):
            return await self.unwind(entry, decision, "it was being closed")
        first = await self._legs.fill_first(entry, decision, allowed=allowed)
        if first.rests:
            problems, safe = await self._cover(entry, decision)
            if safe:
                return Opened(None, "its limit order rests", problems, rests=True)
            first = await self._legs.fill_first(entry, decision, allowed=False)
        if first.reason:
            return Opened(None, first.reason)
        if len(entry.legs) > 1:
            # Before the second order leaves: while that is in doubt, the first leg and its stop are known as ours.
            position = self._gather(entry)
            self._journal.save_position(position)
            if self._legs.has_limit(entry):  # when the first leg was filled: the deadline counts from there
                await self.record_fills(position)
            self._desk.checkpoint("entry: first leg journalled")
            if broken := await self._legs.fill_second(entry, decision):
                return await self.unwind(entry, decision, broken)
        return await self.complete(entry, decision)

    async def complete(self, entry: Entry, decision: DecisionRecord) -> Opened:
        """Journal the position of entries that are filled, with stops recomputed from the fills, and protect it."""
        # Saved before its stops are known: a process that dies here must find the position in the journal.
        position = self._gather(entry)
        self._journal.save_position(position)
        self._desk.checkpoint("entry: position journalled")
        position = replace(position, legs=tuple(self._compute_stops(leg, entry) for leg in position.legs))
        self._journal.save_position(position)
        position, problems, safe = await self._protection.protect(position, decision.decision_id, expected=True)
        if not safe:
            closed = await self._exits.close(position, UNPROTECTED, decision.decision_id)
            return Opened(None, "closed again: it could not be protected", (*problems, *closed.problems))
        self._desk.checkpoint("entry: protected")
        problems += await self.record_fills(position)
        return Opened(position, decision.decision.reason, tuple(problems))

    async def unwind(self, entry: Entry, decision: DecisionRecord, reason: str) -> Opened:
        """Close what was filled of an entry that is not whole: one leg alone is a bet that nobody decided on.

        Raises OrderUnknownError while the outcome of a leg is unknown: what is known of it is closed, but not booked.
        """
        with contextlib.suppress(OrderUnknownError):  # the booking waits for it, what is filled is closed at once
            await self._legs.end_limit(entry, decision)
        self._intents.give_up_unsent(entry, "the entry is closed again")
        position = self._gather(entry)
        self._journal.save_position(position)
        self._desk.checkpoint("entry: broken")
        closed = await self._exits.close(position, LEG_RISK, decision.decision_id)
        return Opened(None, f"not whole, closed again: {reason}", closed.problems)

    async def _cover(self, entry: Entry, decision: DecisionRecord) -> tuple[tuple[str, ...], bool]:
        """Protect what is filled of an entry whose limit order rests; return problems, and whether it has its stops.

        It is journalled without stops, as the position of an entry that is not complete.
        """
        if not any(self._intents.count_filled(entry, number) for number in range(len(entry.legs))):
            return (), True
        position = self._gather(entry)
        known = self._journal.position(entry.position_id)
        if known is None or known.position != position:
            self._journal.save_position(position)
        stopped = replace(position, legs=tuple(self._compute_stops(leg, entry) for leg in position.legs))
        problems, safe = await self._protection.cover(stopped, decision.decision_id)
        return tuple(problems), safe

    def _gather(self, entry: Entry) -> PairPosition:
        """Return the position that the filled orders of an entry make by now, aged as the journal knows it."""
        made = _make_position(entry, self._journal.intents(entry.position_id, purpose=Purpose.ENTRY))
        known = self._journal.position(entry.position_id)
        return made if known is None else replace(known.position, legs=made.legs)

    async def record_fills(self, position: PairPosition) -> list[str]:
        """Journal the executions of an entry that the journal lacks; return a problem where they cannot be read.

        They are for the record only: a venue that does not list them yet must not stop trading.
        """
        entries = self._journal.intents(position.position_id, purpose=Purpose.ENTRY)
        names = {intent.client_order_id for intent in entries}
        known = [fill.contracts for fill in self._journal.fills(position.position_id) if fill.client_order_id in names]
        if sum(known, Decimal(0)) >= sum((intent.filled_contracts for intent in entries), Decimal(0)):
            return []
        try:
            await self._exits.accounting.fetch_fills(position)
        except (VenueError, OrderUnknownError) as error:
            return [f"{position.position_id}: executions not read yet: {error.what}"]
        return []

    def _find_holders(self, position_id: str) -> dict[str, str]:
        """Return, by instrument, which other position holds it, or may turn out to hold it.

        One position per instrument at a time: in net mode the venue would merge two.
        """
        pending = [intent for intent in self._journal.unsettled() if intent.purpose is not Purpose.PROTECT]
        pending += self._journal.filled_entries_without_position()
        holders = {
            intent.instrument: f"has an order in doubt of {intent.position_id}"
            for intent in pending
            if intent.position_id != position_id
        }
        for record in self._journal.open_positions():
            holders |= {
                inst_id(leg.asset): f"already held by {record.position.position_id}" for leg in record.position.legs
            }
        return holders

    def _compute_stops(self, leg: Leg, entry: Entry) -> Leg:
        """Return the leg with the stops that its rule gives for the actual fill."""
        rule = next(order.stops for order in entry.legs if order.asset == leg.asset)
        prices = compute_stop_prices(rule, leg.side, exact(leg.entry_price), get_contract(self._contracts, leg.asset))
        return replace(leg, stop_price=float(prices.stop), target_price=float(prices.target))


def _make_position(entry: Entry, intents: Sequence[Intent]) -> PairPosition:
    """Return the position that filled entry orders make: sizes and prices are the venue's, not the requested ones."""
    return PairPosition(
        position_id=entry.position_id,
        pair=entry.pair,
        direction=entry.direction,
        legs=tuple(
            _make_leg(order.asset, filled)
            for number, order in enumerate(entry.legs)
            if (filled := [intent for intent in intents if intent.leg == number and intent.filled_contracts > 0])
        ),
        opened_at=min(intent.created_at for intent in intents),
        entry_z=entry.z,
        entry_score=entry.score,
        last_z=entry.z,
        margin_mode=entry.margin_mode,
    )


def _make_leg(asset: str, filled: Sequence[Intent]) -> Leg:
    """Return a leg that one or several orders filled, at their average price."""
    contracts = sum((intent.filled_contracts for intent in filled), Decimal(0))
    paid = sum((intent.filled_contracts * (intent.average_price or 0) for intent in filled), Decimal(0))
    average = paid / contracts if len(filled) > 1 else filled[0].average_price or Decimal(0)
    return Leg(asset=asset, side=filled[0].side, contracts=contracts, entry_price=float(average))
