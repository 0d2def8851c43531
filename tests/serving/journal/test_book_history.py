"""A look at a book reads what is open, however many of its orders and stops are over."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from pairity.strategy.types import Side
from serving.journal import Fill, IntentState, Purpose, codec
from tests.serving.journal.intentions import intent
from tests.serving.trading import T0


@pytest.fixture
def read(monkeypatch):
    """Ids of the orders that were read since."""
    seen, plain = [], codec.intent_from_row

    def note(row):
        seen.append(row["client_order_id"])
        return plain(row)

    monkeypatch.setattr(codec, "intent_from_row", note)
    return seen


def make_order(number, *, purpose=Purpose.INCREASE, state=IntentState.FILLED, filled="1.50"):
    made = intent(purpose, client_order_id=f"pairityo{number}", position_id=f"BTC@{number}")
    return replace(made, state=state, filled_contracts=Decimal(filled))


def make_fill(number, contracts, trade="1"):
    return Fill(
        instrument="BTC-USDT-SWAP",
        trade_id=trade,
        order_id=f"o{number}",
        position_id=f"BTC@{number}",
        client_order_id=f"pairityo{number}",
        side=Side.BUY,
        contracts=Decimal(contracts),
        price=Decimal(100),
        fee_usdt=Decimal("-0.1"),
        pnl_usdt=Decimal(0),
        at=T0,
    )


def test_orders_whose_executions_are_all_there_are_not_read(journal, read):
    for number in range(50):
        journal.intend(make_order(number))
        journal.record_fills([make_fill(number, "1.50")])
    lacking, parted, short, rounded, unfilled, stop = (make_order(100 + number) for number in range(6))
    for one in (lacking, parted, short, rounded):
        journal.intend(one)
    journal.intend(replace(unfilled, state=IntentState.CANCELLED, filled_contracts=Decimal(0)))
    journal.intend(replace(stop, purpose=Purpose.PROTECT))
    journal.record_fills([make_fill(101, "1.00"), make_fill(101, "0.50", trade="2")])  # both of them
    journal.record_fills([make_fill(102, "0.75"), make_fill(102, "0.25", trade="2")])  # one is missing
    journal.record_fills([make_fill(103, "1.5")])  # the same number, written otherwise
    read.clear()
    found = journal.books.orders_short_of_executions()
    assert [one.client_order_id for one in found] == [lacking.client_order_id, short.client_order_id]
    assert set(read) == {f"pairityo{number}" for number in (100, 101, 102, 103)}


def test_stops_that_are_over_are_not_read(journal, read):
    for number in range(50):
        journal.intend(make_order(number, purpose=Purpose.PROTECT, state=IntentState.CANCELLED, filled="0"))
    alive = [
        make_order(100 + place, purpose=Purpose.PROTECT, state=state, filled="0")
        for place, state in enumerate(state for state in IntentState if not state.final)
    ]
    for one in alive:
        journal.intend(one)
    journal.intend(make_order(200, state=IntentState.ACKNOWLEDGED, filled="0"))
    read.clear()
    assert {one.client_order_id for one in journal.books.stops()} == {one.client_order_id for one in alive}
    assert len(read) == len(alive)
