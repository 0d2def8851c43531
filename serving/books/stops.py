"""Disaster stops: for each name that is held one reduce-only stop on the venue, of all that is held.

A stop is far away: it is for what the book does not see until its next decision. It is renewed with every rebalance,
at a distance from that decision's close. A replacement is placed before its predecessor is cancelled: for that moment
there are two, never none. More than is held is harmless, less is not: while a rebalance is under way, and while an
instrument does not trade, a stop that covers what is held stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from pairity.errors import OrderUnknownError, VenueRejectedError
from pairity.margin import MarginMode
from pairity.strategy.types import Side
from pairity.universe import ContractSpec, exact, short_name
from serving.books.executions import Executions
from serving.execution.executor import Executor
from serving.execution.order_sizes import split_contracts
from serving.execution.protection import closes
from serving.execution.resting_stops import RestingStops
from serving.execution.venue_records import Missing, Unclear, VenueAlgo
from serving.journal import Intent, IntentState, Purpose, client_order_id
from serving.reconcile.report import ReconcileReport

STOP = "stop"


class DisasterStops:
    """Stops of a book; `distance` is their relative distance from the close of the decision."""

    def __init__(self, executor: Executor, executions: Executions, distance: float) -> None:
        self._executor = executor
        self._desk = executor.desk
        self._journal = executor.desk.journal
        self._executions = executions
        self._distance = exact(distance)

    def price(self, spec: ContractSpec, side: Side, close: float) -> Decimal:
        """Return the stop price of a name held on `side`, on a tick."""
        return spec.round_price(exact(close) * (1 - side.sign * self._distance))

    async def settle(self, report: ReconcileReport) -> Sequence[VenueAlgo]:
        """Learn what became of stops that the venue's list lacks, and return the list. Raises VenueError."""
        resting = await self._desk.venue.algo_orders()
        there = {algo.client_order_id for algo in resting}
        for intent in self._journal.books.stops():
            if intent.state is IntentState.INTENDED or intent.client_order_id in there:
                if intent.state in (IntentState.SENT, IntentState.UNKNOWN):
                    await self._desk.look(intent)
                continue
            lookup = await self._desk.venue.find_algo(intent.instrument, intent.client_order_id)
            if isinstance(lookup, Unclear):
                report.add_doubt(f"whether stop {intent.client_order_id} rests cannot be read: {lookup.answer}")
            elif isinstance(lookup, Missing):
                await self._settle_missing(intent, report)
            elif await self._executions.take_stop(intent, lookup):
                # Its executions first: a stop that is over in the journal is not asked for again.
                self._desk.book(intent, lookup)
                if self._journal.intent(intent.client_order_id) != intent:
                    self._tell(intent, lookup, report)
            else:
                report.add_doubt(f"stop {intent.client_order_id} was triggered, and its executions are not shown yet")
        return resting

    async def cover(
        self,
        held: Mapping[str, Decimal],
        closes_: Mapping[str, float],
        mark: Mapping[str, str],
        report: ReconcileReport,
        *,
        settled: bool,
        stops: RestingStops,
    ) -> None:
        """See to it that every name that is held has its stop, and nothing else of ours rests.

        `held` by instrument, `closes_` by name: what stops are placed at. `mark`: by name, the position id that a
        stop's order gets. `stops`: the list of this pass. While not `settled` a stop that covers what is held stays as
        it is. What the venue refuses is in the report. Raises VenueError where the venue cannot be read.
        """
        resting = [algo for algo in await stops.list() if self._journal.owns(algo.client_order_id)]
        for instrument in sorted({*held, *(algo.instrument for algo in resting)}):
            own = [algo for algo in resting if algo.instrument == instrument]
            contracts, name = held.get(instrument, Decimal(0)), short_name(instrument)
            if not contracts:
                await self._drop(own, report)
                continue
            if name not in closes_:
                report.add_stuck(name, f"{name} has no stop: no price of it is known")
                continue
            side = Side.BUY if contracts > 0 else Side.SELL
            if (spec := self._executor.contracts.get(name)) is None:
                # Of this name alone: the others have their stops looked after all the same.
                report.add_stuck(name, f"{name} has no stop: its contract is not known; the venue's list is asked")
                continue
            price = self.price(spec, side, closes_[name])
            fitting = [
                algo for algo in own if closes(algo, instrument, side, MarginMode.CROSS) and algo.stop is not None
            ]
            covered = sum((algo.contracts or abs(contracts) for algo in fitting), Decimal(0))
            exactly = covered == abs(contracts) and all(algo.stop == price for algo in fitting)
            # Where nothing trades nothing is placed: what covers it stays, whatever the last close says of its price.
            stays = not settled or instrument in self._executor.idle
            if exactly or (stays and covered >= abs(contracts)):
                await self._drop([algo for algo in own if algo not in fitting], report)
                continue
            if await self._place(mark[name], spec, side, abs(contracts), price, report):
                await self._drop(own, report)

    async def _place(
        self,
        position_id: str,
        spec: ContractSpec,
        side: Side,
        contracts: Decimal,
        price: Decimal,
        report: ReconcileReport,
    ) -> bool:
        """Place the stops of a name; return whether all of it is covered by them."""
        for size in split_contracts(contracts, spec):
            known = self._journal.intents(position_id, 0, Purpose.PROTECT)
            attempt = max((intent.attempt for intent in known), default=-1) + 1
            intent = Intent(
                client_order_id=client_order_id(self._journal.scope, position_id, 0, Purpose.PROTECT, attempt),
                decision_id=None,
                position_id=position_id,
                leg=0,
                purpose=Purpose.PROTECT,
                attempt=attempt,
                instrument=spec.instrument,
                side=side.opposite,
                contracts=size,
                order_type=STOP,
                reduce_only=True,
                stop_price=price,
                target_price=None,
                created_at=self._desk.clock.now(),
            )
            self._desk.checkpoint("stop: before the intent")
            intent = self._journal.intend(intent)
            try:
                intent = await self._desk.put_to_rest(intent)
            except (OrderUnknownError, VenueRejectedError) as error:
                report.unresolved.append(intent.client_order_id)
                report.problems.append(error.what)
                return False
            if intent.state is not IntentState.ACKNOWLEDGED:
                said = self._journal.events(intent.client_order_id)[-1].answer
                report.add_stuck(spec.instrument, f"{spec.instrument} has no stop of its whole size: {said}")
                return False
        self._desk.checkpoint("stop: placed")
        return True

    async def _drop(self, algos: Sequence[VenueAlgo], report: ReconcileReport) -> None:
        """Cancel stops that are not wanted any more, and end them in the journal once they are gone."""
        for algo in algos:
            try:
                await self._desk.venue.cancel_algo(algo.instrument, algo.algo_id)
            except (OrderUnknownError, VenueRejectedError) as error:
                report.problems.append(error.what)
                continue
            intent = self._journal.intent(algo.client_order_id)
            if intent is None or intent.state.final:
                report.cancelled.append(algo.client_order_id)
                continue
            lookup = await self._desk.venue.find_algo(algo.instrument, algo.client_order_id)
            if isinstance(lookup, VenueAlgo) and await self._executions.take_stop(intent, lookup):
                self._desk.book(intent, lookup)

    async def _settle_missing(self, intent: Intent, report: ReconcileReport) -> None:
        """Settle a stop that the venue denies; its second fact is asked for by the desk."""
        try:
            settled = await self._desk.settle(intent)
            if settled.state is IntentState.INTENDED:
                self._end(settled)
        except OrderUnknownError as error:
            report.unresolved.append(intent.client_order_id)
            report.problems.append(error.what)

    def _end(self, intent: Intent) -> None:
        now = self._desk.clock.now()
        self._journal.advance(intent.client_order_id, IntentState.CANCELLED, now, "not sent any more")

    def give_up_unsent(self) -> None:
        """End stops in the journal that never left: they are made anew by what is held now."""
        for intent in self._journal.books.stops():
            if intent.state is IntentState.INTENDED:
                self._end(intent)

    def _tell(self, intent: Intent, algo: VenueAlgo, report: ReconcileReport) -> None:
        if algo.triggered == "sl":
            report.problems.append(
                f"the stop of {intent.instrument} at {intent.stop_price} was triggered; the next decision may enter"
            )
