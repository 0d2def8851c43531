"""Accounting of a position from the venue's own executions: prices, fees, funding, and why it ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from pairity.errors import VenueError
from pairity.strategy.types import ExitReason, Leg, PairPosition
from pairity.universe import inst_id
from serving.execution.facts import SKEW, Facts
from serving.execution.protection import Protector
from serving.execution.venue import VenuePort
from serving.execution.venue_records import VenueFill
from serving.journal import Charge, Fill, Journal, PositionClose

MANUAL, UNKNOWN = "manual", "unknown"
_FORCED = frozenset({"full_liquidation", "partial_liquidation", "adl"})


class PositionAccounting:
    """Accounting of positions: reads executions from the venue and writes them into the journal."""

    def __init__(self, venue: VenuePort, journal: Journal, protector: Protector) -> None:
        self._venue = venue
        self._journal = journal
        self._protector = protector
        self._facts = Facts(venue, journal)

    async def fetch_fills(
        self, position: PairPosition, triggered: frozenset[str] = frozenset(), *, outside: bool = False
    ) -> list[Fill]:
        """Journal the executions of a position so far, and return all that are known.

        Its own executions are those of its orders, and of the orders that its stops sent (`triggered`, venue order
        ids). With `outside`, closing executions of no order of ours count as well: by hand, or by the venue itself.
        """
        for leg in position.legs:
            mine = await self._read_fills(position, leg, triggered, outside=outside)
            known = {(fill.trade_id, fill.order_id) for fill in self._journal.fills(position.position_id)}
            new = [fill for fill in mine if (fill.trade_id, fill.order_id) not in known]
            self._journal.record_fills([await make_fill(self._venue, fill, position.position_id) for fill in new])
        return self._journal.fills(position.position_id)

    async def record_fills(self, position: PairPosition, fills: Sequence[VenueFill]) -> None:
        """Journal executions as a position's: those that changed it from outside, at the moment they are seen."""
        self._journal.record_fills([await make_fill(self._venue, fill, position.position_id) for fill in fills])

    async def find_cause(self, position: PairPosition) -> str:
        """Return why a position that nobody closed here is gone, as far as the venue says.

        Two facts in this order: a triggered stop, then closing executions; without either the cause is `unknown`.
        """
        triggered = await self._protector.settle(position.position_id)
        if triggered:
            stop = any(algo.triggered == "sl" for algo in triggered)
            return ExitReason.STOP_LOSS if stop else ExitReason.TAKE_PROFIT
        ending = await self._read_outside_fills(position)
        if not ending:
            return UNKNOWN
        forced = {order.order_id for order in await self._venue.recent_orders() if order.category in _FORCED}
        if any(fill.forced or fill.order_id in forced for fill in ending):
            return ExitReason.LIQUIDATION
        return MANUAL

    async def compute_close(self, position: PairPosition, reason: str, at: datetime) -> tuple[PositionClose, list[str]]:
        """Return how a flat position ended, and problems. What the venue does not say is None, and read later."""
        try:
            algos = await self._protector.settle(position.position_id)
            triggered = frozenset(algo.order_id for algo in algos if algo.order_id)
            fills = await self.fetch_fills(position, triggered)
            # Only if something is missing: a trade by hand beside a complete exit is not this position's.
            if self._count_missing(position, fills) > 0 or not _is_ended(position, fills):
                fills = await self.fetch_fills(position, triggered, outside=True)
        except VenueError as error:
            unknown = PositionClose(closed_at=at, exit_reason=reason)
            return unknown, [f"{position.position_id}: executions not read: {error.what}"]
        funding, problems = await self._sum_funding(position, at)
        missing = self._count_missing(position, fills)
        if missing > 0 or not _is_ended(position, fills):
            unknown = PositionClose(closed_at=at, exit_reason=reason)
            return unknown, [f"{position.position_id}: executions of {missing} contracts are missing"]
        ending = [fill for fill in fills if _is_closing(position, fill.instrument, fill.side)]
        ended = max(fill.at for fill in ending)
        pnl = sum((fill.pnl_usdt for fill in fills), Decimal(0))
        fees = [fill.fee_usdt for fill in fills if fill.fee_usdt is not None]
        unpriced = sorted({fill.charged.currency for fill in fills if fill.charged and fill.fee_usdt is None})
        close = PositionClose(
            closed_at=ended,
            exit_reason=reason,
            exit_price=_average_price(position, ending),
            pnl_usdt=pnl,
            fees_usdt=None if unpriced else sum(fees, Decimal(0)),
            funding_usdt=funding,
        )
        # A fee is never taken for USDT: without a price the position has no net result, and says why.
        return close, problems + [
            f"{position.position_id}: fees were charged in {currency}, of which the venue has no price in USDT"
            for currency in unpriced
        ]

    async def _sum_funding(self, position: PairPosition, until: datetime) -> tuple[Decimal | None, list[str]]:
        """Return the funding of a position, and problems; None where the venue does not say, or no more."""
        funding = Decimal(0)
        try:
            for leg in position.legs:
                funding += await self._venue.funding_paid(
                    inst_id(leg.asset), position.opened_at, until, position.margin_mode
                )
        except VenueError as error:
            return None, [f"{position.position_id}: its funding was not read: {error.what}"]
        return funding, []

    async def _read_fills(
        self, position: PairPosition, leg: Leg, triggered: frozenset[str], *, outside: bool
    ) -> list[VenueFill]:
        """Return the venue's executions of one leg, as `fetch_fills` chooses them."""
        intents = self._journal.intents(position.position_id)
        own = {intent.client_order_id for intent in intents} | {intent.order_id for intent in intents} | triggered
        fills = await self._venue.fills(inst_id(leg.asset), position.opened_at - SKEW)
        ours = [fill for fill in fills if {fill.client_order_id, fill.order_id} & own]
        if not outside:
            return ours
        others = [fill for fill in fills if fill.side is leg.side.opposite and not self._is_known(fill)]
        ours += await self._facts.keep_margin(position, [fill for fill in others if fill not in ours])
        return [fill for fill in fills if fill in ours]

    def _count_missing(self, position: PairPosition, fills: Sequence[Fill]) -> Decimal:
        """Return the number of opened contracts without a known closing execution, leg by leg.

        What one leg has too much of does not stand in for the other one.
        """
        missing = Decimal(0)
        for leg in position.legs:
            side, instrument = leg.side.opposite, inst_id(leg.asset)
            if self._journal.last_rescaling(position.position_id, instrument):
                continue  # contracts before and after a change of their value cannot be added up
            closed = [fill.contracts for fill in fills if (fill.instrument, fill.side) == (instrument, side)]
            missing += max(self._facts.count_opened(position, leg) - sum(closed, Decimal(0)), Decimal(0))
        return missing

    def _is_known(self, fill: VenueFill) -> bool:
        """Return whether an execution is one of ours, of any position."""
        return self._journal.owns(fill.client_order_id) or self._journal.has_fill_of(fill.order_id)

    def _list_noted_outside(self, position: PairPosition) -> set[tuple[str, str]]:
        """Return the executions of no order of ours that the journal has as this position's already.

        It has them where a process ended before it booked the position.
        """
        own = {intent.order_id for intent in self._journal.intents(position.position_id)}
        return {
            (fill.trade_id, fill.order_id)
            for fill in self._journal.fills(position.position_id)
            if fill.order_id not in own and not self._journal.owns(fill.client_order_id)
        }

    async def _read_outside_fills(self, position: PairPosition) -> list[VenueFill]:
        """Return the closing executions of no order of ours since the position was opened."""
        outside: list[VenueFill] = []
        noted = self._list_noted_outside(position)
        for leg in position.legs:
            fills = await self._venue.fills(inst_id(leg.asset), position.opened_at)
            ending = [
                fill
                for fill in fills
                if fill.side is leg.side.opposite
                and ((fill.trade_id, fill.order_id) in noted or not self._is_known(fill))
            ]
            outside += await self._facts.keep_margin(position, ending)
        return outside


async def make_fill(venue: VenuePort, fill: VenueFill, position_id: str) -> Fill:
    """Return the journal's record of an execution: its fee in USDT, at the venue's own price at that time."""
    fee: Decimal | None = fill.fee
    charged: Charge | None = None
    if fill.fee_currency != "USDT":
        charged = Charge(fill.fee, fill.fee_currency)
        price = await venue.usdt_price(fill.fee_currency, fill.at)
        fee = None if price is None else fill.fee * price
    return Fill(
        instrument=fill.instrument,
        trade_id=fill.trade_id,
        order_id=fill.order_id,
        position_id=position_id,
        client_order_id=fill.client_order_id,
        side=fill.side,
        contracts=fill.contracts,
        price=fill.price,
        fee_usdt=fee,
        pnl_usdt=fill.pnl_usdt,
        at=fill.at,
        charged=charged,
    )


def _is_ended(position: PairPosition, fills: Sequence[Fill]) -> bool:
    """Return whether every leg has a closing execution."""
    seen = {(fill.instrument, fill.side) for fill in fills}
    return all((inst_id(leg.asset), leg.side.opposite) in seen for leg in position.legs)


def _is_closing(position: PairPosition, instrument: str, side: str) -> bool:
    return any(inst_id(leg.asset) == instrument and leg.side.opposite == side for leg in position.legs)


def _average_price(position: PairPosition, fills: Sequence[Fill]) -> Decimal:
    """Return the size-weighted exit price of the base leg."""
    base = [fill for fill in fills if fill.instrument == inst_id(position.legs[0].asset)]
    size = sum((fill.contracts for fill in base), Decimal(0))
    return sum((fill.price * fill.contracts for fill in base), Decimal(0)) / size
