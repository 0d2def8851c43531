"""Reconciliation of a book: orders in doubt, what is held, the rebalance under way, stops; one pass at every look.

the venue's list of positions      and its executions      then
what the journal's leave           (not asked)             nothing
less of what we hold, or none      say the same            booked as executed from outside, and said
anything else in a name we hold    do not                  doubt: nothing is increased until a person or time mends it
a name that we do not hold         (not asked)             somebody else's: nothing is opened there, nothing touched
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from pairity.errors import JournalError, JournalWriteError, OrderUnknownError, VenueError, VenueRejectedError
from pairity.margin import MarginMode
from pairity.universe import short_name
from serving.books.executions import Executions
from serving.books.moves import Move, close_all, list_moves, name_position
from serving.books.rebalancer import FindRefusal, Rebalancer
from serving.books.stops import DisasterStops
from serving.execution.executor import Executor
from serving.execution.facts import SKEW
from serving.execution.resting_stops import RestingStops
from serving.journal import BookRecord, IntentState, Purpose, is_of_pairity
from serving.reconcile.report import ReconcileReport
from serving.reconcile.spaced_exits import SpacedExits
from serving.rivals import RivalWatch
from serving.rivals.signs import is_sign
from serving.supervisor import Supervisor


class BookReconciler:
    """Reconciler of one book.

    `is_over` says of a decision whether its rebalance is not taken further any more; `cry` tells a person at once.
    """

    def __init__(
        self,
        executor: Executor,
        rebalancer: Rebalancer,
        stops: DisasterStops,
        executions: Executions,
        supervisor: Supervisor,
        *,
        is_over: Callable[[BookRecord], bool],
        find_refusal: FindRefusal,
        cry: Callable[[str], None] = lambda _: None,
        rivals: RivalWatch | None = None,
    ) -> None:
        self._executor = executor
        self._desk = executor.desk
        self._journal = executor.desk.journal
        self._rebalancer = rebalancer
        self._stops = stops
        self._executions = executions
        self._supervisor = supervisor
        self._is_over = is_over
        self._find_refusal = find_refusal
        self._cry = cry
        self._rivals = rivals
        self.exits = SpacedExits(executor)
        """Exits of pairs, of which a book has none."""
        self.certain = False
        """Whether the last pass left no doubt about what is held: only then is anything decided."""
        self.under_way = False
        """Whether the rebalance is to be taken further at the next look."""

    async def run(self, *, decided_exits: bool = False, entries: bool = True) -> ReconcileReport:
        """Do one pass and return what it saw and did.

        `decided_exits`: reductions may be made; without them a rebalance rests. Without `entries` nothing is increased,
        and orders that rest for it are cancelled. Raises VenueError where the venue cannot be read.
        """
        report, failure = ReconcileReport(), None
        self.certain = False
        try:
            await self._settle(report)
            await self._compare(report)
            await self._take_further(report, reduce=decided_exits, increase=entries)
        except JournalWriteError:
            raise
        except JournalError as error:
            report.disagreements.append(error.what)
        except VenueError as error:
            failure = error
        # Whatever could not be read: what is held must have its stop.
        stops = RestingStops(self._desk.venue, self._desk.pace.monotonic)
        failure = await self._protect(report, stops) or failure
        if failure is not None:
            raise failure
        await self._cancel_orphans(report, stops)
        self.certain = not (report.doubts or report.unresolved or report.disagreements)
        return report

    def forget_refusals(self) -> None:
        """Try again at the next pass what the venue refused."""
        self._rebalancer.forget_refusals()

    async def _settle(self, report: ReconcileReport) -> None:
        """Learn what became of orders in doubt and of stops, and journal the executions."""
        for intent in self._journal.unsettled():
            if intent.purpose is Purpose.PROTECT or intent.state not in (IntentState.SENT, IntentState.UNKNOWN):
                continue
            try:
                settled = await self._desk.settle(intent)
            except OrderUnknownError as error:
                report.unresolved.append(intent.client_order_id)
                report.problems.append(error.what)
            else:
                report.settled.append(f"{intent.client_order_id}: {intent.state} → {settled.state}")
        self._stops.give_up_unsent()
        await self._stops.settle(report)
        for lack in await self._executions.collect():
            report.add_doubt(lack)

    async def _compare(self, report: ReconcileReport) -> None:
        """Compare what is held by the journal with the venue's list; one that lags is given a moment."""
        pace = self._desk.pace
        pending = {intent.instrument for intent in self._journal.unsettled() if intent.purpose is not Purpose.PROTECT}
        for look in range(pace.absent_answers + 1):
            rows = await self._desk.venue.position_rows()
            report.rows = tuple(rows)
            held = self._journal.books.count_held()
            listed = {row.instrument: row.contracts for row in rows if row.margin_mode == MarginMode.CROSS}
            differ = [name for name in held if listed.get(name, Decimal(0)) != held[name] and name not in pending]
            if not differ:
                break
            if look < pace.absent_answers:
                await pace.wait(look)
        for name in differ:
            await self._meet_difference(name, held[name], listed.get(name, Decimal(0)), report)
        for row in rows:
            if row.instrument in pending or (row.instrument in held and row.margin_mode == MarginMode.CROSS):
                continue
            found = f"{row.contracts:+f} contracts in {row.margin_mode} margin at {row.average_price}"
            report.blocked[row.instrument] = f"{row.instrument} holds a position that is not ours: {found}"
            report.problems.append(f"{report.blocked[row.instrument]}; nothing is opened there")

    async def _meet_difference(self, name: str, ours: Decimal, theirs: Decimal, report: ReconcileReport) -> None:
        """Take over what others closed of a name, where two facts say so; anything else is a doubt."""
        newest = self._journal.books.newest()
        outside = [] if newest is None else await self._executions.find_outside(name, newest.close - SKEW)
        moved = sum((fill.side.sign * fill.contracts for fill in outside), Decimal(0))
        smaller = abs(theirs) < abs(ours) and theirs * ours >= 0
        if outside and smaller and ours + moved == theirs:
            await self._executions.take_outside(outside)
            forced = any(fill.forced for fill in outside)
            how = "liquidated by the venue" if forced else "taken over"
            report.problems.append(f"{name}: {ours} contracts here, {theirs} on the venue; {how}")
            if forced:
                self._cry(report.problems[-1])
            return
        report.add_doubt(f"{name}: {ours} contracts by the journal's executions, {theirs} on the venue")

    async def _take_further(self, report: ReconcileReport, *, reduce: bool, increase: bool) -> None:
        """Take the newest rebalance further, or the closing of everything where a person asked for that."""
        newest = self._journal.books.newest()
        moves: list[Move] = [] if newest is None or self._is_over(newest) else list_moves(newest)
        if self._supervisor.flattens:
            halted = self._journal.states.newest()
            assert halted is not None
            held = {short_name(name): contracts for name, contracts in self._journal.books.count_held().items()}
            moves, reduce, increase = close_all(held, f"flatten{halted.at:%Y%m%dT%H%M%SZ}"), True, False
            moves = self._add_begun(moves)
        await self._rebalancer.end_others(moves, report)
        certain = not (report.doubts or report.unresolved)
        self.under_way = await self._rebalancer.work(
            moves, report, reduce=reduce, increase=increase and certain, find_refusal=self._find_refusal
        )
        for lack in await self._executions.collect():
            report.add_doubt(lack)

    def _add_begun(self, moves: list[Move]) -> list[Move]:
        """Return the moves in the sizes with which they were begun: what was filled of them is held no more."""
        begun = []
        for move in moves:
            known = self._journal.intents(move.position_id, 0, move.purpose)
            filled = sum((intent.filled_contracts for intent in known), Decimal(0))
            begun.append(replace(move, contracts=move.contracts + filled))
        return begun

    async def _protect(self, report: ReconcileReport, stops: RestingStops) -> VenueError | None:
        """See to it that what is held has its stops; return what the venue did not answer."""
        newest = self._journal.books.newest()
        if newest is None:
            return None
        held = self._journal.books.count_held()
        names = [short_name(name) for name in held]
        prices = {one.name: one.price for one in newest.names if one.price is not None}
        mark = {name: name_position(newest, name) for name in names}
        try:
            await self._stops.cover(held, prices, mark, report, settled=not self.under_way, stops=stops)
        except VenueError as error:
            return error
        return None

    async def _cancel_orphans(self, report: ReconcileReport, stops: RestingStops) -> None:
        """Cancel orders of ours that serve no intention, and note those of others of this program."""
        alive = {intent.client_order_id for intent in self._journal.unsettled()}
        for order in await self._desk.venue.open_orders():
            name = order.client_order_id
            if name in alive or not is_of_pairity(name) or is_sign(name):
                continue
            if not self._is_ours(name):
                report.rivals[name] = order.updated_at
                continue
            try:
                await self._desk.venue.cancel(order.instrument, name)
            except (OrderUnknownError, VenueRejectedError) as error:
                report.problems.append(error.what)
            else:
                report.cancelled.append(name)
        for algo in await stops.list():
            if is_of_pairity(algo.client_order_id) and not self._is_ours(algo.client_order_id):
                report.rivals[algo.client_order_id] = algo.created_at

    def _is_ours(self, client_id: str) -> bool:
        """Return whether an order is of this journal; beside a copy of it, our tag alone does not say so."""
        if self._rivals is not None and self._rivals.has_copy():
            return self._journal.intent(client_id) is not None
        return self._journal.owns(client_id)
