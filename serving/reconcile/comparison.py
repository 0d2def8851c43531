"""Comparison of the journal's positions with the venue's, one by one: gone, smaller, larger, or not ours at all.

the list of positions says …   and executions say …      then
as much as we have             (not asked)               nothing
more, on our side              (not asked)               grown: ours stays as it is, the rest is foreign
less, or nothing               the same                  reduced, or closed elsewhere: booked from the executions
less, or nothing               that it is still there    doubt: nothing changes, nothing is opened
the other side                 that ours was closed      flipped: ours is booked, what remains is foreign
an instrument without ours     (not asked)               foreign: nothing is opened there, nothing of it is touched
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from pairity.errors import ForeignPositionError
from pairity.settings import Settings
from pairity.strategy.types import Leg, PairPosition
from pairity.universe import inst_id
from serving.execution.executor import Executor
from serving.execution.exits import LEG_RISK
from serving.execution.facts import SKEW, LegFacts, count_listed
from serving.execution.venue_records import VenuePosition
from serving.journal import Purpose
from serving.reconcile.adoption import make_adopted_position
from serving.reconcile.report import ReconcileReport
from serving.reconcile.spaced_exits import SpacedExits
from serving.rivals import RivalWatch

Rows = Sequence[VenuePosition]


class PositionComparison:
    """Comparison of positions: books what two facts say, names what is foreign, and leaves the rest alone."""

    def __init__(
        self, executor: Executor, settings: Settings, exits: SpacedExits, rivals: RivalWatch | None = None
    ) -> None:
        self._executor = executor
        self._exits = exits
        self._desk = executor.desk
        self._journal = executor.desk.journal
        self._settings = settings
        self._rivals = rivals

    async def compare_all(self, report: ReconcileReport) -> None:
        """Compare every position that no order in doubt concerns. Raises VenueError where the list cannot be read."""
        pending = [intent for intent in self._journal.unsettled() if intent.purpose is not Purpose.PROTECT]
        in_doubt = {intent.instrument for intent in pending}
        # A pair of which one leg is in doubt as well: what is left of it is not known yet.
        doubtful = {intent.position_id for intent in pending}
        rows = await self._desk.venue.position_rows()
        before = len(report.closed)
        for record in self._journal.open_positions():
            instruments = {inst_id(leg.asset) for leg in record.position.legs}
            if not in_doubt & instruments and record.position.position_id not in doubtful:
                await self._compare(record.position, rows, report)
        if len(report.closed) > before:
            rows = await self._desk.venue.position_rows()
        report.rows = tuple(rows)
        ours = {
            inst_id(leg.asset): record.position.margin_mode
            for record in self._journal.open_positions()
            for leg in record.position.legs
        }
        for row in rows:
            # What stands beside one of ours in the other margin mode is somebody else's, and stays theirs.
            if row.instrument not in in_doubt and ours.get(row.instrument) != row.margin_mode:
                self._meet_foreign(row, report, beside=row.instrument in ours)

    async def _compare(self, position: PairPosition, rows: Rows, report: ReconcileReport) -> None:
        legs, changed = list(position.legs), False
        for index, leg in enumerate(position.legs):
            listed = count_listed(position, leg, rows)
            if listed == leg.contracts:
                continue
            if listed > leg.contracts:
                legs[index] = self._meet_growth(leg, listed, report)
                continue
            facts = await self._examine(position, leg, rows)
            if facts.doubtful:
                report.add_doubt(
                    f"{position.position_id}: the list of positions shows {facts.listed} contracts of "
                    f"{inst_id(leg.asset)}, and by its executions it has {facts.executed}"
                )
                continue
            if facts.left < leg.contracts:
                legs[index], changed = replace(leg, contracts=facts.left), True
                if facts.left:
                    await self._executor.exits.accounting.record_fills(position, facts.unseen)
                    report.problems.append(
                        f"{inst_id(leg.asset)}: {leg.contracts} contracts here, {facts.left} on the venue; taken over"
                    )
        if any(leg.contracts == 0 for leg in legs):
            # Where one of two legs is gone, the other is closed: what is left was never decided on.
            if all(leg.contracts == 0 for leg in legs):
                await self._exits.book(position, report)
            else:
                await self._exits.close(position, LEG_RISK, None, report)
            return
        if changed or tuple(legs) != position.legs:
            position = replace(position, legs=tuple(legs))
            self._journal.save_position(position)
        if await self._executor.is_broken(position):
            await self._exits.close(position, LEG_RISK, None, report)

    async def _examine(self, position: PairPosition, leg: Leg, rows: Rows) -> LegFacts:
        """Return what two facts say of a leg; a list that lags behind the other is given a moment."""
        pace, facts = self._desk.pace, await self._executor.facts.examine(position, leg, rows)
        for look in range(pace.absent_answers):
            if not facts.doubtful:
                return facts
            await pace.wait(look)
            facts = await self._executor.facts.examine(position, leg, await self._desk.venue.position_rows())
        if facts.doubtful and not facts.listed and await self._executor.facts.is_in_history(position, leg):
            return replace(facts, executed=Decimal(0))
        return facts

    def _meet_growth(self, leg: Leg, listed: Decimal, report: ReconcileReport) -> Leg:
        """Return the leg: as it was beside somebody else's contracts, or with them if adoption is allowed."""
        name = inst_id(leg.asset)
        if self._may_adopt():
            report.problems.append(f"{name}: {leg.contracts} contracts here, {listed} on the venue; taken over")
            return replace(leg, contracts=listed)
        report.blocked[name] = f"{name} has {listed - leg.contracts} contracts more than are ours"
        report.problems.append(f"{report.blocked[name]}: they are not touched, and nothing is opened there")
        return leg

    def _may_adopt(self) -> bool:
        """Return whether somebody else's position may be taken over: not while another process may have it."""
        return self._settings.serve.adopt_positions and (self._rivals is None or self._rivals.is_alone())

    def _meet_foreign(self, row: VenuePosition, report: ReconcileReport, *, beside: bool) -> None:
        """Take a position of others over, or name it; `beside` says that one of ours is in the same instrument."""
        if self._may_adopt() and row.margin_mode == self._settings.strategy.margin_mode and not beside:
            contracts, now = self._executor.contracts, self._desk.clock.now()
            if any(
                record.close is not None
                and now - record.close.closed_at <= SKEW
                and row.instrument in {inst_id(leg.asset) for leg in record.position.legs}
                for record in self._journal.closed_positions()
            ):
                report.add_doubt(f"{row.instrument} was closed a moment ago, and the list of positions still has it")
                return
            try:
                position = make_adopted_position(row, self._settings, contracts, now)
            except ForeignPositionError as error:
                report.problems.append(error.what)
            else:
                self._journal.save_position(position)
                report.adopted.append(position.position_id)
                return
        found = f"{row.contracts:+f} contracts in {row.margin_mode} margin at {row.average_price}"
        report.blocked[row.instrument] = f"{row.instrument} holds a position that is not ours: {found}"
        report.problems.append(
            f"{report.blocked[row.instrument]}; nothing is opened there: close it on the venue, or set "
            "serve.adopt_positions to take it over with stops"
        )
