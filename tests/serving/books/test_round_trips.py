"""Round trips of a book's names: each execution in one of them, and together what the account earned, to the cent."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairity.layout import Layout
from pairity.strategy.types import Side
from pairity.universe import inst_id
from serving.books.funding import collect_funding
from serving.books.round_trips import FLATTEN, LIQUIDATION, OUTSIDE, REBALANCE, STOP, list_round_trips
from serving.execution.okx import OkxVenue
from serving.journal import Fill, Journal, Purpose
from serving.journal.book_pages import Execution
from serving.journal.funding_pages import KnownFunding, Settlement
from tests.serving.books.book_scene import DAY, EQUITY, FIRST, book_scene
from venue.okx_client import aclose, make_client

T0 = datetime(2026, 1, 1, tzinfo=UTC)
NAME = inst_id("A")
ALL = KnownFunding(until=T0 + timedelta(days=1000))


def at(minutes):
    return T0 + timedelta(minutes=minutes)


def execute(minutes, contracts, price=10, *, fee="-1", pnl="0", purpose=Purpose.INCREASE, decision="d", position="A@x"):
    fill = Fill(
        instrument=NAME,
        trade_id=f"{minutes:09}",
        order_id=f"v{minutes}",
        position_id=position,
        client_order_id=f"c{minutes}",
        side=Side.BUY if contracts > 0 else Side.SELL,
        contracts=Decimal(abs(contracts)),
        price=Decimal(price),
        fee_usdt=None if fee is None else Decimal(fee),
        pnl_usdt=Decimal(pnl),
        at=at(minutes),
    )
    return Execution(fill, purpose, decision)


def reduce(minutes, contracts, price=10, **more):
    return execute(minutes, contracts, price, **{"purpose": Purpose.REDUCE, **more})


def test_a_trip_ends_flat_and_not_where_it_is_made_smaller():
    (trip,) = list_round_trips(
        [execute(0, 4, 10), reduce(1, -1, 12, pnl="2"), execute(2, 2, 13), reduce(3, -5, 11, pnl="-1")], ALL
    )
    assert (trip.opened_at, trip.closed_at, trip.most, trip.left) == (at(0), at(3), 5, 0)
    assert (trip.entry_price, trip.exit_price) == (Decimal(66) / 6, Decimal(67) / 6)
    assert (trip.price_usdt, trip.fees_usdt, trip.realised_usdt, trip.reason) == (1, -4, -3, REBALANCE)
    assert (trip.entry_order, trip.exit_order, trip.executions) == ("c0", "c3", 4)


def test_a_name_that_is_partly_reduced_is_open_and_says_what_was_realised():
    (trip,) = list_round_trips([execute(0, -4, 10), reduce(1, 1, 8, pnl="2")], KnownFunding(until=at(5)))
    assert (trip.closed_at, trip.left, trip.side, trip.reason) == (None, 3, Side.SELL, "")
    assert (trip.price_usdt, trip.realised_usdt) == (2, 0)
    assert trip.exit_order == "c1"


def test_a_change_of_sign_ends_one_and_begins_another_also_within_one_execution():
    trips = list_round_trips([execute(0, 3), reduce(5, -3, 9, pnl="-3"), execute(5, -2, 9, position="A@y")], ALL)
    assert [(one.side, one.closed_at, one.left) for one in trips] == [(Side.BUY, at(5), 0), (Side.SELL, None, 2)]
    by_hand = execute(7, -4, 9, fee="-8", pnl="-3", purpose=None, decision=None, position="A@outside")
    first, second = list_round_trips([execute(0, 3), by_hand], ALL)
    assert (first.fees_usdt, second.fees_usdt, second.left, first.reason) == (-7, -2, 1, OUTSIDE)
    assert first.price_usdt + second.price_usdt == -3


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"purpose": Purpose.PROTECT}, STOP),
        ({"decision": None}, FLATTEN),
        ({"purpose": None, "decision": None, "position": "A@liquidated"}, LIQUIDATION),
        ({"purpose": None, "decision": None, "position": "A@outside"}, OUTSIDE),
    ],
)
def test_why_it_ended(more, reason):
    (trip,) = list_round_trips([execute(0, 1), reduce(1, -1, **more)], ALL)
    assert trip.reason == reason


def test_funding_is_of_the_trip_that_was_held_into_it_and_unknown_until_it_was_read():
    settled = [Settlement(f"b{minute}", NAME, at(minute), Decimal(minute)) for minute in (0, 10, 20, 30)]
    done = [execute(0, 1), reduce(10, -1), execute(15, 1, position="A@y"), reduce(25, -1)]
    trips = list_round_trips(done, KnownFunding(tuple(settled), until=at(40)))
    assert [one.funding_usdt for one in trips] == [10, 20]
    trips = list_round_trips(done, KnownFunding(tuple(settled[:2]), until=at(12)))
    assert [one.funding_usdt for one in trips] == [10, None]
    gap = KnownFunding(tuple(settled), until=at(40), gaps=((at(1), at(2)),))
    assert [one.funding_usdt for one in list_round_trips(done, gap)] == [None, 20]
    assert list_round_trips(done[:1], KnownFunding())[0].funding_usdt is None


def test_a_fee_without_a_price_leaves_the_result_unknown():
    (trip,) = list_round_trips([execute(0, 1, fee=None), reduce(1, -1)], ALL)
    assert (trip.fees_usdt, trip.realised_usdt, trip.price_usdt) == (None, None, 0)


@given(st.lists(st.tuples(st.integers(-5, 5).filter(bool), st.integers(-9, 9)), max_size=40))
def test_every_contract_and_every_cent_is_in_one_trip(moves):
    done = [execute(n, size, fee="-0.03", pnl=str(pnl), position=f"A@{n}") for n, (size, pnl) in enumerate(moves)]
    trips = list_round_trips(done, ALL)
    assert sum((one.fees_usdt for one in trips), Decimal(0)) == Decimal("-0.03") * len(moves)
    assert len({one.trip_id for one in trips}) == len(trips)
    net, turns, ends = 0, 0, 0
    for size, _ in moves:
        after = net + size
        turns += net == 0 or net * after < 0
        ends += net != 0 and net * after <= 0
        net = after
    assert (len(trips), sum(one.closed_at is not None for one in trips)) == (turns, ends)
    assert sum(one.side.sign * one.left for one in trips) == net
    assert all(one.most >= one.left for one in trips)


@pytest.fixture(scope="module")
def traded(tmp_path_factory):
    """A real process over eight days; at last the settlements up to the exchange's time are read."""
    options = {"port": 0, "lease": False, "interval_minutes": 1440}
    with book_scene(tmp_path_factory.mktemp("home") / "home", serve=options) as scene:
        report = scene.trade(8)
        assert report.problems == []
        scene.advance(FIRST + 7 * DAY + timedelta(hours=17))
        yield scene


def collect(scene, now):
    async def read():
        client = make_client(scene.settings, signed=True)
        journal = Journal.open(Layout.of(scene.settings).journal)
        try:
            return await collect_funding(OkxVenue(client, retries=1), journal, now)
        finally:
            journal.close()
            await aclose(client)

    return asyncio.run(read())


def test_trips_and_what_is_open_are_what_the_account_earned_to_the_cent(traded):
    assert collect(traded, FIRST + 7 * DAY + timedelta(hours=17)) == []
    journal = traded.read()
    try:
        known, executions = journal.funding.read(), journal.books.executions()
        held, decided = journal.books.count_held(), {one.decision_id for one in journal.books.all()}
    finally:
        journal.close()
    trips = list_round_trips(executions, known)
    closed = [one for one in trips if one.closed_at is not None]
    assert len(closed) > 2
    assert any(one.executions > 2 for one in trips)
    assert {one.reason for one in closed} == {REBALANCE}
    assert all(one.entry_decision in decided and one.exit_decision in decided for one in closed)
    assert {one.instrument: one.side.sign * one.left for one in trips if one.left} == held
    assert any(one.funding_usdt for one in closed)
    account = traded.account
    unrealised = sum((one.unrealized(account.mark(one.inst_id)) for one in account.positions.values()), Decimal(0))
    earned = sum((one.realised_usdt for one in trips), Decimal(0)) + unrealised
    assert abs(earned - (account.equity() - EQUITY)) < Decimal("0.005")
    settled = sum((one.amount_usdt for one in known.settlements), Decimal(0))
    assert sum((one.funding_usdt for one in trips), Decimal(0)) == settled
