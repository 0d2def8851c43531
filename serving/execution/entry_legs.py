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
from datetime import datetime
from decimal import Decimal

from pairity.errors import OrderUnknownError, VenueUnreachableError
from pairity.strategy.hedging import Lots, compute_hedge_error, match_base_lots, match_quote_lots
from pairity.strategy.types import Entry
from pairity.universe import ContractSpec, exact
from serving.execution.contracts import get_contract
from serving.execution.entry_intents import POST_ONLY, EntryIntents
from serving.execution.leg_order import rank_by_risk
from serving.execution.limit_entries import LimitEntries, Worked
from serving.execution.orders import OrderDesk
from serving.journal import DecisionRecord, Intent, IntentState, Purpose

HEDGE_TOLERANCE = Decimal("0.05")
_ATTEMPTS = 3
"""Most orders for the second leg."""


class EntryLegs:
    """Orders of an entry's legs. Every method may be called again after a crash and then goes on where it stopped."""

    def __init__(
        self,
        desk: OrderDesk,
        contracts: Mapping[str, ContractSpec],
        intents: EntryIntents,
        hedge_tolerance: Decimal,
        limits: LimitEntries,
    ) -> None:
        self._desk = desk
        self._journal = desk.journal
        self._contracts = contracts
        self._intents = intents
        self._tolerance = hedge_tolerance
        self._limits = limits

    async def fill_first(self, entry: Entry, decision: DecisionRecord, *, allowed: bool = True) -> Worked:
        """Journal the orders of all legs and take the first one as far as it goes; where nothing is opened, say why.

        It rests where it is a limit order that is not at its end; with `allowed` False it is ended. Raises VenueError
        where the venue leaves its outcome open.
        """
        await self._intend(entry, decision.decision_id)
        first = self._rank(entry)[0]
        worked = await self._limits.work(entry, decision, first, allowed=allowed)
        if worked.rests:
            return worked
        newest = self._intents.newest(entry, first)
        if newest.state is IntentState.INTENDED and not allowed:
            newest = self._intents.give_up(newest, "nothing may be opened now")
        await self._carry_out(newest)
        if self._intents.count_filled(entry, first) > 0:
            return Worked(rests=False)
        newest = self._intents.newest(entry, first)
        said = worked.reason or self._journal.events(newest.client_order_id)[-1].answer
        self._intents.withdraw_if_unfilled(newest)
        self._intents.give_up_unsent(entry, "the other leg was not filled")
        return Worked(rests=False, reason=f"{newest.instrument}: {newest.state}: {said}")

    async def end_limit(self, entry: Entry, decision: DecisionRecord) -> None:
        """End a limit order of the entry that rests, for nothing is to be opened any more. Raises VenueError."""
        for number in range(len(entry.legs)):
            if self._intents.list(entry, number):
                await self._limits.work(entry, decision, number, allowed=False)

    def has_limit(self, entry: Entry) -> bool:
        """Return whether the entry began with a limit order."""
        intents = self._journal.intents(entry.position_id, purpose=Purpose.ENTRY)
        return any(intent.order_type == POST_ONLY for intent in intents)

    async def fill_second(self, entry: Entry, decision: DecisionRecord) -> str:
        """Fill the second leg in the hedge ratio to the first; return why it is not, or "".

        It is tried again, for what is missing, until the deadline. An order that is in doubt then is named as the
        reason: nothing is known of it.
        """
        began = self._desk.pace.monotonic()
        first, second = self._rank(entry)
        wanted = self._match(entry, decision, first, second)
        if wanted is None:
            self._intents.give_up_unsent(entry, "nothing hedges what the first leg got")
            return f"no whole lots of {entry.legs[second].asset} hedge what the other leg got"
        turns = 0
        while True:
            newest = self._intents.newest(entry, second)
            missing = wanted - self._intents.count_filled(entry, second)
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
            if self._intents.count_filled(entry, second) < wanted:
                await self._desk.pace.wait(turns)
                turns += 1

    def _find_next(self, entry: Entry, decision: DecisionRecord, newest: Intent, missing: Decimal) -> Intent | None:
        """Return the next order of the second leg, journalled; None where there is no other one to try."""
        if newest.state is IntentState.INTENDED and newest.contracts == missing:
            return newest
        contract = get_contract(self._contracts, entry.legs[newest.leg].asset)
        attempts = len(self._intents.list(entry, newest.leg)) - (newest.state is IntentState.INTENDED)
        self._intents.give_up_unsent(entry, f"{missing} contracts are wanted instead")
        if attempts >= _ATTEMPTS or missing < contract.min_sz:
            return None
        attempt = self._intents.next_attempt(entry, newest.leg)
        intent, protection = self._intents.make(
            entry, newest.leg, decision.decision_id, attempt=attempt, contracts=missing
        )
        self._journal.intend_all([intent, protection])
        self._desk.checkpoint("entry: intended again")
        return intent

    def _judge(self, entry: Entry, decision: DecisionRecord, newest: Intent) -> str:
        """Return why what was filled is not hedged, empty where it is; nothing more is sent."""
        self._intents.give_up_unsent(entry, "too late")
        base, quote = (self._value(entry, number) for number in (0, 1))
        ratio = self._find_ratio(entry, decision)
        if base and quote and compute_hedge_error(base, quote, ratio) <= self._tolerance:
            return ""
        answer = self._journal.events(newest.client_order_id)[-1].answer
        return f"{newest.instrument}: {newest.state}: {answer}"

    def _match(self, entry: Entry, decision: DecisionRecord, first: int, second: int) -> Decimal | None:
        """Return the contracts of the second leg that hedge what the first one got; None where none do."""
        if self._intents.count_filled(entry, first) == entry.legs[first].contracts:
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
        return contract.notional(self._intents.count_filled(entry, number), exact(leg.reference_price))

    def _is_late(self, entry: Entry, began: float) -> bool:
        """Return whether the legs should have been filled by now: by our own seconds, or since the first intent."""
        waited = self._desk.pace.monotonic() - began
        alone_for = (self._desk.clock.now() - self._find_beginning(entry)).total_seconds()
        return max(waited, alone_for) > self._desk.pace.leg_deadline_s

    def _find_beginning(self, entry: Entry) -> datetime:
        """Return when the deadline of the legs began: with the first intent, or a limit order's first fill."""
        first = self._intents.list(entry, self._rank(entry)[0])
        if first[0].order_type != POST_ONLY:
            return self._intents.began_at(entry)
        names = {intent.client_order_id for intent in first}
        fills = [fill.at for fill in self._journal.fills(entry.position_id) if fill.client_order_id in names]
        # Executions that are not listed yet: then by the moment at which we learned of them.
        return min(fills) if fills else self._journal.events(first[-1].client_order_id)[-1].at

    def _rank(self, entry: Entry) -> list[int]:
        """Return the legs in order of sending; one that was sent before a restart stays the first."""
        ranked = rank_by_risk(entry.legs, self._contracts)
        return sorted(ranked, key=lambda number: not self._intents.has_left(entry, number))

    async def _intend(self, entry: Entry, decision_id: str) -> None:
        """Journal the orders of all legs and what is attached to them, before the first request."""
        self._desk.checkpoint("entry: before the intent")
        if self._journal.intents(entry.position_id, purpose=Purpose.ENTRY):
            return
        first = self._rank(entry)[0]
        price = await self._limits.quote(entry, first) if self._limits.begins else None
        pairs = [
            self._intents.make(
                entry,
                number,
                decision_id,
                attempt=0,
                contracts=leg.contracts,
                price=price if number == first else None,
            )
            for number, leg in enumerate(entry.legs)
        ]
        # Together: the venue creates the protection with the fill, so its id must be known before the order leaves;
        # and a process that dies after the first leg must find the second one.
        self._journal.intend_all([intent for pair in pairs for intent in pair])
        if price is not None:
            self._limits.remember(pairs[first][0], price)
        self._desk.checkpoint("entry: intended")

    async def _carry_out(self, intent: Intent) -> None:
        if intent.state.final:
            return
        done = await self._desk.carry_out(intent, self._intents.find_attached(intent))
        self._intents.withdraw_if_unfilled(done)
        self._desk.checkpoint("entry: finished")
