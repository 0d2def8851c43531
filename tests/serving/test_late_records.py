"""Executions and funding that could not be read when a position was opened or booked are read later."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from pairity.errors import JournalError
from serving.journal import PositionClose
from tests.serving.tiny_okx import TinyOkx
from tests.serving.trading import BTC, T0, Desk, entry, exit_of, opened

FILLS, BILLS = "privateGetTradeFillsHistory", "privateGetAccountBills"


def reconcile(desk: Desk, tiny: TinyOkx, seconds: int = 60) -> None:
    tiny.now_ms += seconds * 1000
    asyncio.run(desk.reconciler.run())


@pytest.mark.parametrize(("list_", "kind"), [(FILLS, "html"), (FILLS, "no_rows"), (BILLS, "html")])
def test_a_result_that_was_not_readable_is_completed(list_: str, kind: str, desk: Desk, tiny: TinyOkx) -> None:
    position = asyncio.run(opened(desk))
    tiny.prices[BTC] = Decimal(79000)
    tiny.faults = [(list_, kind)] * 4
    closed = asyncio.run(desk.executor.close(position, "z_cross", None))
    assert closed.close.net_usdt is None
    tiny.faults = []
    reconcile(desk, tiny)
    (record,) = desk.journal.closed_positions()
    assert record.close is not None
    assert record.close.exit_reason == "z_cross"
    assert record.close.net_usdt == tiny.cash - 10_000


def test_it_is_asked_for_less_and_less_often_and_not_for_ever(desk: Desk, tiny: TinyOkx) -> None:
    position = asyncio.run(opened(desk))
    tiny.faults = [(BILLS, "html")] * 100_000
    asyncio.run(desk.executor.close(position, "z_cross", None))
    before = len(tiny.sent(BILLS))
    for _ in range(40):
        reconcile(desk, tiny, 900)
    assert len(tiny.sent(BILLS)) - before < 60
    tiny.now_ms += 100 * 86_400_000
    before = len(tiny.sent(BILLS))
    reconcile(desk, tiny)
    assert len(tiny.sent(BILLS)) == before


def test_executions_that_were_not_listed_at_the_entry_are_journalled(desk: Desk, tiny: TinyOkx) -> None:
    tiny.faults = [(FILLS, "no_rows")] * 2
    position = asyncio.run(opened(desk))
    assert desk.journal.fills(position.position_id) == []
    tiny.faults = []
    reconcile(desk, tiny)
    assert [fill.contracts for fill in desk.journal.fills(position.position_id)] == [entry().legs[0].contracts]


def test_a_whole_position_is_not_asked_about(desk: Desk, tiny: TinyOkx) -> None:
    asyncio.run(opened(desk))
    before = len(tiny.sent(FILLS))
    for _ in range(3):
        reconcile(desk, tiny, 300)
    assert len(tiny.sent(FILLS)) == before


def test_a_trade_that_is_listed_in_two_rows_is_one_execution(desk: Desk, tiny: TinyOkx) -> None:
    """An order of a person that turns the position over: what closes ours has a result, what opens theirs has none."""
    asyncio.run(opened(desk))
    tiny.prices[BTC] = Decimal(79000)
    before = tiny.cash
    tiny.trade_by_hand(BTC, "buy", Decimal("1.25"))
    earned = Decimal(tiny.fills[-1]["fillPnl"])
    opening = tiny.fills[-1] | {"billId": tiny._id(), "fillSz": "2", "fillPnl": "0", "fee": "-0.5"}
    tiny.fills += [opening, opening]
    reconcile(desk, tiny)
    (record,) = desk.journal.closed_positions()
    assert record.close is not None
    assert record.close.pnl_usdt == earned != 0
    assert before != tiny.cash
    (last,) = [fill for fill in desk.journal.fills() if fill.trade_id == opening["tradeId"]]
    assert (last.contracts, last.pnl_usdt) == (Decimal("3.25"), earned)


def test_what_a_result_says_is_never_replaced(desk: Desk, tiny: TinyOkx) -> None:
    position = asyncio.run(opened(desk))
    asyncio.run(desk.executor.close(position, "z_cross", None))
    (before,) = desk.journal.closed_positions()
    other = PositionClose(T0 + timedelta(days=1), "manual", Decimal(1), Decimal(1), Decimal(1), Decimal(1))
    with pytest.raises(JournalError):
        desk.journal.complete_close(position.position_id, other)
    assert desk.journal.closed_positions() == [before]
    assert exit_of(position)
