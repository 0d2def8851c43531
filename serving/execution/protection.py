"""Stops of one leg on the venue: what really rests there is read back; what differs is replaced without a gap.

A replacement is placed before its predecessor is cancelled. Both are reduce-only: for that moment the position has two
stops, never none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from itertools import islice

from pairity.errors import CredentialsError, OrderUnknownError, VenueError, VenueRejectedError
from pairity.margin import MarginMode
from pairity.strategy.stops import StopPrices
from pairity.strategy.types import Side
from pairity.universe import ContractSpec
from serving.execution.facts import Facts, is_resting
from serving.execution.order_sizes import split_contracts
from serving.execution.orders import OrderDesk
from serving.execution.resting_stops import RestingStops
from serving.execution.venue_records import AlgoState, Missing, VenueAlgo
from serving.journal import Intent, IntentState, Purpose, client_order_id

_MOST_PARTS = 20
"""Most stops for one leg: each is placed and read back."""
_LOOKS = 5
"""Number of look-ups before an attached protection counts as missing: the venue creates it after the fill."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Protection that one leg must have: `side` is the leg's own side, `contracts` its size."""

    position_id: str
    leg: int
    decision_id: str | None
    side: Side
    contracts: Decimal
    prices: StopPrices
    spec: ContractSpec
    at: datetime
    margin_mode: MarginMode = MarginMode.CROSS

    @property
    def instrument(self) -> str:
        """The leg's instrument."""
        return self.spec.instrument

    def is_met_by(self, algo: VenueAlgo) -> bool:
        """Return whether `algo` is this protection: right side, the very stop and target, the whole size."""
        return self.has_stop_in(algo) and (algo.stop, algo.target) == (self.prices.stop, self.prices.target)

    def has_stop_in(self, algo: VenueAlgo) -> bool:
        """Return whether `algo` has any stop-loss for all of this leg."""
        whole = (
            algo.contracts is None
            or algo.contracts == self.contracts
            or (algo.reduce_only and algo.contracts > self.contracts)
        )
        return closes(algo, self.instrument, self.side, self.margin_mode) and algo.stop is not None and whole


def closes(algo: VenueAlgo, instrument: str, side: Side, margin_mode: MarginMode) -> bool:
    """Return whether `algo` would close a position of ours; `side` and `margin_mode` are the position's own."""
    return (algo.instrument, algo.side) == (instrument, side.opposite) and algo.margin_mode != margin_mode.other


@dataclass(frozen=True, slots=True)
class Shield:
    """Protection that a leg has: whether a stop-loss rests on the venue, at which prices, and what is wrong with it.

    Not protected and without a problem: its stop was triggered.
    """

    protected: bool
    stop: Decimal | None = None
    target: Decimal | None = None
    problem: str | None = None


def _find_lost(known: Sequence[Intent], resting: Sequence[VenueAlgo]) -> str | None:
    """Say which stop rested on the venue and is not there any more; None where none is missing."""
    there = {algo.client_order_id for algo in resting}
    for intent in known:
        if intent.state is IntentState.ACKNOWLEDGED and intent.client_order_id not in there:
            return (
                f"{intent.position_id}: the stop of {intent.instrument} was gone from the venue, and was placed again"
            )
    return None


class Protector:
    """Protector of single legs: makes claims true on the venue."""

    def __init__(self, desk: OrderDesk) -> None:
        self._desk = desk
        self._facts = Facts(desk.venue, desk.journal)

    async def ensure(self, claim: Claim, *, expected: bool, stops: RestingStops | None = None) -> Shield:
        """Read the leg's protection back; place it if it is missing or differs; drop what is superfluous.

        `expected`: the venue should be creating it, so it is given a moment; otherwise the list of a pass, `stops`,
        stands in for one of its own. Raises VenueError only where the venue cannot be read at all (nothing is known
        then, and nothing was concluded).
        """
        resting = await self._resting(claim, expected=expected, stops=stops)
        # Of this journal and this position: another one's may be cancelled, or triggered, without our knowing.
        known = self._desk.journal.intents(claim.position_id, claim.leg, Purpose.PROTECT)
        if not resting and await self._was_triggered({i.client_order_id for i in known}, claim.instrument):
            return Shield(False)
        # One that has ended in the journal and rests all the same is none to count on: it is dropped again.
        own = {intent.client_order_id for intent in known if not intent.state.final}
        sizes = list(islice(split_contracts(claim.contracts, claim.spec), _MOST_PARTS + 1))
        lost = None if expected else _find_lost(known, resting)
        if len(sizes) > 1:
            return await self._ensure_parts(claim, sizes, resting, own, lost)
        valid = next((algo for algo in resting if algo.client_order_id in own and claim.is_met_by(algo)), None)
        replaced = valid is None
        if valid is None:
            valid, problem = await self._place(claim)
            if valid is None:
                return self._fall_back(claim, resting, problem)
        # Only now: the predecessors go when the right one has been read back.
        await self._drop([algo for algo in resting if algo.algo_id != valid.algo_id])
        self._sync(claim, valid)
        await self._settle_others(claim, {valid.client_order_id})
        return Shield(True, valid.stop, valid.target, lost if replaced else None)

    async def _ensure_parts(
        self, claim: Claim, sizes: Sequence[Decimal], resting: list[VenueAlgo], own: set[str], lost: str | None
    ) -> Shield:
        """Do what `ensure` does for a leg above the largest market order: several stops, each of one order's size."""
        if len(sizes) > _MOST_PARTS:
            return self._fall_back(claim, resting, f"it would need more than {_MOST_PARTS} stops")
        left, parts, replaced = list(resting), list[VenueAlgo](), False
        for size in sizes:
            part = replace(claim, contracts=size)
            valid = next(
                (
                    algo
                    for algo in left
                    if algo.client_order_id in own and algo.contracts == size and part.is_met_by(algo)
                ),
                None,
            )
            if valid is None:
                valid, problem = await self._place(part)
                if valid is None:
                    return self._fall_back(claim, resting, problem)
                replaced = True
            else:
                left.remove(valid)
            parts.append(valid)
            self._sync(part, valid)
        await self._drop(left)
        await self._settle_others(claim, {part.client_order_id for part in parts})
        return Shield(True, parts[0].stop, parts[0].target, lost if replaced else None)

    async def remove(self, position_id: str, instrument: str) -> list[str]:
        """Cancel all protection of a closed position and see it gone; return problems where something stays."""
        for look in range(_LOOKS):
            ours = await self._ours(instrument)
            if not ours:
                break
            await self._drop(ours)
            await self._desk.pace.wait(look)
        else:
            return [f"{position_id}: protective orders {', '.join(a.algo_id for a in ours)} cannot be cancelled"]
        await self._end_unsettled(position_id)
        return []

    async def settle(self, position_id: str) -> list[VenueAlgo]:
        """Bring the journal's protective orders of a position up to date; return those that the venue triggered."""
        triggered = []
        for intent in self._desk.journal.intents(position_id, purpose=Purpose.PROTECT):
            lookup = await self._desk.venue.find_algo(intent.instrument, intent.client_order_id)
            if isinstance(lookup, VenueAlgo):
                if lookup.state is AlgoState.EFFECTIVE:
                    triggered.append(lookup)
                if not intent.state.final:
                    self._book(intent, lookup)
        return triggered

    async def _end_unsettled(self, position_id: str) -> None:
        """End the journal's protective orders of a closed position of which nothing of ours rests.

        What the journal knows the end of is not asked for again; what does not exist never will.
        """
        for intent in self._desk.journal.intents(position_id, purpose=Purpose.PROTECT):
            if intent.state.final:
                continue
            lookup = await self._desk.venue.find_algo(intent.instrument, intent.client_order_id)
            if isinstance(lookup, VenueAlgo):
                self._book(intent, lookup)
            elif isinstance(lookup, Missing):
                now = self._desk.clock.now()
                self._desk.journal.advance(intent.client_order_id, IntentState.CANCELLED, now, lookup.answer)

    async def _settle_others(self, claim: Claim, kept: set[str]) -> None:
        """Bring the journal's other stops of a protected leg to their end: those that a crash or a person left behind.

        What the venue leaves open stays as it is, for the next look.
        """
        journal = self._desk.journal
        for left in journal.intents(claim.position_id, claim.leg, Purpose.PROTECT):
            if left.state.final or left.client_order_id in kept or self._may_come_to_life(left):
                continue
            intent = left
            try:
                if left.state in (IntentState.SENT, IntentState.UNKNOWN):
                    intent = await self._desk.settle(left)
                lookup = await self._desk.venue.find_algo(claim.instrument, intent.client_order_id)
            except VenueError:
                continue
            if isinstance(lookup, VenueAlgo):
                self._book(intent, lookup)  # one that rests is listed next time, and dropped
            elif isinstance(lookup, Missing) and not intent.state.final:
                now = self._desk.clock.now()
                journal.advance(intent.client_order_id, IntentState.CANCELLED, now, f"another rests: {lookup.answer}")

    def _may_come_to_life(self, stop: Intent) -> bool:
        """Return whether the venue may still create a stop: it is attached to an entry that is under way."""
        entries = self._desk.journal.intents(stop.position_id, stop.leg, Purpose.ENTRY)
        return any(entry.attempt == stop.attempt and not entry.state.final for entry in entries)

    def withdraw(self, entry: Intent, at: datetime, reason: str) -> None:
        """Close the journal's intent of what was attached to an entry that was never filled: it cannot come to life."""
        for intent in self._desk.journal.intents(entry.position_id, entry.leg, Purpose.PROTECT):
            # An order's protection has its number; that of a sibling which was filled is alive.
            if intent.attempt == entry.attempt and intent.state is IntentState.INTENDED:
                self._desk.journal.advance(intent.client_order_id, IntentState.CANCELLED, at, reason)

    async def _was_triggered(self, own: set[str], instrument: str) -> bool:
        """Return whether a stop of the leg has been triggered: then it is closing the leg, or has closed it.

        The venue's list of positions may not say so yet. Another stop would be refused, or outlive the leg.
        """
        for client_id in own:
            lookup = await self._desk.venue.find_algo(instrument, client_id)
            if isinstance(lookup, VenueAlgo) and lookup.state is AlgoState.EFFECTIVE:
                return True
        return False

    async def _resting(self, claim: Claim, *, expected: bool, stops: RestingStops | None) -> list[VenueAlgo]:
        # What the venue is about to create is not in a list of before.
        shared = None if expected else stops
        for look in range(_LOOKS if expected else 1):
            resting = [algo for algo in await self._ours(claim.instrument, shared) if algo.side is claim.side.opposite]
            if resting:
                break
            if expected:
                await self._desk.pace.wait(look)
        return resting + await self._find_unlisted(claim, {algo.client_order_id for algo in resting})

    async def _find_unlisted(self, claim: Claim, listed: set[str]) -> list[VenueAlgo]:
        """Return the stops of a leg that rest on the venue though its list lacks them: a list may be late, or empty."""
        return [
            stop
            for intent in self._desk.journal.intents(claim.position_id, claim.leg, Purpose.PROTECT)
            if intent.state is IntentState.ACKNOWLEDGED and intent.client_order_id not in listed
            if (stop := await self._facts.find_stop(claim.instrument, intent.client_order_id)) is not None
            if is_resting(stop)
        ]

    async def _ours(self, instrument: str, stops: RestingStops | None = None) -> list[VenueAlgo]:
        orders = await self._desk.venue.algo_orders() if stops is None else await stops.list()
        owns = self._desk.journal.owns
        return [algo for algo in orders if algo.instrument == instrument and owns(algo.client_order_id)]

    async def _place(self, claim: Claim) -> tuple[VenueAlgo | None, str]:
        """Place a protective order and read it back; return None with the reason where it does not rest."""
        journal = self._desk.journal
        known = journal.intents(claim.position_id, claim.leg, Purpose.PROTECT)
        # A second attempt, under an id of its own, where the venue rejects the first.
        number = max((intent.attempt for intent in known), default=-1) + 1
        for attempt in range(number, number + 2):
            intent = journal.intend(_make_intent(claim, attempt, journal.scope))
            try:
                intent = await self._put_to_rest(intent)
            except (OrderUnknownError, VenueError) as error:
                return None, error.what
            if intent.state is IntentState.ACKNOWLEDGED:
                break
        if intent.state is not IntentState.ACKNOWLEDGED:
            return None, journal.events(intent.client_order_id)[-1].answer
        for look in range(_LOOKS):
            lookup = await self._desk.venue.find_algo(claim.instrument, intent.client_order_id)
            if isinstance(lookup, VenueAlgo) and lookup.state is AlgoState.LIVE and claim.has_stop_in(lookup):
                return lookup, ""
            await self._desk.pace.wait(look)
        return None, f"protection {intent.client_order_id} was accepted, but reads back as {lookup}"

    async def _put_to_rest(self, intent: Intent) -> Intent:
        """Do what the desk does, and once more where a single request was refused at the door.

        A timestamp that arrived late is refused like a wrong key, and a position would be closed for it.
        """
        try:
            return await self._desk.put_to_rest(intent)
        except CredentialsError:
            await self._desk.pace.wait()
            return await self._desk.put_to_rest(self._desk.journal.intent(intent.client_order_id) or intent)

    def _fall_back(self, claim: Claim, resting: list[VenueAlgo], problem: str) -> Shield:
        """Keep an old stop that is not quite right: it is better than none."""
        old = next((algo for algo in resting if claim.has_stop_in(algo)), None)
        if old is None:
            return Shield(False, problem=f"{claim.instrument} has no protection: {problem}")
        self._sync(claim, old)
        reason = f"{claim.instrument} keeps its stop at {old.stop}, wanted was {claim.prices.stop}: {problem}"
        return Shield(True, old.stop, old.target, reason)

    async def _drop(self, algos: list[VenueAlgo]) -> None:
        """Ask for cancellations; whoever must be sure looks again."""
        for algo in algos:
            try:
                await self._desk.venue.cancel_algo(algo.instrument, algo.algo_id)
            except (OrderUnknownError, VenueRejectedError):
                continue
            intent = self._desk.journal.intent(algo.client_order_id)
            if intent is not None and not intent.state.final:
                now = self._desk.clock.now()
                self._desk.journal.advance(intent.client_order_id, IntentState.CANCELLED, now, "cancelled by us")

    def _sync(self, claim: Claim, valid: VenueAlgo) -> None:
        intent = self._desk.journal.intent(valid.client_order_id)
        if intent is not None and intent.position_id == claim.position_id:
            self._book(intent, valid)

    def _book(self, intent: Intent, shown: VenueAlgo) -> None:
        """Book what the venue shows; an attached protection was sent with its parent, so its sending is booked here."""
        if intent.state is IntentState.INTENDED:
            now = self._desk.clock.now()
            intent = self._desk.journal.advance(intent.client_order_id, IntentState.SENT, now, "attached to the entry")
        if not intent.state.final:
            self._desk.book(intent, shown)


def _make_intent(claim: Claim, attempt: int, scope: str) -> Intent:
    return Intent(
        client_order_id=client_order_id(scope, claim.position_id, claim.leg, Purpose.PROTECT, attempt),
        decision_id=claim.decision_id,
        position_id=claim.position_id,
        leg=claim.leg,
        purpose=Purpose.PROTECT,
        attempt=attempt,
        instrument=claim.instrument,
        side=claim.side.opposite,
        contracts=claim.contracts,
        order_type="oco",
        reduce_only=True,
        stop_price=claim.prices.stop,
        target_price=claim.prices.target,
        created_at=claim.at,
        margin_mode=claim.margin_mode,
    )
