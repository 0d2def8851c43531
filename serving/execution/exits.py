"""Exits: from an open position back to flat, booked with what the venue says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from pairity.errors import OrderUnknownError, TradingError, UnconfirmedError
from pairity.strategy.types import Leg, PairPosition
from pairity.universe import ContractSpec, inst_id
from serving.execution.contracts import get_contract, require_values
from serving.execution.facts import Facts
from serving.execution.leg_order import find_leg_number, rank_by_risk
from serving.execution.order_sizes import first_order
from serving.execution.orders import OrderDesk
from serving.execution.position_accounting import MANUAL, UNKNOWN, PositionAccounting
from serving.execution.protection import Protector
from serving.execution.venue_records import VenuePosition
from serving.journal import Intent, IntentState, PositionClose, Purpose, client_order_id

UNPROTECTED, LEG_RISK = "unprotected", "leg_risk"
_EXIT_ATTEMPTS = 4
_FLAT_LOOKS = 5


@dataclass(frozen=True, slots=True)
class Closed:
    """Outcome of an exit: how it was booked. `problems` are for a human."""

    position_id: str
    close: PositionClose
    problems: tuple[str, ...] = ()


class Exits:
    """Closing of positions. Every method may be called again after a crash and then goes on where it stopped."""

    def __init__(self, desk: OrderDesk, protector: Protector, contracts: Mapping[str, ContractSpec]) -> None:
        self._desk = desk
        self._journal = desk.journal
        self._protector = protector
        self._contracts = contracts
        self.accounting = PositionAccounting(desk.venue, desk.journal, protector)
        self._facts = Facts(desk.venue, desk.journal)

    async def close(self, position: PairPosition, reason: str, decision_id: str | None) -> Closed:
        """Close every leg at market, reduce-only; verify it flat and its protective orders gone; book it.

        The leg that is harder to trade goes first: while it cannot be closed, the other one goes on hedging it. A
        position that is gone already (its stop was faster) is booked with the reason that the venue gives. Raises
        VenueError or TradingError where it is not flat in the end: it stays open in the journal, stops and all.
        """
        record = self._journal.position(position.position_id)
        if record is not None and record.close is not None:
            return Closed(position.position_id, record.close)
        self._refuse_missing_leg(position)
        sent = [
            await self._close_leg(position, position.legs[place], reason, decision_id)
            for place in rank_by_risk(position.legs, self._contracts)
        ]
        if reason == UNPROTECTED and any(sent) and not all(sent):
            reason = LEG_RISK  # the stop of one leg had gone with the leg: it was triggered
        self._desk.checkpoint("exit: flat")
        return await self.book(position, reason if any(sent) else None)

    async def book(self, position: PairPosition, reason: str | None) -> Closed:
        """Book a position that is flat, for `reason` or, if None, for what the venue says; remove what protected it.

        Raises OrderUnknownError while an entry of it may still be filled: its stops stay until that is known.
        """
        self._refuse_pending_entry(position)
        problems: list[str] = []
        if reason is None:
            reason = await self.accounting.find_cause(position)
            problems += [f"{position.position_id} was closed from outside"] if reason in (MANUAL, UNKNOWN) else []
        for leg in position.legs:
            problems += await self._protector.remove(position.position_id, inst_id(leg.asset))
        close, unread = await self.accounting.compute_close(position, reason, self._desk.clock.now())
        self._desk.checkpoint("exit: before the booking")
        # Last: until it is booked, a process that comes back finds an open position and does all of this again.
        self._journal.close_position(position.position_id, close)
        return Closed(position.position_id, close, (*problems, *unread))

    async def read_held(self, position: PairPosition) -> dict[str, VenuePosition | None]:
        """Return, by asset, what the venue holds of each leg's instrument on the leg's side; None where it is gone.

        Only its own margin mode counts: what stands beside it in the other one is not ours.
        """
        on_venue = await self._desk.venue.positions(position.margin_mode)
        held: dict[str, VenuePosition | None] = {}
        for leg in position.legs:
            there = on_venue.get(inst_id(leg.asset))
            held[leg.asset] = there if there is not None and there.side is leg.side else None
        return held

    def _refuse_missing_leg(self, position: PairPosition) -> None:
        """Raise UnconfirmedError where the entry filled a leg that the position does not have yet.

        A process may end between the two: closed as it is, the position would be booked and that leg forgotten.
        """
        known = {inst_id(leg.asset) for leg in position.legs}
        for intent in self._journal.intents(position.position_id, purpose=Purpose.ENTRY):
            if intent.filled_contracts and intent.instrument not in known:
                raise UnconfirmedError(
                    f"{position.position_id} lacks its leg {intent.instrument}, which was filled",
                    "its entry is completed first, at the next look",
                )

    def _refuse_pending_entry(self, position: PairPosition) -> None:
        for intent in self._journal.intents(position.position_id, purpose=Purpose.ENTRY):
            if not intent.state.final:
                raise OrderUnknownError(
                    f"{position.position_id} is closed as far as it is known, but the outcome of order "
                    f"{intent.client_order_id} ({intent.side} {intent.contracts} {intent.instrument}) is unknown",
                    "it is asked for again in the next cycle; look there by hand",
                )

    async def _close_leg(self, position: PairPosition, leg: Leg, reason: str, decision_id: str | None) -> bool:
        """Bring one leg to zero; return whether an order of ours did it.

        A leg above the largest market order goes in several. Only orders that left something open count as attempts.
        """
        sent, attempts = False, 0
        number = find_leg_number(self._journal, position, leg)
        while attempts < _EXIT_ATTEMPTS:
            attempts += 1
            known = self._journal.intents(position.position_id, number, Purpose.EXIT)
            # An exit in doubt is brought to its end first: a second one beside it could close twice.
            if known and not known[-1].state.final:
                done = await self._desk.carry_out(known[-1])
                sent |= done.filled_contracts > 0
                continue
            sent |= any(intent.filled_contracts > 0 for intent in known)
            # What our exits executed counts, not the list alone: it may lag, and hold what a person added.
            left = self._facts.count_opened(position, leg) - self._facts.count_exited(position, leg)
            if left <= 0:
                return sent
            held = (await self.read_held(position))[leg.asset]
            if held is None:
                if await self._is_gone(position, leg):
                    return sent
                continue  # the list lagged
            if abs(held.contracts) != left:  # somebody traded, the list lags, or a contract is worth another number
                await require_values(self._desk.venue, [get_contract(self._contracts, leg.asset)])
            self._desk.checkpoint("exit: before the intent")
            wanted = min(leg.contracts, left, abs(held.contracts))
            contracts = first_order(wanted, get_contract(self._contracts, leg.asset))
            intent = self._journal.intend(
                self._make_intent(position, number, leg, decision_id, attempt=len(known), contracts=contracts), reason
            )
            self._desk.checkpoint("exit: intended")
            done = await self._desk.carry_out(intent)
            self._desk.checkpoint("exit: finished")
            sent |= done.filled_contracts > 0
            if done.state is IntentState.FILLED:
                attempts -= contracts < wanted
                await self._await_rest(position, leg, abs(held.contracts) - contracts)
            elif done.filled_contracts == 0:
                # Refused, perhaps because a stop was faster and the list does not say so yet.
                await self._desk.pace.wait(attempts)
        if self._facts.count_exited(position, leg) >= self._facts.count_opened(position, leg):
            return sent
        if (await self.read_held(position))[leg.asset] is None and await self._is_gone(position, leg):
            return sent
        raise TradingError(
            f"{position.position_id}: {inst_id(leg.asset)} is not flat after {_EXIT_ATTEMPTS} attempts to close it",
            "close it on the venue by hand; its stops are still in place",
        )

    def _make_intent(
        self,
        position: PairPosition,
        number: int,
        leg: Leg,
        decision_id: str | None,
        *,
        attempt: int,
        contracts: Decimal,
    ) -> Intent:
        return Intent(
            client_order_id=client_order_id(self._journal.scope, position.position_id, number, Purpose.EXIT, attempt),
            decision_id=decision_id,
            position_id=position.position_id,
            leg=number,
            purpose=Purpose.EXIT,
            attempt=attempt,
            instrument=inst_id(leg.asset),
            side=leg.side.opposite,
            contracts=contracts,
            order_type="market",
            reduce_only=True,
            stop_price=None,
            target_price=None,
            created_at=self._desk.clock.now(),
            margin_mode=position.margin_mode,
        )

    async def _is_gone(self, position: PairPosition, leg: Leg) -> bool:
        """Return whether a leg that the list of positions lacks is gone; False where the list shows it again.

        UnconfirmedError where only the list says that it is gone, for as long as it is asked.
        """
        for look in range(self._desk.pace.absent_answers + 1):
            facts = await self._facts.examine(position, leg, await self._desk.venue.position_rows())
            if facts.left == 0:
                return True
            if facts.listed:
                return False
            await self._desk.pace.wait(look)
        if await self._facts.is_in_history(position, leg):
            return True
        raise UnconfirmedError(
            f"{position.position_id}: the list of positions lacks {inst_id(leg.asset)}, and no execution closed it",
            "nothing was cancelled or booked; it is looked at again",
        )

    async def _await_rest(self, position: PairPosition, leg: Leg, rest: Decimal) -> None:
        """Give the venue's position list a moment to follow a fill: a second exit must not be sent for its delay."""
        for look in range(_FLAT_LOOKS):
            held = (await self.read_held(position))[leg.asset]
            if held is None or abs(held.contracts) <= rest:
                return
            await self._desk.pace.wait(look)
