"""Limit orders of an entry: quoted, watched, cancelled; what is left goes at market, or is not opened.

    quoted (post-only, the dead man's switch armed) ──filled──▶ done
        └─ cancelled: its time is over, it would have taken, the venue or the switch ended it
              ├─▶ quoted again, while quotes and time are left
              └─▶ the rest at market, if the price has not run away ──▶ done
                     └─ run away, too late, below the smallest order ──▶ what was filled is all there is

Nobody waits here: `work` takes one step and returns while an order rests; each look of the watch calls it again. What
it goes by is the journal, so a process that comes back goes on where the last one stopped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from pairity.settings import Settings
from pairity.strategy.types import Entry, Side
from pairity.universe import ContractSpec, exact, inst_id
from serving.execution.contracts import get_contract
from serving.execution.dead_mans_switch import DeadMansSwitch
from serving.execution.entry_intents import POST_ONLY, EntryIntents
from serving.execution.orders import OrderDesk
from serving.journal import DecisionRecord, Intent, IntentState


@dataclass(frozen=True, slots=True)
class LimitTerms:
    """Terms of limit entries, in seconds of the clock in use.

    `quotes` is the most limit orders per entry, `drift` the largest relative distance by which the price may have gone
    from the decision's against us for the rest to go at market; 0: never at market.
    """

    deadline_s: float
    quotes: int
    drift: Decimal
    cancel_after_s: int

    @classmethod
    def of(cls, settings: Settings) -> LimitTerms | None:
        """Return the terms of the settings; None where entries go at market."""
        if settings.strategy.entry_order == "market":
            return None
        return cls(
            deadline_s=settings.serve.limit_deadline_s,
            quotes=settings.serve.limit_requotes + 1,
            drift=exact(settings.strategy.limit_drift),
            cancel_after_s=settings.serve.cancel_after_s,
        )


_NONE = LimitTerms(deadline_s=0.0, quotes=1, drift=Decimal(0), cancel_after_s=60)


@dataclass(frozen=True, slots=True)
class Worked:
    """Where the limit orders of a leg stand: one rests, or all are over; then `reason` says why no more is sent."""

    rests: bool
    reason: str = ""


class LimitEntries:
    """Limit orders of entries, one leg of each. Every method may be called again after a crash.

    Without `terms` none is begun, and those of an earlier process are ended.
    """

    def __init__(
        self,
        desk: OrderDesk,
        contracts: Mapping[str, ContractSpec],
        intents: EntryIntents,
        terms: LimitTerms | None,
    ) -> None:
        self._desk = desk
        self._contracts = contracts
        self._intents = intents
        self.begins = terms is not None
        """Whether entries begin with a limit order."""
        self._terms = terms or _NONE
        self.switch = DeadMansSwitch(desk, self._terms.cancel_after_s)
        self._quotes: dict[str, Decimal] = {}

    async def quote(self, entry: Entry, number: int, *, again: bool = False) -> Decimal:
        """Return the price of a leg's limit order: the decision's, or the best one of its own side if that is better.

        `again`: the best one of its own side, as far as the drift allows. Never a price that would take.
        """
        leg = entry.legs[number]
        contract = get_contract(self._contracts, leg.asset)
        best = (await self._desk.venue.best_prices(inst_id(leg.asset))).own_side(leg.side)
        limit = exact(leg.reference_price) * (1 + leg.side.sign * (self._terms.drift if again else Decimal(0)))
        rounding = ROUND_FLOOR if leg.side is Side.BUY else ROUND_CEILING
        worst = (limit / contract.tick_sz).to_integral_value(rounding) * contract.tick_sz
        return min(best, worst) if leg.side is Side.BUY else max(best, worst)

    def remember(self, intent: Intent, price: Decimal) -> None:
        """Keep the price of an order that has just been journalled."""
        self._quotes[intent.client_order_id] = price

    async def work(self, entry: Entry, decision: DecisionRecord, number: int, *, allowed: bool) -> Worked:
        """Take the limit orders of a leg as far as they go now; with `allowed` False they are ended.

        Raises VenueError where the venue leaves something open; OrderUnknownError for an order in doubt.
        """
        reason, allowed = "", allowed and self.begins
        for known in self._intents.list(entry, number)[:-1]:
            self._intents.withdraw_if_unfilled(known)
        while not reason and (newest := self._intents.newest(entry, number)).order_type == POST_ONLY:
            if await self._take_step(entry, newest, allowed=allowed):
                return Worked(rests=True)
            newest = self._intents.newest(entry, number)
            if newest.state.final:
                # Without a look at the switch: it goes on counting for an order that may follow, or ends by itself.
                self.switch.resting.discard(entry.position_id)
                self._desk.checkpoint("entry: limit ended")
                reason = await self._follow(entry, decision, newest, allowed=allowed)
                # Last: what was attached to it says to a process that comes back that nothing has followed yet.
                self._desk.checkpoint("entry: limit followed")
                self._intents.withdraw_if_unfilled(newest)
        await self.switch.release(entry.position_id)
        return Worked(rests=False, reason=reason)

    async def _take_step(self, entry: Entry, newest: Intent, *, allowed: bool) -> bool:
        """Take one step with the newest limit order; return whether it rests, and may."""
        if newest.state is IntentState.INTENDED:
            if not allowed or self._is_over(entry, newest):
                self._intents.end_unsent(newest, "not sent in time" if allowed else "nothing may be opened now")
                return False
            price = self._quotes.pop(newest.client_order_id, None)
            price = await self.quote(entry, newest.leg) if price is None else price
            await self.switch.arm(entry.position_id)
            self._desk.checkpoint("entry: switch armed")
            newest = await self._desk.put_to_rest(newest, self._intents.find_attached(newest), price)
        elif newest.state in (IntentState.SENT, IntentState.UNKNOWN):
            newest = await self._desk.settle(newest)
        if newest.state is not IntentState.ACKNOWLEDGED:
            return False
        newest = await self._desk.look(newest)
        if newest.state.final:
            return False
        if allowed and not self._is_over(entry, newest):
            await self.switch.arm(entry.position_id)
            return True
        await self._desk.end(newest)
        return False

    async def _follow(self, entry: Entry, decision: DecisionRecord, ended: Intent, *, allowed: bool) -> str:
        """Journal what follows a limit order that ended; return why nothing does, or "" where something does."""
        number, leg = ended.leg, entry.legs[ended.leg]
        known = self._intents.list(entry, number)
        filled = self._intents.count_filled(entry, number)
        missing = leg.contracts - filled
        if missing <= 0:
            return "filled"
        if not allowed:
            return "nothing may be opened now"
        if any(self._intents.has_left(entry, other) for other in range(len(entry.legs)) if other != number):
            return "the other leg is sized by what was filled"
        if missing < get_contract(self._contracts, leg.asset).min_sz:
            return f"{missing} contracts are below the smallest order"
        elapsed = self._count_seconds(known[0])
        stands_alone = len(entry.legs) > 1 and filled > 0
        price: Decimal | None = None
        if len(known) < self._terms.quotes and elapsed < self._terms.deadline_s and not stands_alone:
            price = await self.quote(entry, number, again=True)
        elif elapsed > self._terms.deadline_s + self._desk.pace.deadline_s:
            return f"too late for the market: decided on {elapsed:.0f} s ago"
        elif drifted := await self._explain_drift(entry, number):
            return drifted
        intent, protection = self._intents.make(
            entry,
            number,
            decision.decision_id,
            attempt=self._intents.next_attempt(entry, number),
            contracts=missing,
            price=price,
        )
        self._desk.journal.intend_all([intent, protection])
        if price is not None:
            self.remember(intent, price)
        self._desk.checkpoint("entry: intended again")
        return ""

    async def _explain_drift(self, entry: Entry, number: int) -> str:
        """Return why the rest of a leg does not go at market, or "" where it may."""
        leg = entry.legs[number]
        if self._terms.drift == 0:
            return "not filled, and nothing goes at market"
        last, decided = await self._desk.venue.last_price(inst_id(leg.asset)), exact(leg.reference_price)
        against = leg.side.sign * (last / decided - 1)
        if against <= self._terms.drift:
            return ""
        return f"the price went {against:.2%} away, more than {self._terms.drift:.2%}"

    def _is_over(self, entry: Entry, newest: Intent) -> bool:
        """Return whether the time of a quote is over: its share, the whole, or with two legs at its first fill."""
        first = self._intents.list(entry, newest.leg)[0]
        return (
            self._count_seconds(newest) >= self._terms.deadline_s / self._terms.quotes
            or self._count_seconds(first) >= self._terms.deadline_s
            or (len(entry.legs) > 1 and newest.filled_contracts > 0)
        )

    def _count_seconds(self, intent: Intent) -> float:
        """Return the seconds since an order was journalled; a clock that went back by as much counts as well."""
        return abs((self._desk.clock.now() - intent.created_at).total_seconds())
