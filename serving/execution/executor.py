"""Entries and exits of whole positions: from a decision to a protected position, and back to flat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from pairity.errors import OrderUnknownError, TradingError, UnknownNameError, VenueError
from pairity.strategy.stops import StopPrices, compute_stop_prices
from pairity.strategy.types import Entry, Leg, LegOrder, PairPosition
from pairity.universe import ContractSpec, exact, inst_id
from serving.execution.orders import OrderDesk
from serving.execution.position_accounting import Books
from serving.execution.protection import Claim, Protector, Shield
from serving.execution.venue import AttachedStops, VenuePosition
from serving.journal.records import Closing, DecisionRecord, Intent, IntentState, Purpose, client_order_id

UNPROTECTED = "unprotected"
_EXIT_ATTEMPTS = 4
_FLAT_LOOKS = 5


@dataclass(frozen=True, slots=True)
class Opened:
    """Outcome of an entry: the protected position, or None and why there is none. `problems` are for a human."""

    position: PairPosition | None
    reason: str
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Closed:
    """Outcome of an exit: how it was booked. `problems` are for a human."""

    position_id: str
    closing: Closing
    problems: tuple[str, ...] = ()


class Executor:
    """Carries decisions out. Every method may be called again after a crash and then goes on where it stopped.

    `specs` holds the contracts by asset short name, `leverage` that of every position.
    """

    def __init__(self, desk: OrderDesk, specs: Mapping[str, ContractSpec], leverage: int) -> None:
        self.desk = desk
        self.protector = Protector(desk)
        self.books = Books(desk.venue, desk.journal, self.protector)
        self._specs = specs
        self._leverage = leverage

    def spec(self, asset: str) -> ContractSpec:
        """The contract of an asset; UnknownNameError lists those that are known."""
        if asset not in self._specs:
            raise UnknownNameError("contract", asset, self._specs)
        return self._specs[asset]

    async def open(self, entry: Entry, decision: DecisionRecord) -> Opened:
        """Open the position of an entry, protect it and journal it; `decision` must be in the journal.

        A second call for the same entry sends nothing twice. Raises VenueError where the venue leaves something open:
        the journal says what, and reconciliation takes it up.
        """
        journal = self.desk.journal
        known = journal.position(entry.position_id)
        if known is not None:
            return Opened(None if known.closing else known.position, "carried out before")
        taken = self._taken(entry.position_id)
        for leg in entry.legs:
            if inst_id(leg.asset) in taken:
                return Opened(None, f"{leg.asset} is held in another position, or an order of it is in doubt")
            await self.desk.venue.ensure_leverage(inst_id(leg.asset), self._leverage)
        at = self.desk.clock.now()
        for index, leg in enumerate(entry.legs):
            done = await self._open_leg(entry, index, leg, decision.decision_id, at)
            if done.filled_contracts == 0:
                reason = journal.events(done.client_order_id)[-1].answer
                self.protector.withdraw(entry.position_id, self.desk.clock.now(), "the entry was not filled")
                if index > 0:
                    return await self.unwind(entry, decision, reason)
                return Opened(None, f"{inst_id(leg.asset)}: {done.state}: {reason}")
        return await self.complete(entry, decision)

    async def complete(self, entry: Entry, decision: DecisionRecord) -> Opened:
        """Journal the position of entries that are filled, with stops recomputed from the fills, and protect it."""
        journal = self.desk.journal
        known = journal.position(entry.position_id)
        position = _position(entry, journal.intents(entry.position_id, purpose=Purpose.ENTRY)) if known is None \
            else known.position  # fmt: skip
        if known is None:
            journal.save_position(position)
        self.desk.checkpoint("entry: position journalled")
        position = replace(position, legs=tuple(self._with_stops(leg, entry) for leg in position.legs))
        journal.save_position(position)
        position, problems, safe = await self.protect(position, decision.decision_id, expected=True)
        if not safe:
            closed = await self.close(position, UNPROTECTED, decision.decision_id)
            return Opened(None, "closed again: it could not be protected", (*problems, *closed.problems))
        self.desk.checkpoint("entry: protected")
        problems += await self._book_fills(position)
        return Opened(position, decision.decision.reason, tuple(problems))

    async def unwind(self, entry: Entry, decision: DecisionRecord, reason: str) -> Opened:
        """The second leg failed: the first one alone is a bet that nobody decided on."""
        filled = [
            intent
            for intent in self.desk.journal.intents(entry.position_id, purpose=Purpose.ENTRY)
            if intent.filled_contracts > 0
        ]
        position = _position(entry, filled)
        self.desk.journal.save_position(position)
        closed = await self.close(position, "leg_risk", decision.decision_id)
        return Opened(None, f"only one leg was filled, closed again: {reason}", closed.problems)

    async def protect(
        self, position: PairPosition, decision_id: str | None, *, expected: bool = False
    ) -> tuple[PairPosition, list[str], bool]:
        """Make the stops of every leg true on the venue; the position with the stops that rest there.

        Returns it with problems, and whether every leg has a stop-loss. Raises VenueError where the venue cannot be
        read: then nothing is known.
        """
        shields = [
            await self.protector.ensure(self._claim(position, index, decision_id), expected=expected)
            for index in range(len(position.legs))
        ]
        legs = tuple(_with_shield(leg, shield) for leg, shield in zip(position.legs, shields, strict=True))
        protected = replace(position, legs=legs)
        if protected != position:
            self.desk.journal.save_position(protected)
        problems = [shield.problem for shield in shields if shield.problem]
        return protected, problems, all(shield.protected for shield in shields)

    async def close(self, position: PairPosition, reason: str, decision_id: str | None) -> Closed:
        """Close every leg at market, reduce-only; verify it flat and its protective orders gone; book it.

        A position that is gone already (its stop was faster) is booked with the reason that the venue tells. Raises
        VenueError or TradingError where it is not flat in the end: it stays open in the journal, stops and all.
        """
        record = self.desk.journal.position(position.position_id)
        if record is not None and record.closing is not None:
            return Closed(position.position_id, record.closing)
        sent = False
        for index, leg in enumerate(position.legs):
            sent |= await self._close_leg(position, index, leg, decision_id)
        self.desk.checkpoint("exit: flat")
        return await self.book_exit(position, reason if sent else None)

    async def book_exit(self, position: PairPosition, reason: str | None) -> Closed:
        """Book a position that is flat, for `reason` or, if None, for what the venue says; remove what protected it."""
        problems: list[str] = []
        if reason is None:
            reason = await self.books.cause(position)
            problems += [f"{position.position_id} was closed from outside"] if reason in ("manual", "unknown") else []
        for leg in position.legs:
            problems += await self.protector.remove(position.position_id, inst_id(leg.asset))
        closing, unread = await self.books.closing(position, reason, self.desk.clock.now())
        self.desk.checkpoint("exit: before the booking")
        self.desk.journal.close_position(position.position_id, closing)
        return Closed(position.position_id, closing, (*problems, *unread))

    async def held(self, position: PairPosition) -> dict[str, VenuePosition | None]:
        """What the venue holds of each leg's instrument on the leg's side."""
        found = await self.desk.venue.positions()
        held: dict[str, VenuePosition | None] = {}
        for leg in position.legs:
            there = found.get(inst_id(leg.asset))
            held[leg.asset] = there if there is not None and there.side is leg.side else None
        return held

    async def _open_leg(self, entry: Entry, index: int, leg: LegOrder, decision_id: str, at: datetime) -> Intent:
        """Journal the order and the protection attached to it, then bring the order to its end."""
        journal, spec = self.desk.journal, self.spec(leg.asset)
        self.desk.checkpoint("entry: before the intent")
        known = journal.intents(entry.position_id, index, Purpose.ENTRY)
        if known:
            stops = journal.intents(entry.position_id, index, Purpose.PROTECT)[0]
            assert stops.stop_price is not None
            assert stops.target_price is not None
            attached = AttachedStops(stops.client_order_id, stops.stop_price, stops.target_price)
            return await self.desk.carry_out(known[0], attached)
        prices = compute_stop_prices(leg.stops, leg.side, exact(leg.reference_price), spec)
        intent = Intent(
            client_order_id=client_order_id(journal.scope, entry.position_id, index, Purpose.ENTRY),
            decision_id=decision_id,
            position_id=entry.position_id,
            leg=index,
            purpose=Purpose.ENTRY,
            attempt=0,
            instrument=inst_id(leg.asset),
            side=leg.side,
            contracts=leg.contracts,
            order_type="market",
            reduce_only=False,
            stop_price=None,
            target_price=None,
            created_at=at,
        )
        protection = replace(
            intent,
            client_order_id=client_order_id(journal.scope, entry.position_id, index, Purpose.PROTECT),
            purpose=Purpose.PROTECT,
            side=leg.side.opposite,
            order_type="attached",
            reduce_only=True,
            stop_price=prices.stop,
            target_price=prices.target,
        )
        journal.intend_all([intent, protection])
        self.desk.checkpoint("entry: intended")
        attached = AttachedStops(protection.client_order_id, prices.stop, prices.target)
        done = await self.desk.carry_out(intent, attached)
        self.desk.checkpoint("entry: finished")
        return done

    async def _close_leg(self, position: PairPosition, index: int, leg: Leg, decision_id: str | None) -> bool:
        """Bring one leg to zero; True if an order of ours did it."""
        journal = self.desk.journal
        sent = False
        for _ in range(_EXIT_ATTEMPTS):
            known = journal.intents(position.position_id, index, Purpose.EXIT)
            if known and not known[-1].state.final:
                done = await self.desk.carry_out(known[-1])
                sent |= done.filled_contracts > 0
                continue
            sent |= any(intent.filled_contracts > 0 for intent in known)
            held = (await self.held(position))[leg.asset]
            if held is None:
                return sent
            self.desk.checkpoint("exit: before the intent")
            intent = journal.intend(
                Intent(
                    client_order_id=client_order_id(
                        journal.scope, position.position_id, index, Purpose.EXIT, len(known)
                    ),
                    decision_id=decision_id,
                    position_id=position.position_id,
                    leg=index,
                    purpose=Purpose.EXIT,
                    attempt=len(known),
                    instrument=inst_id(leg.asset),
                    side=leg.side.opposite,
                    contracts=min(leg.contracts, abs(held.contracts)),
                    order_type="market",
                    reduce_only=True,
                    stop_price=None,
                    target_price=None,
                    created_at=self.desk.clock.now(),
                )
            )
            self.desk.checkpoint("exit: intended")
            done = await self.desk.carry_out(intent)
            self.desk.checkpoint("exit: finished")
            sent |= done.filled_contracts > 0
            if done.state is IntentState.FILLED:
                await self._see_flat(position, leg)
        if (await self.held(position))[leg.asset] is None:
            return sent
        raise TradingError(
            f"{position.position_id}: {inst_id(leg.asset)} is not flat after {_EXIT_ATTEMPTS} attempts to close it",
            "close it on the venue by hand; its stops are still in place",
        )

    async def _see_flat(self, position: PairPosition, leg: Leg) -> None:
        """Give the venue's position list a moment to follow a fill: a second exit must not be sent for its delay."""
        for look in range(_FLAT_LOOKS):
            held = (await self.held(position))[leg.asset]
            if held is None:
                return
            await self.desk.pace.wait(look)

    async def _book_fills(self, position: PairPosition) -> list[str]:
        """Executions are for the record: a venue that does not list them yet must not stop trading."""
        try:
            await self.books.fetch_fills(position)
        except (VenueError, OrderUnknownError) as error:
            return [f"{position.position_id}: executions not read yet: {error.what}"]
        return []

    def _taken(self, position_id: str) -> set[str]:
        """Instruments that another position has, or may turn out to have: one position per instrument at a time."""
        journal = self.desk.journal
        taken = {inst_id(leg.asset) for record in journal.open_positions() for leg in record.position.legs}
        pending = [intent for intent in journal.unsettled() if intent.purpose is not Purpose.PROTECT]
        pending += journal.filled_entries_without_position()
        return taken | {intent.instrument for intent in pending if intent.position_id != position_id}

    def _with_stops(self, leg: Leg, entry: Entry) -> Leg:
        """The leg with the stops that its rule makes of the actual fill."""
        rule = next(order.stops for order in entry.legs if order.asset == leg.asset)
        prices = compute_stop_prices(rule, leg.side, exact(leg.entry_price), self.spec(leg.asset))
        return replace(leg, stop_price=float(prices.stop), target_price=float(prices.target))

    def _claim(self, position: PairPosition, index: int, decision_id: str | None) -> Claim:
        leg = position.legs[index]
        assert leg.stop_price is not None
        assert leg.target_price is not None
        prices = StopPrices(exact(leg.stop_price), exact(leg.target_price))
        return Claim(position.position_id, index, decision_id, leg.side, leg.contracts, prices, self.spec(leg.asset),
                     self.desk.clock.now())  # fmt: skip


def _with_shield(leg: Leg, shield: Shield) -> Leg:
    """The leg with the prices that rest on the venue; those wanted where nothing rests."""
    if shield.stop is None:
        return leg
    target = leg.target_price if shield.target is None else float(shield.target)
    return replace(leg, stop_price=float(shield.stop), target_price=target)


def _position(entry: Entry, intents: list[Intent]) -> PairPosition:
    """The position that filled entry orders make: sizes and prices are the venue's, not those that were wished."""
    legs = tuple(
        Leg(
            entry.legs[intent.leg].asset,
            intent.side,
            intent.filled_contracts,
            float(intent.average_price or Decimal(0)),
        )
        for intent in intents
        if intent.filled_contracts > 0
    )
    return PairPosition(
        position_id=entry.position_id,
        pair=entry.pair,
        direction=entry.direction,
        legs=legs,
        opened_at=min(intent.created_at for intent in intents),
        entry_z=entry.z,
        entry_score=entry.score,
        last_z=entry.z,
    )
