"""Intents of an entry's orders in the journal, each with the protection that is attached to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from pairity.strategy.stops import compute_stop_prices
from pairity.strategy.types import Entry
from pairity.universe import ContractSpec, exact, inst_id
from serving.execution.contracts import get_contract
from serving.execution.orders import OrderDesk
from serving.execution.protection import Protector
from serving.execution.venue_records import AttachedStops
from serving.journal import Intent, IntentState, Purpose, client_order_id

MARKET, POST_ONLY = "market", "post_only"


class EntryIntents:
    """Intents of entries: made, counted, given up. Legs go by their number in the entry."""

    def __init__(self, desk: OrderDesk, contracts: Mapping[str, ContractSpec], protector: Protector) -> None:
        self._desk = desk
        self._journal = desk.journal
        self._contracts = contracts
        self._protector = protector

    def list(self, entry: Entry, number: int) -> list[Intent]:
        """Return the orders of a leg in order of attempt; by time alone a clock that was set back would mix them."""
        return sorted(
            self._journal.intents(entry.position_id, number, Purpose.ENTRY), key=lambda intent: intent.attempt
        )

    def newest(self, entry: Entry, number: int) -> Intent:
        """Return the newest order of a leg."""
        return self.list(entry, number)[-1]

    def count_filled(self, entry: Entry, number: int) -> Decimal:
        """Return the contracts that the orders of a leg filled together."""
        return sum((intent.filled_contracts for intent in self.list(entry, number)), Decimal(0))

    def has_left(self, entry: Entry, number: int) -> bool:
        """Return whether an order of a leg was sent, or may have been."""
        return any(intent.state is not IntentState.INTENDED for intent in self.list(entry, number))

    def began_at(self, entry: Entry) -> datetime:
        """Return when the first order of an entry was journalled."""
        return min(intent.created_at for intent in self._journal.intents(entry.position_id, purpose=Purpose.ENTRY))

    def next_attempt(self, entry: Entry, number: int) -> int:
        """Return a number that no order and no protection of a leg has: an order's protection shares it."""
        known = self._journal.intents(entry.position_id, number)
        return max((intent.attempt for intent in known if intent.purpose is not Purpose.EXIT), default=-1) + 1

    def find_attached(self, intent: Intent) -> AttachedStops:
        """Return the stops that travel with an order."""
        protections = self._journal.intents(intent.position_id, intent.leg, Purpose.PROTECT)
        attached = next(stops for stops in protections if stops.attempt == intent.attempt)
        assert attached.stop_price is not None
        assert attached.target_price is not None
        return AttachedStops(attached.client_order_id, attached.stop_price, attached.target_price)

    def withdraw_if_unfilled(self, intent: Intent) -> None:
        """Close the intent of what was attached to an order that ended without a fill."""
        if intent.state.final and intent.filled_contracts == 0:
            self._protector.withdraw(intent, self._desk.clock.now(), "the entry was not filled")

    def give_up_unsent(self, entry: Entry, reason: str) -> None:
        """Cancel the orders of an entry that never left, and what was attached to them, in the journal."""
        for intent in self._journal.intents(entry.position_id, purpose=Purpose.ENTRY):
            if intent.state is IntentState.INTENDED:
                self.give_up(intent, reason)

    def give_up(self, intent: Intent, reason: str) -> Intent:
        """Cancel an order that never left, and what was attached to it, in the journal; return it."""
        gone = self.end_unsent(intent, reason)
        self._protector.withdraw(intent, self._desk.clock.now(), reason)
        return gone

    def end_unsent(self, intent: Intent, reason: str) -> Intent:
        """Cancel an order that never left in the journal, without what was attached to it; return it."""
        return self._journal.advance(intent.client_order_id, IntentState.CANCELLED, self._desk.clock.now(), reason)

    def make(
        self,
        entry: Entry,
        number: int,
        decision_id: str,
        *,
        attempt: int,
        contracts: Decimal,
        price: Decimal | None = None,
    ) -> tuple[Intent, Intent]:
        """Return the intents of a leg's order and of its attached protection: at market, or post-only at `price`."""
        leg = entry.legs[number]
        contract = get_contract(self._contracts, leg.asset)
        reference = exact(leg.reference_price) if price is None else price
        prices = compute_stop_prices(leg.stops, leg.side, reference, contract)
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
            order_type=MARKET if price is None else POST_ONLY,
            reduce_only=False,
            stop_price=None,
            target_price=None,
            created_at=self._desk.clock.now(),
            margin_mode=entry.margin_mode,
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
