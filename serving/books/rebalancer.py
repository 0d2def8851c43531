"""Carrying out of a rebalance, from the journal alone: reductions first, then increases.

    missing contracts ──▶ post-only at the best price of its own side, while the deadline lasts (`serve.limit_*`)
          ▲                     └─ over, refused or cancelled: what is missing of it at market
          └──────── one order at a time per move; each is an intent before it leaves

Nobody waits here: `work` takes every move as far as it goes now and returns while an order rests; each look of the
watch calls it again, and so does the process that comes back after a kill.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal

from pairity.errors import OrderUnknownError
from pairity.universe import ContractSpec
from serving.books.moves import Move
from serving.execution.contracts import get_contract
from serving.execution.entry_intents import MARKET, POST_ONLY
from serving.execution.executor import Executor
from serving.execution.limit_entries import LimitTerms
from serving.execution.order_sizes import first_order
from serving.journal import Intent, IntentState, Purpose, client_order_id
from serving.reconcile.report import ReconcileReport
from serving.reconcile.spaced_exits import Refusals

_MOST_REFUSALS = 3
"""Orders of an increase that the venue may refuse before the rest of it is given up until the next decision."""

FindRefusal = Callable[[Move], Awaitable[str | None]]


class Rebalancer:
    """Rebalancer of one account. Every method may be called again after a crash and then goes on where it stopped.

    Orders go at market without `terms`.
    """

    def __init__(self, executor: Executor, terms: LimitTerms | None, leverage: int) -> None:
        self._executor = executor
        self._desk = executor.desk
        self._journal = executor.desk.journal
        self._switch = executor.switch
        self._terms = terms
        self._leverage = leverage
        self._levered: set[str] = set()
        self._refusals = Refusals(executor.desk.clock)
        self._noted: set[str] = set()

    def forget_refusals(self) -> None:
        """Try again at once what the venue refused."""
        self._refusals.forget_all()

    async def work(
        self,
        moves: Sequence[Move],
        report: ReconcileReport,
        *,
        reduce: bool = True,
        increase: bool = True,
        find_refusal: FindRefusal | None = None,
    ) -> bool:
        """Take moves as far as they go now; return whether one of them is to be taken further.

        Without `reduce`, or `increase`, moves of that kind are not begun, and their orders that rest are ended; what
        is missing of them waits.
        `find_refusal` says what forbids an increase. Raises VenueError where the venue leaves something open; an order
        in doubt is in the report.
        """
        for purpose, allowed in ((Purpose.REDUCE, reduce), (Purpose.INCREASE, increase)):
            waits = False
            for move in moves:
                if move.purpose is not purpose:
                    continue
                try:
                    waits |= await self._take(move, moves, report, allowed=allowed, find_refusal=find_refusal)
                except OrderUnknownError as error:
                    newest = self._list(move)[-1]
                    report.unresolved.append(newest.client_order_id)
                    report.problems.append(error.what)
                    waits = True
            if waits:  # nothing is increased while something is still to be reduced
                return True
        return False

    async def end_others(self, wanted: Sequence[Move], report: ReconcileReport) -> None:
        """End the orders of other moves than these, of earlier decisions: what they lack is decided anew.

        Raises VenueError; an order in doubt is in the report.
        """
        current = {move.position_id for move in wanted}
        for intent in self._journal.unsettled():
            if intent.purpose not in (Purpose.REDUCE, Purpose.INCREASE) or intent.position_id in current:
                continue
            try:
                await self._end(intent)
            except OrderUnknownError as error:
                report.unresolved.append(intent.client_order_id)
                report.problems.append(error.what)

    async def _take(
        self,
        move: Move,
        moves: Sequence[Move],
        report: ReconcileReport,
        *,
        allowed: bool,
        find_refusal: FindRefusal | None,
    ) -> bool:
        """Take one move as far as it goes now; return whether it is still under way."""
        while True:
            known = self._list(move)
            if known and not known[-1].state.final:
                if not await self._step(known, allowed=allowed):
                    return True
                continue
            await self._switch.release(move.position_id)
            missing = move.contracts - _count_filled(known)
            spec = get_contract(self._executor.contracts, move.name)
            if missing <= 0:
                self._refusals.forget(move.position_id)
                return False
            if missing < spec.min_sz:
                report.problems.append(f"{move.name}: {missing} contracts are below the smallest order")
                return False
            if not allowed:
                return True
            if (stopped := self._explain_stop(move, moves, known, report)) is not None:
                return stopped
            # One that has begun already is not measured again.
            begins = move.purpose is Purpose.INCREASE and not known
            if begins and find_refusal is not None and (why := await find_refusal(move)):
                report.problems.append(f"{move.name} is not increased: {why}")
                return False
            await self._set_leverage(move)
            await self._intend(move, known, missing, spec)

    def _explain_stop(
        self, move: Move, moves: Sequence[Move], known: Sequence[Intent], report: ReconcileReport
    ) -> bool | None:
        """Return whether a move waits (True) or is given up (False) although something is missing; None: it goes on."""
        name = move.position_id
        refused = [intent for intent in known if _is_refused(intent)]
        if move.purpose is Purpose.INCREASE:
            if move.instrument in self._executor.blocked:
                report.problems.append(f"{move.name} is not increased: {self._executor.blocked[move.instrument]}")
                return False
            if any(not self._is_filled(other) for other in moves if other.position_id == name and other != move):
                return False  # what is held on the other side comes first
            if any(one.state is IntentState.FILLED for one in self._journal.intents(name, 0, Purpose.PROTECT)):
                report.problems.append(f"{move.name} is not increased until the next decision: its stop was triggered")
                return False
            if len(refused) >= _MOST_REFUSALS:
                said = self._journal.events(refused[-1].client_order_id)[-1].answer
                report.problems.append(f"{move.name} is not increased until the next decision: {said}")
                return False
            return None
        if self._refusals.delay(name, report):
            return True
        if known and _is_refused(known[-1]):
            said = self._journal.events(known[-1].client_order_id)[-1].answer
            if known[-1].client_order_id not in self._noted:
                self._noted.add(known[-1].client_order_id)
                self._refusals.refuse(name, f"{move.name} is not reduced yet: {said}")
                return self._refusals.delay(name, report)
        return None

    def _is_filled(self, move: Move) -> bool:
        return _count_filled(self._list(move)) >= move.contracts

    async def _step(self, known: Sequence[Intent], *, allowed: bool) -> bool:
        """Take one step with the newest order of a move; return False while it rests, and may."""
        newest = known[-1]
        if newest.state is IntentState.INTENDED and not allowed:
            await self._end(newest)
            return True
        if newest.order_type == MARKET:
            await self._desk.carry_out(newest)
            self._desk.checkpoint("book: finished")
            return True
        if newest.state is IntentState.INTENDED:
            if self._is_over(known):
                await self._end(newest)
                return True
            await self._switch.arm(newest.position_id)
            best = await self._desk.venue.best_prices(newest.instrument)
            newest = await self._desk.put_to_rest(newest, None, best.own_side(newest.side))
        elif newest.state is not IntentState.ACKNOWLEDGED:
            newest = await self._desk.settle(newest)
        if newest.state is not IntentState.ACKNOWLEDGED:
            return True
        newest = await self._desk.look(newest)
        if newest.state.final:
            return True
        if allowed and not self._is_over(known):
            await self._switch.arm(newest.position_id)
            return False
        await self._desk.end(newest)
        return True

    async def _end(self, intent: Intent) -> None:
        """Bring an order to its end without sending anything of it anew."""
        while not intent.state.final:
            if intent.state is IntentState.INTENDED:
                now = self._desk.clock.now()
                intent = self._journal.advance(intent.client_order_id, IntentState.CANCELLED, now, "not sent any more")
            elif intent.state is IntentState.ACKNOWLEDGED:
                intent = await self._desk.end(intent)
            else:
                intent = await self._desk.settle(intent)
        await self._switch.release(intent.position_id)

    async def _intend(self, move: Move, known: Sequence[Intent], missing: Decimal, spec: ContractSpec) -> None:
        """Journal the next order of a move."""
        quoted = self._terms is not None and len(known) < self._terms.quotes and not self._is_over(known)
        if quoted and known and known[-1].order_type != POST_ONLY:
            quoted = False
        attempt = max((intent.attempt for intent in known), default=-1) + 1
        intent = Intent(
            client_order_id=client_order_id(self._journal.scope, move.position_id, 0, move.purpose, attempt),
            decision_id=move.decision_id,
            position_id=move.position_id,
            leg=0,
            purpose=move.purpose,
            attempt=attempt,
            instrument=move.instrument,
            side=move.side,
            contracts=first_order(missing, spec),
            order_type=POST_ONLY if quoted else MARKET,
            reduce_only=move.purpose is Purpose.REDUCE,
            stop_price=None,
            target_price=None,
            created_at=self._desk.clock.now(),
        )
        self._desk.checkpoint("book: before the intent")
        self._journal.intend(intent)
        self._desk.checkpoint("book: intended")

    async def _set_leverage(self, move: Move) -> None:
        if move.purpose is Purpose.INCREASE and move.instrument not in self._levered:
            await self._desk.venue.ensure_leverage(move.instrument, self._leverage)
            self._levered.add(move.instrument)

    def _list(self, move: Move) -> list[Intent]:
        """Return the orders of a move in order of attempt."""
        known = self._journal.intents(move.position_id, 0, move.purpose)
        return sorted(known, key=lambda intent: intent.attempt)

    def _is_over(self, known: Sequence[Intent]) -> bool:
        """Return whether the time of a move's limit orders, or of the newest one, is over."""
        if self._terms is None:
            return True
        if not known:
            return False
        deadline_s = self._terms.deadline_s
        return self._count_seconds(known[0]) >= deadline_s or (
            self._count_seconds(known[-1]) >= deadline_s / self._terms.quotes and not known[-1].state.final
        )

    def _count_seconds(self, intent: Intent) -> float:
        """Return the seconds since an order was journalled; a clock that went back by as much counts as well."""
        return abs((self._desk.clock.now() - intent.created_at).total_seconds())


def _is_refused(intent: Intent) -> bool:
    """Return whether the venue took a market order, or refused it, and executed nothing."""
    reached = intent.state is IntentState.REJECTED or intent.order_id is not None
    return intent.order_type == MARKET and reached and not intent.filled_contracts


def _count_filled(known: Sequence[Intent]) -> Decimal:
    return sum((intent.filled_contracts for intent in known), Decimal(0))
