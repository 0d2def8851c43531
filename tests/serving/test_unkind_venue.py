"""Execution against an exchange whose lists lag behind what happened, and that writes numbers as venues do."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from pairity.settings import Settings
from pairity.strategy.types import Side
from pairity.timeline import from_ms
from paper_exchange.account.account import Account
from paper_exchange.account.ledger import FeeCurrency
from paper_exchange.clock import VirtualClock
from serving.execution.exits import Closed
from serving.execution.pace import Pace
from serving.journal import IntentState, Purpose
from tests.paper_exchange.exchange_server import serving
from tests.paper_exchange.handmade_market import HandmadeMarket, contract, flat
from tests.paper_exchange.paper_keys import exchange_at
from tests.serving.trading import BTC, ETH, Desk, entry, opened
from venue.okx_client import aclose, make_client


def play(tmp_path: Path, seed: int, side: Side, **options: object) -> tuple[Desk, Closed]:
    """Open a position, reconcile, close it, and reconcile again; return the desk and the close."""
    market = HandmadeMarket({BTC: flat(80_000, 600), ETH: flat(2_000, 600)}, instruments={BTC: contract(BTC)})
    clock = VirtualClock("stepped", market.start_ms)
    account = Account(market, clock, 100_000, unkind=True, seed=seed, **options)

    async def trade(url: str) -> tuple[Desk, Closed]:
        exchange = exchange_at(url)
        client = make_client(Settings(exchange=exchange), signed=True)
        desk = Desk(tmp_path / "journal.db", client, lambda: from_ms(clock.now_ms()), Pace(poll_s=0.02, settle_s=1.0))
        try:
            position = await opened(desk, entry(side, "60"))
            report = await desk.reconciler.run()
            assert (report.closed, report.problems, len(report.positions)) == ([], [], 1)
            [guard] = [algo for algo in account.algos.values() if algo.live]
            assert guard.size == position.legs[0].contracts
            closed = await desk.executor.close(position, "z_cross", None)
            assert closed.problems == ()
            report = await desk.reconciler.run()
            assert (report.positions, report.problems) == ((), [])
        finally:
            await aclose(client)
        assert account.positions == {}
        assert [order.state for order in account.orders.values()] == ["filled", "filled"]
        assert len(account.ledger.executions) > 2  # the book has not so much at its best price
        return desk, closed

    with serving(market, clock, account=account, unkind_seed=seed) as url:
        return asyncio.run(trade(url))


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("side", [Side.BUY, pytest.param(Side.SELL, marks=pytest.mark.slow)])
def test_a_position_is_opened_protected_and_closed_once(tmp_path: Path, seed: int, side: Side) -> None:
    desk, _ = play(tmp_path, seed, side)
    assert desk.journal.unsettled() == []
    states = [intent.state for intent in desk.journal.intents(entry().position_id, 0, Purpose.ENTRY)]
    assert states == [IntentState.FILLED]
    desk.journal.close()


def test_fees_in_another_currency_are_not_taken_for_usdt(tmp_path: Path) -> None:
    """60 contracts of 0.01 BTC at 80,000 USDT cost 0.05% twice: 48 USDT, here paid as 0.96 OKB."""
    desk, closed = play(tmp_path, 1, Side.BUY, fee_currency=FeeCurrency("OKB", Decimal(50)))
    charged = [fill.charged for fill in desk.journal.fills()]
    desk.journal.close()
    assert {charge and charge.currency for charge in charged} == {"OKB"}
    assert sum(charge.amount for charge in charged if charge) == pytest.approx(Decimal("-0.96"), rel=Decimal("0.01"))
    assert closed.close.fees_usdt is not None
    assert abs(closed.close.fees_usdt) == pytest.approx(Decimal(48), rel=Decimal("0.01"))
