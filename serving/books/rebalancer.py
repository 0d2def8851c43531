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
from pairity.margin import MarginMode
from pairity.universe import ContractSpec
from serving.books.moves import Move
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
        A reduction whose instrument does not trade is none of them: it is made once it does, and increases go on beside
        it within the limits of the book (`find_refusal`).
        `find_refusal` says what forbids an increase. Raises VenueError where the venue leaves something open; an order
        in doubt is in the report.
        """
        for purpose, allowed in ((Purpose.REDUCE, reduce), (Purpose.INCREASE, increase)):
            waits = False
            for move in moves:
                if move.purpose is not purpose:
                    continue
                try:
                    if await self._take(move, moves, report, allowed=allowed, find_refusal=find_refusal):
                        waits |= not self._stays(move)
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
        before, stepped = _count_filled(self._list(move)), False
        while True:
            known = self._list(move)
            if known and not known[-1].state.final:
                stepped = True
                if not await self._step(move, known, report, allowed=allowed and not self._has_struck(move)):
                    return True
                continue
            await self._switch.release(move.position_id)
            missing = self._count_missing(move, known)
            if missing <= 0:
                self._refusals.forget(move.position_id)
                return False
            if (spec := self._executor.contracts.get(move.name)) is None:
                # Of this name alone: the others are carried out all the same.
                report.add_stuck(move.position_id, f"{move.name} is not traded: its contract is not known")
                return move.purpose is Purpose.REDUCE
            if missing < spec.min_sz:
                report.problems.append(f"{move.name}: {missing} contracts are below the smallest order")
                return False
            if not allowed:
                return True
            if move.purpose is Purpose.REDUCE:
                # The list is older than what was filled in this pass.
                listed = _count_listed(move, report) - (_count_filled(known) - before) - move.left
                if listed < missing and (stepped or listed < spec.min_sz):
                    # Somebody else may have reduced it beside an order of ours: the next look compares.
                    return True
                missing = min(missing, listed)
            if (stopped := self._explain_stop(move, moves, known, report)) is not None:
                return stopped
            # One that has begun already is not measured again.
            begins = move.purpose is Purpose.INCREASE and not known
            if begins and find_refusal is not None and (why := await find_refusal(move)):
                report.problems.append(f"{move.name} is not increased: {why}")
                return False
            await self._set_leverage(move)
            await self._intend(move, known, missing, spec)

    def _stays(self, move: Move) -> bool:
        """Return whether a reduction cannot be made, for as long as its instrument does not trade.

        A suspension may last for days, a delisting for good: increases of other names do not wait for it.
        """
        if move.purpose is not Purpose.REDUCE or move.instrument not in self._executor.idle:
            return False
        known = self._list(move)
        return not known or known[-1].state.final

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
            others = [other for other in moves if other.position_id == name and other != move]
            if any(self._count_missing(other, self._list(other)) > 0 for other in others):
                return False  # what is held on the other side comes first
            if self._has_struck(move):
                report.problems.append(f"{move.name} is not increased until the next decision: its stop was triggered")
                return False
            if len(refused) >= _MOST_REFUSALS:
                said = self._journal.events(refused[-1].client_order_id)[-1].answer
                report.problems.append(f"{move.name} is not increased until the next decision: {said}")
                return False
            return None
        if move.decision_id is not None and (why := self._executor.idle.get(move.instrument)):
            # Not sent, and no cause of guarding: a refusal would say the same. What a person wants closed is sent.
            report.problems.append(f"{move.name} is not reduced yet: {why}")
            return True
        if self._refusals.delay(name, report):
            return True
        if known and _is_refused(known[-1]):
            said = self._journal.events(known[-1].client_order_id)[-1].answer
            if known[-1].client_order_id not in self._noted:
                self._noted.add(known[-1].client_order_id)
                self._refusals.refuse(name, f"{move.name} is not reduced yet: {said}")
                return self._refusals.delay(name, report)
        return None

    def _count_missing(self, move: Move, known: Sequence[Intent]) -> Decimal:
        """Return the contracts that a move lacks still; `known` are its orders.

        A reduction lacks no more than is held beyond what it leaves: a stop, a person or the venue may have closed of
        it since the decision.
        """
        missing = move.contracts - _count_filled(known)
        if missing <= 0 or move.purpose is not Purpose.REDUCE:
            return missing
        held = self._journal.books.count_held().get(move.instrument, Decimal(0))
        return min(missing, -move.side.sign * held - move.left)

    def _has_struck(self, move: Move) -> bool:
        """Return whether the stop of a name struck since the decision that wants more of it.

        It may be one of the decision before: while a rebalance is under way a stop that covers what is held stays. What
        was decided on a market from before that is not bought back; the next decision may.
        """
        if move.purpose is not Purpose.INCREASE or move.close is None:
            return False
        return self._journal.books.has_struck(move.instrument, move.close)

    async def _step(self, move: Move, known: Sequence[Intent], report: ReconcileReport, *, allowed: bool) -> bool:
        """Take one step with the newest order of a move; return False while it rests, and may."""
        newest = known[-1]
        if newest.state is IntentState.INTENDED and (not allowed or _is_too_large(move, newest, report)):
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
        if allowed and not self._is_over(known) and not _is_too_large(move, newest, report):
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


def _count_listed(move: Move, report: ReconcileReport) -> Decimal:
    """Return the contracts that a move may reduce by the venue's list of this pass."""
    own = [row for row in report.rows if row.instrument == move.instrument and row.margin_mode == MarginMode.CROSS]
    return max(sum((-move.side.sign * row.contracts for row in own), Decimal(0)), Decimal(0))


def _is_too_large(move: Move, intent: Intent, report: ReconcileReport) -> bool:
    """Return whether an order would reduce further down than its move: what is listed shrank beside it."""
    if move.purpose is not Purpose.REDUCE:
        return False
    return intent.contracts - intent.filled_contracts > _count_listed(move, report) - move.left


def _count_filled(known: Sequence[Intent]) -> Decimal:
    return sum((intent.filled_contracts for intent in known), Decimal(0))
