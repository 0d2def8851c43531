"""Filling of an entry's legs: all of them in the hedge ratio, or the reason why not.

    intended (both legs, journalled together)
        └─▶ first leg ──not filled──▶ nothing was opened
                └─ filled, wholly or partly
                      └─▶ second leg, sized by what the first one got ──within the tolerance──▶ whole
                             └─ refused, partly filled, not reached: again, until the deadline ──▶ broken

Which leg is first: `leg_order.py`. The deadline counts from the first intent, so that a process which comes back knows
it as well. Each order carries its own stops: a leg that stands alone for a moment is protected.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from pairity.errors import OrderUnknownError, VenueUnreachableError
from pairity.strategy.hedging import Lots, compute_hedge_error, match_base_lots, match_quote_lots
from pairity.strategy.stops import compute_stop_prices
from pairity.strategy.types import Entry
from pairity.universe import ContractSpec, exact, inst_id
from serving.execution.contracts import get_contract
from serving.execution.leg_order import rank_by_risk
from serving.execution.orders import OrderDesk
from serving.execution.protection import Protector
from serving.execution.venue_records import AttachedStops
from serving.journal import DecisionRecord, Intent, IntentState, Purpose, client_order_id

HEDGE_TOLERANCE = Decimal("0.05")
_ATTEMPTS = 3
"""Most orders for the second leg."""


class EntryLegs:
    """Orders of an entry's legs. Every method may be called again after a crash and then goes on where it stopped."""

    def __init__(
        self, desk: OrderDesk, contracts: Mapping[str, ContractSpec], protector: Protector, hedge_tolerance: Decimal
    ) -> None:
        self._desk = desk
        self._journal = desk.journal
        self._contracts = contracts
        self._protector = protector
        self._tolerance = hedge_tolerance

    async def fill_first(self, entry: Entry, decision: DecisionRecord) -> str:
        """Journal the orders of all legs and bring the first one to its end; return why nothing was opened, or "".

        Raises VenueError where the venue leaves its outcome open.
        """
        self._intend(entry, decision.decision_id)
        first = self._rank(entry)[0]
        await self._carry_out(self._list_intents(entry, first)[-1])
        if self._count_filled(entry, first) > 0:
            return ""
        newest = self._list_intents(entry, first)[-1]
        answer = self._journal.events(newest.client_order_id)[-1].answer
        self._protector.withdraw(newest, self._desk.clock.now(), "the entry was not filled")
        self.give_up_unsent(entry, "the other leg was not filled")
        return f"{newest.instrument}: {newest.state}: {answer}"

    async def fill_second(self, entry: Entry, decision: DecisionRecord) -> str:
        """Fill the second leg in the hedge ratio to the first; return why it is not, or "".

        It is tried again, for what is missing, until the deadline. An order that is in doubt then is named as the
        reason: nothing is known of it.
        """
        began = self._desk.pace.monotonic()
        first, second = self._rank(entry)
        wanted = self._match(entry, decision, first, second)
        if wanted is None:
            self.give_up_unsent(entry, "nothing hedges what the first leg got")
            return f"no whole lots of {entry.legs[second].asset} hedge what the other leg got"
        turns = 0
        while True:
            newest = self._list_intents(entry, second)[-1]
            missing = wanted - self._count_filled(entry, second)
            late = self._is_late(entry, began)
            if newest.state.final or newest.state is IntentState.INTENDED:
                if missing <= 0:
                    return ""
                next_one = None if late else self._find_next(entry, decision, newest, missing)
                if next_one is None:
                    return self._judge(entry, decision, newest)
                newest = next_one
            try:
                await self._carry_out(newest)
            except (OrderUnknownError, VenueUnreachableError) as error:
                if self._is_late(entry, began):
                    return error.what
            if self._count_filled(entry, second) < wanted:
                await self._desk.pace.wait(turns)
                turns += 1

    def give_up_unsent(self, entry: Entry, reason: str) -> None:
        """Cancel the orders of an entry that never left, and what was attached to them, in the journal."""
        for intent in self._journal.intents(entry.position_id, purpose=Purpose.ENTRY):
            if intent.state is IntentState.INTENDED:
                now = self._desk.clock.now()
                self._journal.advance(intent.client_order_id, IntentState.CANCELLED, now, reason)
                self._protector.withdraw(intent, now, reason)

    def _find_next(self, entry: Entry, decision: DecisionRecord, newest: Intent, missing: Decimal) -> Intent | None:
        """Return the next order of the second leg, journalled; None where there is no other one to try."""
        if newest.state is IntentState.INTENDED and newest.contracts == missing:
            return newest
        contract = get_contract(self._contracts, entry.legs[newest.leg].asset)
        attempts = newest.attempt + (newest.state is not IntentState.INTENDED)
        self.give_up_unsent(entry, f"{missing} contracts are wanted instead")
        if attempts >= _ATTEMPTS or missing < contract.min_sz:
            return None
        intent, protection = self._make_intents(
            entry, newest.leg, decision.decision_id, attempt=newest.attempt + 1, contracts=missing
        )
        self._journal.intend_all([intent, protection])
        self._desk.checkpoint("entry: intended again")
        return intent

    def _judge(self, entry: Entry, decision: DecisionRecord, newest: Intent) -> str:
        """Return why what was filled is not hedged, empty where it is; nothing more is sent."""
        self.give_up_unsent(entry, "too late")
        base, quote = (self._value(entry, number) for number in (0, 1))
        ratio = self._find_ratio(entry, decision)
        if base and quote and compute_hedge_error(base, quote, ratio) <= self._tolerance:
            return ""
        answer = self._journal.events(newest.client_order_id)[-1].answer
        return f"{newest.instrument}: {newest.state}: {answer}"

    def _match(self, entry: Entry, decision: DecisionRecord, first: int, second: int) -> Decimal | None:
        """Return the contracts of the second leg that hedge what the first one got; None where none do."""
        if self._count_filled(entry, first) == entry.legs[first].contracts:
            return entry.legs[second].contracts
        spec = get_contract(self._contracts, entry.legs[second].asset)
        # The venue's own minimum only: half a position is held, or closed, but not left alone.
        limits = Lots.of(spec, exact(entry.legs[second].reference_price), Decimal(0))
        match = match_quote_lots if second == 1 else match_base_lots
        ratio = self._find_ratio(entry, decision)
        count = match(self._value(entry, first), ratio, limits, self._tolerance)
        return None if count is None else count * spec.lot_sz

    def _find_ratio(self, entry: Entry, decision: DecisionRecord) -> Decimal:
        """Return the hedge ratio that was decided on; where the decision does not say it, that of the sizes."""
        for assessed in decision.decision.scores:
            if assessed.pair == entry.pair and assessed.hedge_ratio:
                return exact(assessed.hedge_ratio)
        base, quote = (
            get_contract(self._contracts, leg.asset).notional(leg.contracts, exact(leg.reference_price))
            for leg in entry.legs
        )
        return quote / base

    def _value(self, entry: Entry, number: int) -> Decimal:
        """Return what a leg got, in USDT at the prices of the decision: the hedge was sized by them."""
        leg = entry.legs[number]
        contract = get_contract(self._contracts, leg.asset)
        return contract.notional(self._count_filled(entry, number), exact(leg.reference_price))

    def _is_late(self, entry: Entry, began: float) -> bool:
        """Return whether the legs should have been filled by now: by our own seconds, or since the first intent."""
        waited = self._desk.pace.monotonic() - began
        first = min(intent.created_at for intent in self._journal.intents(entry.position_id, purpose=Purpose.ENTRY))
        return max(waited, (self._desk.clock.now() - first).total_seconds()) > self._desk.pace.leg_deadline_s

    def _rank(self, entry: Entry) -> list[int]:
        """Return the legs in order of sending; one that was sent before a restart stays the first."""
        ranked = rank_by_risk(entry.legs, self._contracts)
        return sorted(ranked, key=lambda number: not self._has_left(entry, number))

    def _has_left(self, entry: Entry, number: int) -> bool:
        return any(intent.state is not IntentState.INTENDED for intent in self._list_intents(entry, number))

    def _list_intents(self, entry: Entry, number: int) -> list[Intent]:
        return self._journal.intents(entry.position_id, number, Purpose.ENTRY)

    def _count_filled(self, entry: Entry, number: int) -> Decimal:
        return sum((intent.filled_contracts for intent in self._list_intents(entry, number)), Decimal(0))

    def _intend(self, entry: Entry, decision_id: str) -> None:
        """Journal the orders of all legs and what is attached to them, before the first request."""
        self._desk.checkpoint("entry: before the intent")
        if self._journal.intents(entry.position_id, purpose=Purpose.ENTRY):
            return
        # Together: the venue creates the protection with the fill, so its id must be known before the order leaves;
        # and a process that dies after the first leg must find the second one.
        self._journal.intend_all(
            [
                intent
                for number, leg in enumerate(entry.legs)
                for intent in self._make_intents(entry, number, decision_id, attempt=0, contracts=leg.contracts)
            ]
        )
        self._desk.checkpoint("entry: intended")

    async def _carry_out(self, intent: Intent) -> None:
        if intent.state.final:
            return
        protections = self._journal.intents(intent.position_id, intent.leg, Purpose.PROTECT)
        attached = next(stops for stops in protections if stops.attempt == intent.attempt)
        assert attached.stop_price is not None
        assert attached.target_price is not None
        stops = AttachedStops(attached.client_order_id, attached.stop_price, attached.target_price)
        done = await self._desk.carry_out(intent, stops)
        if done.filled_contracts == 0:
            self._protector.withdraw(done, self._desk.clock.now(), "the entry was not filled")
        self._desk.checkpoint("entry: finished")

    def _make_intents(
        self, entry: Entry, number: int, decision_id: str, *, attempt: int, contracts: Decimal
    ) -> tuple[Intent, Intent]:
        """Return the intents of a leg's market order and of the protection that is attached to it."""
        leg = entry.legs[number]
        contract = get_contract(self._contracts, leg.asset)
        prices = compute_stop_prices(leg.stops, leg.side, exact(leg.reference_price), contract)
        scope = self._journal.scope
        intent = Intent(
            client_order_id=client_order_id(scope, entry.position_id, number, Purpose.ENTRY, attempt),
            decision_id=decision_id,
            position_id=entry.position_id,
            leg=number,
            purpose=Purpose.ENTRY,
            attempt=attempt,
            instrument=inst_id(leg.asset),
            side=leg.side,
            contracts=contracts,
            order_type="market",
            reduce_only=False,
            stop_price=None,
            target_price=None,
            created_at=self._desk.clock.now(),
        )
        protection = replace(
            intent,
            client_order_id=client_order_id(scope, entry.position_id, number, Purpose.PROTECT, attempt),
            purpose=Purpose.PROTECT,
            side=leg.side.opposite,
            order_type="attached",
            reduce_only=True,
            stop_price=prices.stop,
            target_price=prices.target,
        )
        return intent, protection
