"""Post-only orders of a rebalance: partly filled, cancelled because they would take, and a kill at every step of it."""

from __future__ import annotations

import os
from collections import Counter
from decimal import Decimal

import pytest

from pairity.timeline import HOUR, from_ms
from pairity.universe import inst_id
from serving.books.cycle import BookCycle
from serving.books.moves import list_moves
from serving.journal import IntentState, Purpose
from tests.serving.books.book_scene import DAY, FIRST, MARKET, SPECS, book_scene
from tests.serving.books.mortal import KilledError, Life, give_life

LIMIT_FIRST = {"book": "trend_carry_book", "entry_order": "limit_then_market"}
HOURLY = {"port": 0, "lease": False, "interval_minutes": 60}
SECOND = FIRST + DAY


def trouble(scene):
    """Of the orders to come: the first two fill in part as soon as they rest, the third and the fifth would take."""
    scene.inject("partial_rest", "POST trade/order", 1, share=0.5)
    scene.inject("partial_rest", "POST trade/order", 1, share=0.3)
    scene.inject("would_cross", "POST trade/order", 2)


def trade_first_day(scene):
    """Fill the first book at market, and stand a minute before the close of the second decision."""
    scene.options |= {"strategy": {"book": "trend_carry_book"}}
    scene.trade(1)
    scene.options |= {"strategy": LIMIT_FIRST}
    scene.advance(SECOND - HOUR / 60)


def check_rebalanced(scene):
    """Everything of the second decision was carried out, once, and nothing is left over."""
    journal = scene.read()
    try:
        book, held, orders = journal.books.newest(), journal.books.count_held(), journal.books.orders()
        fills = journal.fills()
        moves = list_moves(book)
    finally:
        journal.close()
    assert book.close == SECOND
    assert {move.purpose for move in moves} == {Purpose.REDUCE, Purpose.INCREASE}
    assert held == {inst_id(one.name): one.contracts for one in book.names if one.contracts}
    assert held == {inst_id(name): size for name, size in scene.list_held().items()}
    own = [order for order in orders if order.decision_id == book.decision_id]
    assert all(order.state.final for order in own)
    done = Counter()
    for order in own:
        done[order.position_id, order.purpose] += order.filled_contracts
    assert done == {(move.position_id, move.purpose): move.contracts for move in moves}
    at_market = Counter((one.position_id, one.purpose) for one in own if one.order_type == "market" and one.order_id)
    assert set(at_market.values()) <= {1}
    assert sum((fill.contracts for fill in fills), Decimal(0)) == sum(
        (order.filled_contracts for order in orders), Decimal(0)
    )
    # The exchange saw no order that the journal does not know, and none rests.
    known = {order.client_order_id for order in orders}
    assert {order.client_id for order in scene.account.orders.values() if order.client_id} - known == set()
    assert [order for name in MARKET["close"] for order in scene.account.pending(inst_id(name))] == []
    live = {algo.inst_id: algo.size for algo in scene.account.live_algos()}
    assert live == {name: abs(size) for name, size in held.items()}
    return own


def test_what_a_limit_order_lacks_goes_at_market_once(tmp_path):
    with book_scene(tmp_path / "home", serve=HOURLY) as scene:
        trade_first_day(scene)
        trouble(scene)
        scene.trade(2)
        own = check_rebalanced(scene)
        limits = [order for order in own if order.order_type == "post_only"]
        assert len({(order.position_id, order.purpose) for order in own}) == len(limits)
        partly = [order for order in limits if order.filled_contracts]
        assert len(partly) == 2
        assert all(order.state is IntentState.CANCELLED for order in partly)
        deadline = scene.settings.serve.limit_deadline_s
        by_move = {(order.position_id, order.purpose): order for order in limits}
        journal = scene.read()
        try:
            crossed = [
                order
                for order in limits
                if "source 31" in " ".join(event.answer for event in journal.events(order.client_order_id))
            ]
        finally:
            journal.close()
        assert len(crossed) == 2
        for order in own:
            if order.order_type != "market":
                continue
            rested = by_move[order.position_id, order.purpose]
            waited = (order.created_at - rested.created_at).total_seconds()
            assert waited >= deadline or rested in crossed
        lot = next(iter(SPECS.values())).lot_sz
        assert all(order.contracts % lot == 0 for order in own)


def test_an_order_that_would_take_is_quoted_again_while_quotes_are_left(tmp_path):
    with book_scene(tmp_path / "home", serve={**HOURLY, "limit_requotes": 2}) as scene:
        trade_first_day(scene)
        trouble(scene)
        scene.trade(2)
        own = check_rebalanced(scene)
        kinds = Counter((one.position_id, one.purpose, one.order_type) for one in own)
        assert set(kinds.values()) <= {1, 2, 3}
        assert 3 in kinds.values()


def live(scene, monkeypatch, life):
    """Let a process trade up to an hour after the second decision, or until its life ends."""
    parts = give_life(monkeypatch, life)
    decide = BookCycle._decide

    async def decide_and_count(self, due, balance, *, last_try):
        life.counting = due == SECOND
        return await decide(self, due, balance, last_try=last_try)

    monkeypatch.setattr(BookCycle, "_decide", decide_and_count)
    cycles = 1 - (from_ms(scene.account.now_ms) - SECOND) // HOUR
    scene.trade(cycles, **parts)


def kill_and_return(tmp_path, monkeypatch, kill_at, *, before):
    with book_scene(tmp_path / "home", serve=HOURLY) as scene:
        trade_first_day(scene)
        trouble(scene)
        life = Life(kill_at, before=before)
        with pytest.raises(KilledError):
            live(scene, monkeypatch, life)
        monkeypatch.undo()
        cycles = 1 - (from_ms(scene.account.now_ms) - SECOND) // HOUR
        scene.trade(cycles)
        check_rebalanced(scene)
        return life.steps[-1]


@pytest.mark.parametrize(("kill_at", "before"), [pytest.param(9, False, marks=pytest.mark.slow), (40, True)])
def test_a_kill_within_a_rebalance_forgets_and_repeats_nothing(tmp_path, monkeypatch, kill_at, before):
    kill_and_return(tmp_path, monkeypatch, kill_at, before=before)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_kills_before_and_after_transactions_and_requests_of_a_rebalance(tmp_path, monkeypatch):
    """Each step of a process that is not killed is two runs; of hundreds every seventh, or `BOOK_KILL_STRIDE`."""
    with book_scene(tmp_path / "whole", serve=HOURLY) as scene:
        trade_first_day(scene)
        trouble(scene)
        life = Life()
        live(scene, monkeypatch, life)
        monkeypatch.undo()
        check_rebalanced(scene)
    stride = int(os.environ.get("BOOK_KILL_STRIDE", "7"))
    kinds = Counter()
    for number in range(int(os.environ.get("BOOK_KILL_FIRST", "1")), len(life.steps) + 1, stride):
        for before in (False, True):
            with monkeypatch.context() as patched:
                try:
                    kinds[kill_and_return(tmp_path / f"{number}{before}", patched, number, before=before)] += 1
                except AssertionError as error:
                    raise AssertionError(f"killed {'before' if before else 'after'} step {number}") from error
    print(f"{len(life.steps)} steps; killed at {dict(kinds)}")
