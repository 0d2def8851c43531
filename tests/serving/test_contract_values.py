"""A contract is what the venue says now: nothing is opened or closed by a value that it does not have any more."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from pairity.errors import UnconfirmedError
from serving.rivals.signs import is_sign
from tests.serving.guarding import Guard
from tests.serving.tiny_okx import TinyOkx
from tests.serving.trading import BTC, T0, entry, exit_of, opened

ORDERS = "privatePostTradeOrder"


def change_value(tiny: TinyOkx, factor: int) -> None:
    tiny.values[BTC] = Decimal("0.01") / factor
    if BTC in tiny.positions:
        tiny.positions[BTC][0] *= factor
    for algo in tiny.algos:
        algo["state"] = "canceled"


@pytest.mark.parametrize("factor", [5, 10])
def test_an_exit_right_after_the_change_closes_all_of_it(factor: int, guard: Guard, tiny: TinyOkx) -> None:
    position = asyncio.run(opened(guard.desk, entry(contracts="10")))
    asyncio.run(guard.watch.look())
    change_value(tiny, factor)
    guard.desk.decide(exits=exit_of(position), at=T0 + timedelta(hours=1))
    sent = len(tiny.sent(ORDERS))
    asyncio.run(guard.watch.look())
    assert len(tiny.sent(ORDERS)) == sent
    assert guard.desk.journal.open_positions()[0].position.legs[0].contracts == 10 * factor
    for _ in range(3):
        tiny.now_ms += 15_000
        asyncio.run(guard.watch.look())
    assert guard.desk.journal.open_positions() == []
    assert (tiny.size(BTC), tiny.live_algos(BTC), guard.status.blocked) == (0, [], {})


def test_an_entry_right_after_the_change_is_not_sent(guard: Guard, tiny: TinyOkx) -> None:
    asyncio.run(guard.watch.look())
    tiny.values[BTC] = Decimal("0.1")
    wanted = entry()
    with pytest.raises(UnconfirmedError, match=r"0\.1 coins now, was 0\.01"):
        asyncio.run(guard.desk.executor.open(wanted, guard.desk.decide(wanted)))
    assert [order for order in tiny.sent(ORDERS) if not is_sign(order["clOrdId"])] == []
    assert guard.desk.journal.unsettled() == []
