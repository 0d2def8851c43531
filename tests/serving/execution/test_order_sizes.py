"""What is larger than one market order may be is closed and protected in several."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairity.strategy.types import PairPosition, Side
from serving.execution.executor import Executor
from serving.execution.order_sizes import split_contracts
from serving.journal import IntentState, Purpose
from serving.reconcile import Reconciler
from tests.serving.tiny_okx import TinyOkx
from tests.serving.trading import BTC, SPECS, Desk, desk_on, entry, opened

MOST = Decimal("0.5")


@given(st.integers(1, 10_000), st.integers(1, 50), st.integers(1, 20))
def test_parts_are_the_whole_and_each_is_an_order(lots: int, most: int, least: int) -> None:
    lot = Decimal("0.1")
    spec = replace(SPECS["BTC"], lot_sz=lot, min_sz=lot * least, max_market_sz=lot * (most + 2 * least))
    parts = list(split_contracts(lot * lots, spec))
    assert sum(parts) == lot * lots
    assert all(0 < part <= lot * (most + 2 * least) for part in parts)
    assert lots < least or all(part >= lot * least for part in parts)


async def shrunk(desk: Desk) -> PairPosition:
    """Open 1.25 contracts; from then on a market order may have 0.5."""
    position = await opened(desk, entry(Side.SELL))
    desk.executor = Executor(desk.orders, {**SPECS, "BTC": replace(SPECS["BTC"], max_market_sz=MOST)}, leverage=1)
    desk.reconciler = Reconciler(desk.executor, desk.settings)
    return position


def test_an_exit_goes_in_parts(desk: Desk, tiny: TinyOkx) -> None:
    position = asyncio.run(shrunk(desk))
    tiny.faults = [("privatePostTradeOrder", "timeout")]
    closed = asyncio.run(desk.executor.close(position, "z_cross", None))
    assert [order["sz"] for order in tiny.sent("privatePostTradeOrder")[1:]] == ["0.5", "0.5", "0.25"]
    assert tiny.size(BTC) == 0
    assert (closed.close.exit_reason, closed.problems) == ("z_cross", ())
    assert closed.close.fees_usdt == Decimal("-1")


@given(st.integers(1, 10_000), st.integers(1, 50))
def test_parts_of_a_stop_keep_to_the_limit_of_stops(lots: int, most: int) -> None:
    lot = Decimal("0.1")
    spec = replace(SPECS["BTC"], lot_sz=lot, min_sz=lot, max_market_sz=lot * 1_000, max_stop_sz=lot * most)
    parts = list(split_contracts(lot * lots, spec))
    assert sum(parts) == lot * lots
    assert max(parts) <= lot * most


def test_stops_have_a_limit_of_their_own(desk: Desk, tiny: TinyOkx) -> None:
    asyncio.run(opened(desk, entry(Side.SELL)))
    desk.executor = Executor(desk.orders, {**SPECS, "BTC": replace(SPECS["BTC"], max_stop_sz=MOST)}, leverage=1)
    desk.reconciler = Reconciler(desk.executor, desk.settings)
    report = asyncio.run(desk.reconciler.run())
    assert report.problems == []
    assert sorted(algo["sz"] for algo in tiny.live_algos(BTC)) == ["0.25", "0.5", "0.5"]


def test_stops_rest_in_parts_and_stay(desk: Desk, tiny: TinyOkx) -> None:
    position = asyncio.run(shrunk(desk))
    for _ in range(2):
        report = asyncio.run(desk.reconciler.run())
        assert report.problems == []
        assert sorted(algo["sz"] for algo in tiny.live_algos(BTC)) == ["0.25", "0.5", "0.5"]
    assert len(tiny.sent("privatePostTradeOrderAlgo")) == 3
    tiny.move(BTC, Decimal(90_000))
    report = asyncio.run(desk.reconciler.run())
    (closed,) = report.closed
    assert (closed.close.exit_reason, closed.close.pnl_usdt) == ("stop_loss", Decimal(-125))
    states = [intent.state for intent in desk.journal.intents(position.position_id, purpose=Purpose.PROTECT)]
    assert sorted(states) == [IntentState.CANCELLED, *[IntentState.FILLED] * 3]


@pytest.mark.parametrize("size", ["0.75", "0.5", "0.25"])
def test_stops_follow_what_is_left(size: str, tmp_path: Path) -> None:
    tiny = TinyOkx()
    desk = desk_on(tiny, tmp_path / "j.db")
    asyncio.run(shrunk(desk))
    asyncio.run(desk.reconciler.run())
    tiny.trade_by_hand(BTC, "buy", Decimal("1.25") - Decimal(size), "104")
    for _ in range(2):
        asyncio.run(desk.reconciler.run())
    assert sum(Decimal(algo["sz"]) for algo in tiny.live_algos(BTC)) in (Decimal(size), MOST)
    desk.journal.close()
