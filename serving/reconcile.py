"""Journal and venue, made equal: at the start and before every decision.

What is in doubt is asked for; what happened without us is booked with its cause; what should be protected is; what is
not ours is never touched, and never ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from pairity.errors import ForeignPositionError, JournalError, OrderUnknownError, VenueRejectedError
from pairity.settings import Settings
from pairity.strategy.stops import compute_stop_prices
from pairity.strategy.types import Entry, Leg, PairPosition, StopRule
from pairity.universe import Pair, inst_id, short_name
from serving.execution.executor import UNPROTECTED, Closed, Executor
from serving.execution.position_accounting import UNKNOWN
from serving.execution.venue import VenuePosition
from serving.journal.records import DecisionRecord, Intent, IntentState, Purpose, is_ours


@dataclass
class ReconcileReport:
    """What reconciliation found and did. `unresolved` names orders whose outcome the venue still does not tell.

    While anything is unresolved, nothing may be opened.
    """

    settled: list[str] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    closed: list[Closed] = field(default_factory=list)
    adopted: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    unresolved: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    positions: tuple[PairPosition, ...] = ()


class Reconciler:
    """Compares and repairs; all that is sent goes through the executor, with its journal and its ids."""

    def __init__(self, executor: Executor, settings: Settings) -> None:
        self._executor = executor
        self._desk = executor.desk
        self._journal = executor.desk.journal
        self._settings = settings

    async def run(self) -> ReconcileReport:
        """One pass. ForeignPositionError names a position that is not ours; VenueError where the venue cannot be read.

        A second pass right after finds nothing to do.
        """
        report = ReconcileReport()
        await self._settle_entries(report)
        await self._complete_entries(report)
        await self._resume_exits(report)
        await self._compare_positions(report)
        await self._protect(report)
        await self._drop_orphans(report)
        report.positions = tuple(record.position for record in self._journal.open_positions())
        return report

    async def _settle_entries(self, report: ReconcileReport) -> None:
        """Learn what became of entries in doubt; an entry that never left is given up once its moment is over."""
        for before in self._journal.unsettled():
            if before.purpose is not Purpose.ENTRY:
                continue
            try:
                intent = await self._settled(before)
            except OrderUnknownError as error:
                report.unresolved.append(before.client_order_id)
                report.problems.append(error.what)
                continue
            self._give_up_if_late(intent, report)
            if intent.state is not before.state:
                report.settled.append(f"{before.client_order_id}: {before.state} → {intent.state}")

    async def _settled(self, intent: Intent) -> Intent:
        """The intent at its end, or `intended` where the venue never had it."""
        if intent.state in (IntentState.SENT, IntentState.UNKNOWN):
            intent = await self._desk.settle(intent)
        if intent.state is IntentState.ACKNOWLEDGED:
            intent = await self._desk.carry_out(intent)
        return intent

    def _give_up_if_late(self, intent: Intent, report: ReconcileReport) -> None:
        """A market has moved on: an entry that was decided long ago is not sent now."""
        now = self._desk.clock.now()
        limit = timedelta(seconds=self._settings.serve.order_deadline_s)
        if intent.state is IntentState.INTENDED and now - intent.created_at > limit:
            self._journal.advance(intent.client_order_id, IntentState.CANCELLED, now, "never sent, and too late now")
            report.settled.append(f"{intent.client_order_id}: given up")
        known = self._journal.intent(intent.client_order_id)
        if known is not None and known.state.final and not known.filled_contracts:
            self._executor.protector.withdraw(intent.position_id, now, "the entry was not filled")

    async def _complete_entries(self, report: ReconcileReport) -> None:
        """Entries that were filled before the process ended: their positions exist, so the journal must know them."""
        waiting = {intent.position_id: intent for intent in self._journal.filled_entries_without_position()}
        for record in self._journal.open_positions():
            if any(leg.stop_price is None for leg in record.position.legs):
                for intent in self._journal.intents(record.position.position_id, purpose=Purpose.ENTRY):
                    waiting[intent.position_id] = intent
        for position_id, intent in waiting.items():
            intents = self._journal.intents(position_id, purpose=Purpose.ENTRY)
            if any(not known.state.final for known in intents):
                continue  # unresolved, and reported as such
            entry, decision = self._entry(intent)
            if len([known for known in intents if known.filled_contracts]) < len(entry.legs):
                opened = await self._executor.unwind(entry, decision, "the process ended between the legs")
            else:
                opened = await self._executor.complete(entry, decision)
            report.problems += opened.problems
            if opened.position is not None:
                report.opened.append(position_id)

    def _entry(self, intent: Intent) -> tuple[Entry, DecisionRecord]:
        decision = None if intent.decision_id is None else self._journal.decision(intent.decision_id)
        entries = () if decision is None else decision.decision.entries
        entry = next((item for item in entries if item.position_id == intent.position_id), None)
        if entry is None or decision is None:
            raise JournalError(
                f"order {intent.client_order_id} was filled, but no decision in the journal opens {intent.position_id}",
                "close the position on the venue by hand",
            )
        return entry, decision

    async def _resume_exits(self, report: ReconcileReport) -> None:
        """Exits that were begun are finished: the decision stands."""
        for record in self._journal.open_positions():
            exits = self._journal.intents(record.position.position_id, purpose=Purpose.EXIT)
            if not exits:
                continue
            reason = self._exit_reason(exits[-1])
            try:
                closed = await self._executor.close(record.position, reason, exits[-1].decision_id)
            except OrderUnknownError as error:
                report.unresolved.append(exits[-1].client_order_id)
                report.problems.append(error.what)
                continue
            self._note(closed, report)

    def _exit_reason(self, intent: Intent) -> str:
        decision = None if intent.decision_id is None else self._journal.decision(intent.decision_id)
        exits = () if decision is None else decision.decision.exits
        return next((str(item.reason) for item in exits if item.position_id == intent.position_id), UNPROTECTED)

    async def _compare_positions(self, report: ReconcileReport) -> None:
        """Position by position: gone, smaller, larger, or not ours at all."""
        in_doubt = {intent.instrument for intent in self._journal.unsettled() if intent.purpose is not Purpose.PROTECT}
        for record in self._journal.open_positions():
            if not in_doubt & {inst_id(leg.asset) for leg in record.position.legs}:
                await self._compare(record.position, report)
        found = await self._desk.venue.positions()
        ours = {inst_id(leg.asset) for record in self._journal.open_positions() for leg in record.position.legs}
        foreign = {name: there for name, there in found.items() if name not in ours | in_doubt}
        if foreign and not self._settings.serve.adopt_positions:
            raise _foreign(foreign)
        for there in foreign.values():
            await self._adopt(there, report)

    async def _compare(self, position: PairPosition, report: ReconcileReport) -> None:
        held = await self._executor.held(position)
        if any(there is None for there in held.values()):
            if await self._is_gone(position):
                # Where one of two legs is gone, the other is closed: what is left was never decided on.
                closed = await self._executor.close(position, "leg_risk", None)
                self._note(closed, report)
            return
        legs = tuple(self._fitted(leg, held[leg.asset], report) for leg in position.legs)
        if legs != position.legs:
            self._journal.save_position(replace(position, legs=legs))

    async def _is_gone(self, position: PairPosition) -> bool:
        """A position list may lag behind a fill: without a cause, absence must be confirmed over the settling time."""
        if await self._executor.books.cause(position) != UNKNOWN:
            return None in (await self._executor.held(position)).values()
        pace = self._desk.pace
        since, looks = pace.monotonic(), 1
        while looks < pace.absent_answers or pace.monotonic() - since < pace.settle_s:
            await pace.wait(looks)
            if None not in (await self._executor.held(position)).values():
                return False
            looks += 1
        return True

    def _fitted(self, leg: Leg, there: VenuePosition | None, report: ReconcileReport) -> Leg:
        """The leg in the venue's size: less after a partial liquidation, more only if adoption is allowed."""
        assert there is not None
        size = abs(there.contracts)
        if size == leg.contracts:
            return leg
        if size > leg.contracts and not self._settings.serve.adopt_positions:
            raise _foreign(
                {there.instrument: replace(there, contracts=there.contracts - leg.side.sign * leg.contracts)}
            )
        report.problems.append(f"{there.instrument}: {leg.contracts} contracts here, {size} on the venue; taken over")
        return replace(leg, contracts=size)

    async def _adopt(self, there: VenuePosition, report: ReconcileReport) -> None:
        """Take a position over: stops at the default distances, exit when the z-score of its first pair crosses."""
        asset, strategy = short_name(there.instrument), self._settings.strategy
        pair = next((pair for pair in self._settings.universe.pairs if pair.base == asset), None)
        if pair is None:
            raise _foreign({there.instrument: there}, f"no pair of the universe has {asset} as its base; ")
        rule = StopRule(None, None, strategy.stop_bounds, strategy.target_bounds, strategy.stop_default,
                        strategy.target_default)  # fmt: skip
        prices = compute_stop_prices(rule, there.side, there.average_price, self._executor.spec(asset))
        position = self._adopted(pair, there, float(prices.stop), float(prices.target))
        self._journal.save_position(position)
        report.adopted.append(position.position_id)

    def _adopted(self, pair: Pair, there: VenuePosition, stop: float, target: float) -> PairPosition:
        now = self._desk.clock.now()
        z = -there.side.sign * self._settings.strategy.z_entry  # as if it had been entered at the threshold
        leg = Leg(pair.base, there.side, abs(there.contracts), float(there.average_price), stop, target)
        return PairPosition(
            position_id=f"{pair.pair_id}@adopted{now:%Y%m%dT%H%M%SZ}",
            pair=pair,
            direction=there.side.sign,
            legs=(leg,),
            opened_at=now,
            entry_z=z,
            entry_score=0.0,
            last_z=z,
        )

    async def _protect(self, report: ReconcileReport) -> None:
        """Every open position has its stops, or is closed."""
        for record in self._journal.open_positions():
            if any(not intent.state.final for intent in self._journal.intents(record.position.position_id)
                   if intent.purpose is not Purpose.PROTECT):  # fmt: skip
                continue  # an exit in doubt: sending anything now could do it twice
            position, problems, safe = await self._executor.protect(record.position, None)
            report.problems += problems
            if not safe:
                self._note(await self._executor.close(position, UNPROTECTED, None), report)

    async def _drop_orphans(self, report: ReconcileReport) -> None:
        """Orders of ours that serve no open position and no intention."""
        alive = {
            intent.client_order_id for intent in self._journal.unsettled() if intent.purpose is not Purpose.PROTECT
        }
        for order in await self._desk.venue.open_orders():
            if is_ours(order.client_order_id) and order.client_order_id not in alive:
                await self._cancel(order.instrument, order.client_order_id, report)
        guarded = {inst_id(leg.asset) for record in self._journal.open_positions() for leg in record.position.legs}
        guarded |= {intent.instrument for intent in self._journal.unsettled() if intent.purpose is Purpose.ENTRY}
        for algo in await self._desk.venue.algo_orders():
            if is_ours(algo.client_order_id) and algo.instrument not in guarded:
                try:
                    await self._desk.venue.cancel_algo(algo.instrument, algo.algo_id)
                except (OrderUnknownError, VenueRejectedError) as error:
                    report.problems.append(error.what)
                    continue
                report.cancelled.append(algo.client_order_id)

    async def _cancel(self, instrument: str, client_id: str, report: ReconcileReport) -> None:
        try:
            await self._desk.venue.cancel(instrument, client_id)
        except (OrderUnknownError, VenueRejectedError) as error:
            report.problems.append(error.what)
        else:
            report.cancelled.append(client_id)

    def _note(self, closed: Closed, report: ReconcileReport) -> None:
        report.closed.append(closed)
        report.problems += closed.problems


def _foreign(found: Mapping[str, VenuePosition], why: str = "") -> ForeignPositionError:
    shown = ", ".join(
        f"{name} {there.contracts:+f} contracts at {there.average_price}" for name, there in found.items()
    )
    return ForeignPositionError(
        f"the venue holds positions that the journal does not know: {shown}",
        f"{why}close them on the venue, or set serve.adopt_positions to take them over with stops",
    )
