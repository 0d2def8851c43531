"""Round trips of a book's names as trades: read from the journal, and as the API answers with them."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from serving.books.round_trips import RoundTrip, list_round_trips
from serving.journal import Journal
from serving.journal.codec import time_to_text
from serving.views.base import amount, hours_between
from serving.views.trade_records import TradeLeg, TradeView

_known: WeakKeyDictionary[Journal, tuple[object, list[RoundTrip]]] = WeakKeyDictionary()
"""By open journal what was read last: a year of them takes a fifth of a second, and panels ask again and again."""


def list_trips(journal: Journal) -> list[RoundTrip]:
    """Return all round trips of a book in the journal, open ones included, oldest first; none where pairs trade."""
    stamp = journal.books.stamp_executions(), journal.funding.read_until()
    known = _known.get(journal)
    if known is None or known[0] != stamp:
        executions = journal.books.executions()
        trips = list_round_trips(executions, journal.funding.read()) if executions else []
        known = _known[journal] = stamp, trips
    return known[1]


def list_closed_trips(journal: Journal) -> list[RoundTrip]:
    """Return those that have ended."""
    return [one for one in list_trips(journal) if one.closed_at is not None]


def name_place(trip: RoundTrip) -> tuple[str, str]:
    """Return by what closed trades are sorted: when it ended, and its name."""
    assert trip.closed_at is not None
    return time_to_text(trip.closed_at), trip.trip_id


def view_trip(trip: RoundTrip) -> TradeView:
    """Return a trip that has ended as a trade."""
    assert trip.closed_at is not None
    return TradeView(
        position_id=trip.trip_id,
        pair=trip.name,
        direction="long" if trip.side.sign > 0 else "short",
        opened_at=trip.opened_at,
        closed_at=trip.closed_at,
        exit_reason=trip.reason,
        result_usdt=amount(trip.realised_usdt),
        fees_usdt=amount(trip.fees_usdt),
        funding_usdt=amount(trip.funding_usdt),
        price_usdt=amount(trip.price_usdt),
        exit_price=amount(trip.exit_price),
        hours_held=hours_between(trip.opened_at, trip.closed_at),
        legs=[
            TradeLeg(
                asset=trip.name,
                side=trip.side.value,
                contracts=format(trip.most, "f"),
                entry_price=float(trip.entry_price),
            )
        ],
        kind="book",
        executions=trip.executions,
        entry_order_id=trip.entry_order or None,
        exit_order_id=trip.exit_order or None,
        entry_decision_id=trip.entry_decision,
        exit_decision_id=trip.exit_decision,
    )
