"""Is it gone? Two independent facts about a position, a stop or an order, each of them read successfully.

One answer is never believed alone, and the same list read twice is one fact. A position has ended where the list of
positions lacks it *and* executions since its entry add up to its size (or the history of closed positions has it). A
stop is gone where the list of resting stops lacks it *and* its own look-up says so. An order never was where its
look-up denies it *and* neither the resting nor the finished orders nor the executions know it. A read that fails is no
fact: it raises, and nothing is concluded.

What is ours stands in the margin mode of its position: rows, closed positions and executions of the other mode in the
same instrument are somebody else's, and say nothing about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from pairity.errors import VenueAnswerError, VenueError
from pairity.strategy.types import Leg, PairPosition
from pairity.universe import inst_id
from serving.execution.venue import VenuePort
from serving.execution.venue_records import (
    AlgoState,
    ClosedPosition,
    Missing,
    OrderState,
    Unclear,
    VenueAlgo,
    VenueFill,
    VenueOrder,
    VenuePosition,
)
from serving.journal import Fill, Intent, Journal, Purpose

SKEW = timedelta(minutes=1)
"""Most that the venue's clock may be behind ours: its executions carry its own time."""


@dataclass(frozen=True, slots=True)
class LegFacts:
    """Two facts about one leg, in contracts that are left of it: by the list of positions, and by executions.

    Both count on the leg's own side: 0 where the other side, or nothing, is there. `unseen` are the executions that the
    journal does not have yet.
    """

    listed: Decimal
    executed: Decimal
    unseen: tuple[VenueFill, ...] = ()

    @property
    def left(self) -> Decimal:
        """Contracts that are left as far as both facts agree: the larger number, which protects more."""
        return max(self.listed, self.executed)

    @property
    def doubtful(self) -> bool:
        """Whether the list shows less than the executions explain."""
        return self.listed < self.executed


class Facts:
    """Facts about what is ours, from the venue; `journal` says what is ours and what is known already."""

    def __init__(self, venue: VenuePort, journal: Journal) -> None:
        self._venue = venue
        self._journal = journal

    async def examine(self, position: PairPosition, leg: Leg, rows: Iterable[VenuePosition]) -> LegFacts:
        """Return both facts about a leg; `rows` is the list of positions as read. Raises VenueError."""
        shown = list_own(position, leg, rows)
        own, earlier, changes = await self._read_executions(position, leg)
        known = {_key(fill) for fill in self._journal.fills(position.position_id)}
        changes = [*(fill for fill in earlier if _key(fill) in known), *changes]
        earlier = [fill for fill in earlier if _key(fill) not in known]
        executed = self._count_left(position, leg, changes)
        listed = sum((abs(row.contracts) for row in shown), Decimal(0))
        if 0 < listed < executed and listed == self._count_left(position, leg, [*earlier, *changes]):
            # What somebody traded right before our entry, while no list showed it, was netted with it. Only a row that
            # is no older than our entry proves that: before it, the same size would be somebody else's. Then they are
            # journalled with the position, and count from there on.
            newest = max(fill.at for fill in (*own, *earlier, *changes))
            if any(row.updated_at is not None and row.updated_at >= newest for row in shown):
                executed, changes = listed, [*earlier, *changes]
        return LegFacts(listed, executed, tuple(fill for fill in changes if _key(fill) not in known))

    def _count_left(self, position: PairPosition, leg: Leg, changes: Iterable[VenueFill]) -> Decimal:
        """Return the contracts that are left of a leg after the executions that changed it; never less than none."""
        return max(
            self.count_opened(position, leg) + leg.side.sign * sum(map(_signed, changes), Decimal(0)), Decimal(0)
        )

    def count_opened(self, position: PairPosition, leg: Leg) -> Decimal:
        """Return the contracts with which a leg began: those of its entry, or of its first stop if it was adopted.

        Where its contract changed its value since, it began anew.
        """
        if rescaling := self._journal.last_rescaling(position.position_id, inst_id(leg.asset)):
            return rescaling.contracts
        intents = [i for i in self._journal.intents(position.position_id) if i.instrument == inst_id(leg.asset)]
        if entries := [intent for intent in intents if intent.purpose is Purpose.ENTRY]:
            return sum((intent.filled_contracts for intent in entries), Decimal(0))
        stops = [intent.contracts for intent in intents if intent.purpose is Purpose.PROTECT]
        return max(leg.contracts, stops[0]) if stops else leg.contracts

    def count_exited(self, position: PairPosition, leg: Leg) -> Decimal:
        """Return the contracts that our exits of a leg executed, since its contract changed if it did."""
        rescaling = self._journal.last_rescaling(position.position_id, inst_id(leg.asset))
        exits = self._journal.intents(position.position_id, purpose=Purpose.EXIT)
        own = [intent for intent in exits if intent.instrument == inst_id(leg.asset)]
        counted = [intent for intent in own if rescaling is None or intent.created_at > rescaling.at]
        return sum((intent.filled_contracts for intent in counted), Decimal(0))

    async def is_in_history(self, position: PairPosition, leg: Leg) -> bool:
        """Return whether the history of closed positions has the end of a leg: a fact beside the list of positions.

        A history that cannot be read says nothing.
        """
        opened = position.opened_at - SKEW
        try:
            rows = await self._venue.closed_positions(inst_id(leg.asset), opened)
        except VenueError:
            return False
        return any(row.margin_mode == position.margin_mode and _ends(row, leg, opened) for row in rows)

    async def find_stop(self, instrument: str, client_order_id: str) -> VenueAlgo | None:
        """Look up a stop that the list of resting stops lacks; return it in any state, or None where it is unknown.

        VenueAnswerError where the answer cannot be used: then it counts as neither there nor gone.
        """
        lookup = await self._venue.find_algo(instrument, client_order_id)
        if isinstance(lookup, Unclear):
            raise VenueAnswerError(f"whether stop {client_order_id} rests cannot be read: {lookup.answer}")
        return None if isinstance(lookup, Missing) else lookup

    async def find_order(self, intent: Intent) -> VenueOrder | VenueAlgo | None:
        """Find an order whose look-up denies it in the lists of the venue: resting, finished, executed.

        The venue forgets finished orders after a while: executions stand in for them. An acknowledged order that no
        list knows was cancelled unfilled; one that was never acknowledged never was: both are None. Raises VenueError.
        """
        wanted = intent.client_order_id
        if intent.purpose is Purpose.PROTECT:
            return next((algo for algo in await self._venue.algo_orders() if algo.client_order_id == wanted), None)
        for orders in (await self._venue.open_orders(), await self._venue.recent_orders()):
            if found := next((order for order in orders if order.client_order_id == wanted), None):
                return found
        fills = await self._venue.fills(intent.instrument, intent.created_at - SKEW)
        own = [fill for fill in fills if fill.client_order_id == wanted or (intent.order_id == fill.order_id)]
        return _make_order(intent, own) if own else None

    async def _read_executions(
        self, position: PairPosition, leg: Leg
    ) -> tuple[list[VenueFill], list[VenueFill], list[VenueFill]]:
        """Return the executions in a leg's instrument: its entry's own, others of the minute before, others since."""
        instrument = inst_id(leg.asset)
        entries = self._journal.intents(position.position_id, purpose=Purpose.ENTRY)
        names = {intent.client_order_id for intent in entries} | {intent.order_id for intent in entries}
        since = position.opened_at - SKEW if entries else position.opened_at
        fills = await self._venue.fills(instrument, since)
        own = [fill for fill in fills if _names(fill) & names]
        others = await self.keep_margin(
            position,
            [f for f in fills if not _names(f) & names and not self._is_of_another(f, position.position_id)],
        )
        if rescaling := self._journal.last_rescaling(position.position_id, instrument):
            return own, [], [fill for fill in others if fill.at > rescaling.at]
        first = min((fill.at for fill in own), default=since)
        return own, [fill for fill in others if fill.at < first], [fill for fill in others if fill.at >= first]

    async def keep_margin(self, position: PairPosition, fills: Iterable[VenueFill]) -> list[VenueFill]:
        """Return those executions that can have changed a position: not those of the other margin mode.

        Of which mode one is, that no order of ours brought about, the venue is asked. Where it does not know, the
        execution counts as none: what the list of positions shows then stays without a second fact. Raises VenueError.
        """
        known = {_key(fill) for fill in self._journal.fills(position.position_id)}
        kept = []
        for fill in fills:
            mode: str | None = position.margin_mode
            own = self._journal.intent(fill.client_order_id) if fill.client_order_id else None
            if own is not None:
                mode = own.margin_mode
            elif _key(fill) not in known:
                mode = await self._venue.execution_margin_mode(fill)
            if mode in ("", position.margin_mode):
                kept.append(fill)
        return kept

    def _is_of_another(self, fill: VenueFill, position_id: str) -> bool:
        intent = self._journal.intent(fill.client_order_id) if fill.client_order_id else None
        return intent is not None and intent.position_id != position_id


def count_listed(position: PairPosition, leg: Leg, rows: Iterable[VenuePosition]) -> Decimal:
    """Return the contracts that the list of positions has of a leg, on its side and in its margin mode: 0 for none."""
    return sum((abs(row.contracts) for row in list_own(position, leg, rows)), Decimal(0))


def list_own(position: PairPosition, leg: Leg, rows: Iterable[VenuePosition]) -> list[VenuePosition]:
    """Return the rows of the list of positions that can be a leg's: its instrument, its side, its margin mode."""
    own = inst_id(leg.asset), leg.side, position.margin_mode
    return [row for row in rows if (row.instrument, row.side, row.margin_mode) == own]


def _ends(row: ClosedPosition, leg: Leg, opened: datetime) -> bool:
    return row.whole and row.side is leg.side and row.opened_at >= opened and row.contracts >= leg.contracts


def _make_order(intent: Intent, fills: Sequence[VenueFill]) -> VenueOrder:
    """Return the finished order that executions tell of: what is not executed of it was cancelled."""
    filled = sum((fill.contracts for fill in fills), Decimal(0))
    worth = sum((fill.contracts * fill.price for fill in fills), Decimal(0))
    return VenueOrder(
        order_id=fills[0].order_id,
        client_order_id=intent.client_order_id,
        instrument=intent.instrument,
        side=fills[0].side,
        state=OrderState.FILLED if filled >= intent.contracts else OrderState.CANCELLED,
        contracts=intent.contracts,
        filled_contracts=filled,
        average_price=worth / filled,
        reduce_only=intent.reduce_only,
        category="normal",
        updated_at=fills[-1].at,
    )


def is_resting(algo: VenueAlgo | None) -> bool:
    """Return whether a stop that was looked up rests on the venue."""
    return algo is not None and algo.state is AlgoState.LIVE


def _signed(fill: VenueFill) -> Decimal:
    return fill.side.sign * fill.contracts


def _names(fill: VenueFill) -> set[str | None]:
    return {name for name in (fill.client_order_id, fill.order_id) if name}


def _key(fill: VenueFill | Fill) -> tuple[str, str]:
    return fill.trade_id, fill.order_id
