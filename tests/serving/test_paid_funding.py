"""Funding of open positions: read once after each hour in which it may have been booked, and never in the way."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from pairity.timeline import from_ms
from serving.paid_funding import PaidFunding
from tests.serving.tiny_okx import TinyOkx
from tests.serving.trading import BTC, Desk, opened

HOUR_MS, BILLS = 3_600_000, "privateGetAccountBills"


@pytest.fixture
def desk(tiny: TinyOkx, tmp_path: Path):
    from tests.serving.guarding import Guard

    made = Guard(tiny, tmp_path)
    yield made.desk
    made.desk.journal.close()


def test_it_is_read_once_per_hour_and_after_its_bill_can_be_there(desk: Desk, tiny: TinyOkx) -> None:
    tiny.now_ms -= tiny.now_ms % HOUR_MS - 600_000  # ten minutes past
    position = asyncio.run(opened(desk))
    funding = PaidFunding(desk.orders.venue)

    def follow(after_ms: int) -> tuple[Decimal, int]:
        tiny.now_ms += after_ms
        before = len(tiny.sent(BILLS))
        asyncio.run(funding.follow([position], from_ms(tiny.now_ms)))
        return funding.seen[position.position_id].usdt, len(tiny.sent(BILLS)) - before

    assert follow(1000) == (0, 1)
    assert follow(60_000) == (0, 0)
    tiny.now_ms += 49 * 60_000  # the hour, about
    tiny.pay_funding(BTC, Decimal("-0.5"))
    assert follow(30_000) == (0, 0)
    assert follow(120_000) == (Decimal("-0.5"), 1)
    assert follow(15_000) == (Decimal("-0.5"), 0)
    tiny.faults = [(BILLS, "html")] * 9
    assert follow(HOUR_MS)[0] == Decimal("-0.5")
    tiny.faults.clear()
    tiny.pay_funding(BTC, Decimal("0.2"))
    assert follow(60_000) == (Decimal("-0.5"), 0)
    assert follow(300_000) == (Decimal("-0.3"), 1)
    asyncio.run(funding.follow([], from_ms(tiny.now_ms)))
    assert funding.seen == {}
