"""Reconciliation of journal and venue.

The venue is asked about every order in doubt. What happened without us is booked with its cause. Every open position is
protected. What is not ours is never touched, and never ignored.
"""

from __future__ import annotations

from functools import partial

from pairity.errors import JournalError, JournalWriteError, OrderUnknownError, VenueError, VenueRejectedError
from pairity.settings import Settings
from pairity.universe import inst_id
from serving.execution.executor import Executor
from serving.execution.exits import UNPROTECTED
from serving.execution.protection import closes
from serving.execution.resting_stops import RestingStops
from serving.journal import Purpose, is_of_pairity
from serving.reconcile.comparison import PositionComparison
from serving.reconcile.interrupted import InterruptedOrders
from serving.reconcile.late_records import LateRecords
from serving.reconcile.report import ReconcileReport
from serving.reconcile.spaced_exits import Refusals, SpacedExits
from serving.rivals import RivalWatch
from serving.rivals.signs import is_sign


class Reconciler:
    """Reconciler of journal and venue; all that it sends goes through the executor, with its journal and its ids."""

    def __init__(self, executor: Executor, settings: Settings, rivals: RivalWatch | None = None) -> None:
        self._executor = executor
        self._desk = executor.desk
        self._journal = executor.desk.journal
        self.exits = SpacedExits(executor)
        self.under_way = False
        """Always so: what a pair asks for is taken up by a cause of guarding, or rests."""
        self._stops = Refusals(executor.desk.clock)
        self._interrupted = InterruptedOrders(executor, settings, self.exits)
        self._rivals = rivals
        self._comparison = PositionComparison(executor, settings, self.exits, rivals)
        self._late_records = LateRecords(executor)

    async def run(self, *, decided_exits: bool = False, entries: bool = True) -> ReconcileReport:
        """Do one pass and return what it saw and did; a second pass right after finds nothing to do.

        `decided_exits`: exits of the last decision that were never begun are made, too. Without `entries` limit orders
        that rest are cancelled.
        Raises VenueError where the venue cannot be read; what concerns one position or one order is in the report.
        """
        report, failure = ReconcileReport(), None
        if any(intent.purpose is not Purpose.PROTECT for intent in self._journal.unsettled()):
            # To settle an order in doubt may take minutes, and a stop that is gone must be back in seconds.
            await self._protect(report, self._list_stops())
        # The order matters: entries and exits in doubt change positions, so they come to their end before positions are
        # compared; protection follows the compared sizes; an order is an orphan only when no position is left for it.
        for step in (
            self._interrupted.settle_entries,
            partial(self._interrupted.complete_entries, allowed=entries),
            partial(self._interrupted.resume_exits, decided=decided_exits),
            self._comparison.compare_all,
        ):
            try:
                await step(report)
            except JournalWriteError:
                raise
            except JournalError as error:
                report.disagreements.append(error.what)
            except VenueError as error:
                failure = error
                break
        # Whatever could not be read: a stop that is gone is placed again. It can only reduce.
        # From here on one list of stops serves all positions, and orphans; not one of before the comparison.
        stops = self._list_stops()
        failure = await self._protect(report, stops) or failure
        if failure is not None:
            raise failure
        await self._cancel_orphans(report, stops)
        await self._late_records.complete()
        report.positions = tuple(record.position for record in self._journal.open_positions())
        return report

    def forget_refusals(self) -> None:
        """Try again at the next pass what the venue refused."""
        self._stops.forget_all()
        self.exits.forget_refusals()

    def _list_stops(self) -> RestingStops:
        return RestingStops(self._desk.venue, self._desk.pace.monotonic)

    async def _protect(self, report: ReconcileReport, stops: RestingStops) -> VenueError | None:
        """See to it that every open position has its stops, or close it; return what the venue did not answer."""
        failure = None
        for record in self._journal.open_positions():
            name, legs = record.position.position_id, record.position.legs
            if any(leg.stop_price is None for leg in legs) or self._stops.delay(name, report):
                continue  # its entry is not complete, or the venue has just refused its stops
            # An exit in doubt: a second one could close twice, a stop cannot.
            in_doubt = any(
                not intent.state.final
                for intent in self._journal.intents(name)
                if intent.purpose is not Purpose.PROTECT
            )
            try:
                position, problems, safe = await self._executor.protection.protect(record.position, None, stops=stops)
            except VenueError as error:
                failure = error
                continue
            report.problems += problems
            if safe:
                self._stops.forget(name)
            elif not in_doubt:
                self._stops.refuse(name, f"{name} has no protection: {'; '.join(problems)}")
                await self.exits.close(position, UNPROTECTED, None, report)
        return failure

    async def _cancel_orphans(self, report: ReconcileReport, stops: RestingStops) -> None:
        """Cancel orders of ours that serve no open position and no intention."""
        alive = {
            intent.client_order_id for intent in self._journal.unsettled() if intent.purpose is not Purpose.PROTECT
        }
        for order in await self._desk.venue.open_orders():
            client_id = order.client_order_id
            # A sign of life is cancelled by the venue.
            if client_id in alive or not is_of_pairity(client_id) or is_sign(client_id):
                continue
            if not self._is_ours(client_id):
                report.rivals[order.client_order_id] = order.updated_at
            else:
                await self._cancel(order.instrument, order.client_order_id, report)
        guarded = {
            (inst_id(leg.asset), leg.side, record.position.margin_mode)
            for record in self._journal.open_positions()
            for leg in record.position.legs
        }
        # An entry in doubt may have been filled: the protection attached to it must stay.
        guarded |= {
            (intent.instrument, intent.side, intent.margin_mode)
            for intent in self._journal.unsettled()
            if intent.purpose is Purpose.ENTRY
        }
        for algo in await stops.list():
            # What would close a position stays, whatever its id and size: `_protect` keeps nothing else if it can.
            if not is_of_pairity(algo.client_order_id):
                continue
            if not self._is_ours(algo.client_order_id):
                report.rivals[algo.client_order_id] = algo.created_at
            elif not any(closes(algo, *position) for position in guarded):
                try:
                    await self._desk.venue.cancel_algo(algo.instrument, algo.algo_id)
                except (OrderUnknownError, VenueRejectedError) as error:
                    report.problems.append(error.what)
                    continue
                report.cancelled.append(algo.client_order_id)

    def _is_ours(self, client_id: str) -> bool:
        """Return whether an order is of this journal; beside a copy of it, our tag alone does not say so."""
        if self._rivals is not None and self._rivals.has_copy():
            return self._journal.intent(client_id) is not None
        return self._journal.owns(client_id)

    async def _cancel(self, instrument: str, client_id: str, report: ReconcileReport) -> None:
        try:
            await self._desk.venue.cancel(instrument, client_id)
        except (OrderUnknownError, VenueRejectedError) as error:
            report.problems.append(error.what)
        else:
            report.cancelled.append(client_id)
