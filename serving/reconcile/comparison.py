"""Comparison of the journal's positions with the venue's, one by one: gone, smaller, larger, or not ours at all."""

from __future__ import annotations

from dataclasses import replace

from pairity.settings import Settings
from pairity.strategy.types import Leg, PairPosition
from pairity.universe import inst_id
from serving.execution.executor import Executor
from serving.execution.exits import LEG_RISK
from serving.execution.position_accounting import UNKNOWN
from serving.execution.venue_records import VenuePosition
from serving.journal import Purpose
from serving.reconcile.adoption import foreign_error, make_adopted_position
from serving.reconcile.report import ReconcileReport


class PositionComparison:
    """Comparison of positions: books those that are gone, takes over what may be adopted, and refuses the rest."""

    def __init__(self, executor: Executor, settings: Settings) -> None:
        self._executor = executor
        self._desk = executor.desk
        self._journal = executor.desk.journal
        self._settings = settings

    async def compare_all(self, report: ReconcileReport) -> None:
        """Compare every position that no order in doubt concerns; ForeignPositionError for those that are not ours."""
        pending = [intent for intent in self._journal.unsettled() if intent.purpose is not Purpose.PROTECT]
        in_doubt = {intent.instrument for intent in pending}
        # A pair of which one leg is in doubt as well: what is left of it is not known yet.
        doubtful = {intent.position_id for intent in pending}
        for record in self._journal.open_positions():
            instruments = {inst_id(leg.asset) for leg in record.position.legs}
            if not in_doubt & instruments and record.position.position_id not in doubtful:
                await self._compare(record.position, report)
        # Read after our own were compared: some of them have just been closed.
        on_venue = await self._desk.venue.positions()
        ours = {inst_id(leg.asset) for record in self._journal.open_positions() for leg in record.position.legs}
        foreign = {name: there for name, there in on_venue.items() if name not in ours | in_doubt}
        if foreign and not self._settings.serve.adopt_positions:
            raise foreign_error(foreign)
        for there in foreign.values():
            self._adopt(there, report)

    async def _compare(self, position: PairPosition, report: ReconcileReport) -> None:
        held = await self._executor.exits.read_held(position)
        if any(there is None for there in held.values()):
            if await self._is_gone(position):
                # Where one of two legs is gone, the other is closed: what is left was never decided on.
                report.add_closed(await self._executor.close(position, "leg_risk", None))
            return
        legs = tuple(self._follow_size(leg, held[leg.asset], report) for leg in position.legs)
        followed = replace(position, legs=legs)
        if legs != position.legs:
            self._journal.save_position(followed)
        if await self._executor.is_broken(followed):
            report.add_closed(await self._executor.close(followed, LEG_RISK, None))

    async def _is_gone(self, position: PairPosition) -> bool:
        """Return whether a position that the venue does not list has really ended.

        A position list may lag behind a fill: without a cause, absence must be confirmed over the settling time.
        """
        if await self._executor.exits.accounting.find_cause(position) != UNKNOWN:
            return None in (await self._executor.exits.read_held(position)).values()
        pace = self._desk.pace
        since, looks = pace.monotonic(), 1
        while looks < pace.absent_answers or pace.monotonic() - since < pace.settle_s:
            await pace.wait(looks)
            if None not in (await self._executor.exits.read_held(position)).values():
                return False
            looks += 1
        return True

    def _follow_size(self, leg: Leg, there: VenuePosition | None, report: ReconcileReport) -> Leg:
        """Return the leg in the venue's size: less after a partial liquidation, more only if adoption is allowed."""
        assert there is not None
        size = abs(there.contracts)
        if size == leg.contracts:
            return leg
        if size > leg.contracts and not self._settings.serve.adopt_positions:
            excess = there.contracts - leg.side.sign * leg.contracts
            raise foreign_error({there.instrument: replace(there, contracts=excess)})
        report.problems.append(f"{there.instrument}: {leg.contracts} contracts here, {size} on the venue; taken over")
        return replace(leg, contracts=size)

    def _adopt(self, there: VenuePosition, report: ReconcileReport) -> None:
        position = make_adopted_position(there, self._settings, self._executor.contracts, self._desk.clock.now())
        self._journal.save_position(position)
        report.adopted.append(position.position_id)
