"""Round trips of a book's names: from the first lot to flat, or to the other side. Pure, exact decimals.

Whatever a name does in between, more or less of it, is part of its trip: it is one trade, and closed only when nothing
is left. An execution that turns a name ends one trip and begins the next: its fee is shared by contracts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from pairity.strategy.types import Side
from pairity.universe import short_name
from serving.journal.book_pages import Execution
from serving.journal.funding_pages import KnownFunding, Settlement
from serving.journal.records import Purpose

REBALANCE, STOP, OUTSIDE, FLATTEN = "rebalance", "stop", "manual", "flatten"
"""Why a trip ended: by a decision, its disaster stop, somebody else's execution, a halt that closes everything."""
LIQUIDATION = "liquidation"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTrip:
    """One trip of a name. Amounts are USDT; None where the venue did not say a part of them (yet)."""

    trip_id: str
    instrument: str
    side: Side
    opened_at: datetime
    closed_at: datetime | None
    """None while something is held."""
    most: Decimal
    """Most contracts that were held."""
    left: Decimal
    """Contracts that are held still."""
    entry_price: Decimal
    """Mean of what was opened, by contracts."""
    exit_price: Decimal | None
    """Mean of what was closed; None where nothing was."""
    price_usdt: Decimal
    """Gross result of what was closed, as the venue says it."""
    fees_usdt: Decimal | None
    """Of all its executions; negative where charged."""
    funding_usdt: Decimal | None
    """Of all its time, or so far; negative where paid."""
    executions: int
    entry_order: str
    """Client order id that opened it; empty where nobody's order is known."""
    entry_decision: str | None
    exit_order: str
    """Client order id of its last execution that closed something; empty without one."""
    exit_decision: str | None
    reason: str
    """Why it ended; empty while it has not."""

    @property
    def name(self) -> str:
        """The name."""
        return short_name(self.instrument)

    @property
    def realised_usdt(self) -> Decimal | None:
        """What is earned for good: prices, fees and funding; None where a part is not known."""
        if self.fees_usdt is None or self.funding_usdt is None:
            return None
        return self.price_usdt + self.fees_usdt + self.funding_usdt


@dataclass(slots=True)
class _Walk:
    """A trip as its executions come in."""

    instrument: str
    side: Side
    opened_at: datetime
    first: Execution
    held: Decimal = Decimal(0)
    most: Decimal = Decimal(0)
    opened: list[tuple[Decimal, Decimal]] = field(default_factory=list)
    closed: list[tuple[Decimal, Decimal]] = field(default_factory=list)
    fees: list[Decimal | None] = field(default_factory=list)
    price: Decimal = Decimal(0)
    last: Execution | None = None
    ended: datetime | None = None

    def take(self, one: Execution, contracts: Decimal, fee: Decimal | None, *, closing: bool) -> None:
        """Take in an execution, or the part of it that is this trip's."""
        fill = one.fill
        self.fees.append(fee)
        if closing:
            self.held -= contracts
            self.closed.append((contracts, fill.price))
            self.price += fill.pnl_usdt
            self.last = one
            self.ended = None if self.held else fill.at
        else:
            self.held += contracts
            self.most = max(self.most, self.held)
            self.opened.append((contracts, fill.price))


def list_round_trips(executions: Iterable[Execution], funding: KnownFunding) -> list[RoundTrip]:
    """Return all trips of a book, open ones included, in the order in which they began.

    Executions of one moment count with reductions first, as they were sent.
    """
    by_name: dict[str, list[Execution]] = {}
    for one in sorted(executions, key=_order):
        by_name.setdefault(one.fill.instrument, []).append(one)
    paid: dict[str, list[Settlement]] = {}
    for settled in funding.settlements:
        paid.setdefault(settled.instrument, []).append(settled)
    trips = [_describe(walk, paid.get(name, ()), funding) for name, own in by_name.items() for walk in _walk(name, own)]
    return _name_apart(sorted(trips, key=lambda one: (one.opened_at, one.instrument)))


def _order(one: Execution) -> tuple[datetime, bool, int, str]:
    fill = one.fill
    return fill.at, one.purpose is Purpose.INCREASE, len(fill.trade_id), fill.trade_id


def _walk(instrument: str, executions: Sequence[Execution]) -> Iterator[_Walk]:
    walk: _Walk | None = None
    for one in executions:
        fill = one.fill
        left, fee = fill.contracts, fill.fee_usdt
        if walk is not None and fill.side is not walk.side:
            closing = min(left, walk.held)
            own = fee if fee is None or closing == left else fee * closing / left
            walk.take(one, closing, own, closing=True)
            left, fee = left - closing, None if fee is None or own is None else fee - own
            if not walk.held:
                yield walk
                walk = None
        if left:
            walk = walk or _Walk(instrument=instrument, side=fill.side, opened_at=fill.at, first=one)
            walk.take(one, left, fee, closing=False)
    if walk is not None:
        yield walk


def _describe(walk: _Walk, paid: Iterable[Settlement], funding: KnownFunding) -> RoundTrip:
    own = [one.amount_usdt for one in paid if walk.opened_at < one.at and (walk.ended is None or one.at <= walk.ended)]
    if walk.ended is not None:
        known = funding.covers(walk.opened_at, walk.ended)
    else:
        known = funding.until is not None and all(end <= walk.opened_at for _, end in funding.gaps)
    fees = [fee for fee in walk.fees if fee is not None]
    last = walk.last
    return RoundTrip(
        trip_id=walk.first.fill.position_id,
        instrument=walk.instrument,
        side=walk.side,
        opened_at=walk.opened_at,
        closed_at=walk.ended,
        most=walk.most,
        left=walk.held,
        entry_price=_average(walk.opened),
        exit_price=_average(walk.closed) if walk.closed else None,
        price_usdt=walk.price,
        fees_usdt=sum(fees, Decimal(0)) if len(fees) == len(walk.fees) else None,
        funding_usdt=sum(own, Decimal(0)) if known else None,
        executions=len(walk.fees),
        entry_order=walk.first.fill.client_order_id,
        entry_decision=walk.first.decision_id,
        exit_order="" if last is None else last.fill.client_order_id,
        exit_decision=None if last is None else last.decision_id,
        reason="" if walk.ended is None or last is None else _explain(last),
    )


def _explain(last: Execution) -> str:
    if last.purpose is Purpose.PROTECT:
        return STOP
    if last.purpose is not None:
        return REBALANCE if last.decision_id is not None else FLATTEN
    return LIQUIDATION if last.fill.position_id.endswith("@liquidated") else OUTSIDE


def _average(parts: Sequence[tuple[Decimal, Decimal]]) -> Decimal:
    return sum((count * price for count, price in parts), Decimal(0)) / sum((count for count, _ in parts), Decimal(0))


def _name_apart(trips: Sequence[RoundTrip]) -> list[RoundTrip]:
    """Return the trips under names of their own: a name may begin twice between two decisions."""
    seen: Counter[str] = Counter()
    named = []
    for one in trips:
        seen[one.trip_id] += 1
        named.append(one if seen[one.trip_id] == 1 else replace(one, trip_id=f"{one.trip_id}#{seen[one.trip_id]}"))
    return named
