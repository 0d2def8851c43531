"""Executor of decisions: entries, exits and protection over one order desk."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from pairity.strategy.types import Entry, PairPosition
from pairity.universe import ContractSpec, inst_id
from serving.execution.contracts import get_contract, require_values
from serving.execution.dead_mans_switch import DeadMansSwitch
from serving.execution.entries import Entries, Opened
from serving.execution.entry_intents import EntryIntents
from serving.execution.entry_legs import HEDGE_TOLERANCE, EntryLegs
from serving.execution.exits import Closed, Exits
from serving.execution.facts import Facts
from serving.execution.limit_entries import LimitEntries, LimitTerms
from serving.execution.orders import OrderDesk
from serving.execution.position_protection import PositionProtector
from serving.journal import DecisionRecord


class Executor:
    """Executor of decisions. Every method may be called again after a crash and then goes on where it stopped.

    `contracts` holds the contracts by asset short name, `leverage` is that of every position. Two legs are filled
    within `hedge_tolerance` of their hedge ratio, or not at all. Entries go at market without `limit_terms`.
    """

    def __init__(
        self,
        desk: OrderDesk,
        contracts: Mapping[str, ContractSpec],
        leverage: int,
        hedge_tolerance: Decimal = HEDGE_TOLERANCE,
        limit_terms: LimitTerms | None = None,
    ) -> None:
        self.desk = desk
        self.facts = Facts(desk.venue, desk.journal)
        self.blocked: dict[str, str] = {}
        """Instruments in which nothing is opened, with the reason: somebody else is in them, or they do not trade."""
        self.idle: dict[str, str] = {}
        """Of these what does not trade, as the venue last listed it: nothing is reduced there either."""
        self.contracts = contracts
        self._hedge_tolerance = hedge_tolerance
        self.protection = PositionProtector(desk, contracts)
        self.exits = Exits(desk, self.protection.protector, contracts)
        intents = EntryIntents(desk, contracts, self.protection.protector)
        self._limits = LimitEntries(desk, contracts, intents, limit_terms)
        legs = EntryLegs(desk, contracts, intents, hedge_tolerance, self._limits)
        self.entries = Entries(desk, contracts, leverage, intents, legs, self.protection, self.exits)

    @property
    def switch(self) -> DeadMansSwitch:
        """The dead man's switch of limit orders."""
        return self._limits.switch

    @property
    def rests(self) -> bool:
        """Whether a limit order of ours may rest on the venue: then it is looked at often."""
        return bool(self._limits.switch.resting)

    async def open(self, entry: Entry, decision: DecisionRecord) -> Opened:
        """Open, protect and journal the position of an entry, as `Entries.open` describes; not where it is blocked.

        The list of positions is read once more: what came there since the decision is not ours to trade beside. The
        contracts, too: UnconfirmedError where one is not worth what the entry was sized by.
        """
        known = self.desk.journal.position(entry.position_id) or self.desk.journal.intents(entry.position_id)
        if not known:
            journal = self.desk.journal
            ours = {inst_id(leg.asset) for record in journal.open_positions() for leg in record.position.legs}
            ours |= {intent.instrument for intent in journal.unsettled()}
            listed = {row.instrument for row in await self.desk.venue.position_rows()} - ours
            for name in (inst_id(leg.asset) for leg in entry.legs):
                if reason := self.blocked.get(name) or (f"{name} has a position already" if name in listed else None):
                    return Opened(None, reason)
            specs = [get_contract(self.contracts, leg.asset) for leg in entry.legs]
            await require_values(self.desk.venue, specs)
        return await self.entries.open(entry, decision)

    async def close(self, position: PairPosition, reason: str, decision_id: str | None) -> Closed:
        """Close a position at market and book it, as `Exits.close` describes."""
        return await self.exits.close(position, reason, decision_id)

    async def is_broken(self, position: PairPosition) -> bool:
        """Return whether a pair lost so much of one leg that it is not hedged within the tolerance any more.

        Compared are the shares of what was opened that executions left: a list of positions, which may lag, proves
        nothing. Raises VenueError.
        """
        opened = [self.facts.count_opened(position, leg) for leg in position.legs]
        if len(opened) < 2 or all(leg.contracts >= size for leg, size in zip(position.legs, opened, strict=True)):
            return False
        left = [
            (await self.facts.examine(position, leg, ())).executed / size
            for leg, size in zip(position.legs, opened, strict=True)
        ]
        return max(left) - min(left) > self._hedge_tolerance * max(left)
