"""What is held changes while a rebalance is under way: a stop strikes, a hand trades, the venue liquidates."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from serving.journal import Purpose, TradingState
from tests.serving.books.desk_scene import BTC, ETH, SOL, TERMS, BookGuard, BookOkx

REDUCE, INCREASE = Purpose.REDUCE, Purpose.INCREASE


@pytest.fixture
def okx(tmp_path: Path) -> BookOkx:
    tmp_path.chmod(0o700)
    return BookOkx()


@pytest.fixture
def resting(okx: BookOkx, tmp_path: Path) -> Iterator[BookGuard]:
    """A book that trades post-only first, and holds 100 ETH since yesterday's decision."""
    made = BookGuard(okx, tmp_path, limits=TERMS)
    try:
        made.decide(ETH="100")
        for _ in range(8):
            made.look()
        assert made.held() == {ETH: 100}
        made.next_day()
        yield made
    finally:
        made.journal.close()


@pytest.fixture
def guard(okx: BookOkx, tmp_path: Path) -> Iterator[BookGuard]:
    """A book that holds 100 ETH and 100 SOL since yesterday's decision."""
    made = BookGuard(okx, tmp_path)
    try:
        made.decide(ETH="100", SOL="100")
        made.look()
        assert made.held() == {ETH: 100, SOL: 100}
        made.next_day()
        yield made
    finally:
        made.journal.close()


def refuse(okx: BookOkx, instrument: str) -> None:
    """Let the venue refuse orders of an instrument, whatever its list says."""
    live, check = dict(okx.states), okx._require_live

    def require(name: str) -> None:
        states, okx.states = okx.states, {**okx.states, instrument: "suspend"}
        try:
            check(name)
        finally:
            okx.states = states

    assert live[instrument] == "live"
    okx._require_live = require  # type: ignore[method-assign]


def accept(okx: BookOkx) -> None:
    del okx._require_live


def test_a_reduction_of_what_a_stop_has_closed_is_over_and_increases_go_out(guard: BookGuard, okx: BookOkx) -> None:
    guard.decide(ETH="60", SOL="100", BTC="1")
    refuse(okx, ETH)
    guard.look()
    assert guard.parts.supervisor.state is TradingState.GUARDING
    accept(okx)
    okx.move(ETH, Decimal(1300))  # a stop is 30% away
    assert okx.size(ETH) == 0
    sent = len(guard.sent(ETH, REDUCE))
    guard.look()
    guard.look()
    assert guard.held() == {SOL: 100, BTC: 1}
    assert len(guard.sent(ETH, REDUCE)) == sent
    assert guard.parts.supervisor.state is TradingState.TRADING


@pytest.mark.parametrize("kind", ["1", "100"], ids=["by hand", "liquidated"])
def test_a_reduction_goes_no_further_down_than_was_decided(guard: BookGuard, okx: BookOkx, kind: str) -> None:
    guard.decide(ETH="60", SOL="20", BTC="1")
    refuse(okx, ETH)
    guard.look()
    accept(okx)
    okx.trade_by_hand(ETH, "sell", Decimal(30), kind)
    guard.look(30)
    guard.look(30)
    assert (okx.size(ETH), okx.size(SOL), okx.size(BTC)) == (60, 20, 1)
    assert guard.held() == {ETH: 60, SOL: 20, BTC: 1}


def test_a_hand_that_reduced_all_that_was_decided_leaves_nothing_to_do(guard: BookGuard, okx: BookOkx) -> None:
    guard.parts.supervisor.halt("a person asked", by="person")
    guard.decide(ETH="60", SOL="100", BTC="1")
    guard.look()
    okx.trade_by_hand(ETH, "sell", Decimal(40))
    guard.look()
    guard.parts.supervisor.resume("a person asked")
    guard.look()
    assert (okx.size(ETH), okx.size(BTC)) == (60, 1)
    assert guard.sent(ETH, REDUCE) == []


def test_an_order_that_rests_is_ended_where_somebody_else_has_reduced(resting: BookGuard, okx: BookOkx) -> None:
    guard = resting
    guard.decide(ETH="60")
    guard.look()
    [order] = okx.resting()
    okx.fill(order, "0.25")  # 10 of 40
    okx.trade_by_hand(ETH, "sell", Decimal(20))
    for _ in range(8):
        guard.look()
        assert okx.size(ETH) >= 60
    assert guard.held() == {ETH: 60}
    assert okx.size(ETH) == 60
    assert guard.parts.supervisor.state is TradingState.TRADING


def test_a_name_whose_stop_struck_since_the_decision_is_not_increased(guard: BookGuard, okx: BookOkx) -> None:
    """The stop is that of the decision before: while reductions wait it is not renewed."""
    guard.decide(ETH="150", SOL="60")
    refuse(okx, SOL)
    guard.look()
    assert guard.sent(ETH, INCREASE)[1:] == []
    okx.move(ETH, Decimal(1300))
    okx.move(ETH, Decimal(2000))  # and back: no other limit holds the increase up
    accept(okx)
    for _ in range(4):
        guard.look(30)
    assert guard.held() == {SOL: 60}
    assert any(
        "ETH is not increased until the next decision: its stop was triggered" in one for one in guard.said.lines
    )
    guard.next_day()
    guard.decide(ETH="150", SOL="60")
    guard.look()
    assert guard.held() == {ETH: 150, SOL: 60}


def test_an_increase_that_rests_is_ended_once_the_stop_struck(resting: BookGuard, okx: BookOkx) -> None:
    guard = resting
    guard.decide(ETH="150")
    guard.look()
    [order] = okx.resting()
    order["px"] = "1200"  # it is not met on the way down
    okx.move(ETH, Decimal(1300))
    for _ in range(8):
        guard.look()
    assert okx.resting() == []
    assert (guard.held(), okx.size(ETH)) == ({}, 0)
