"""Two legs, the harder one by limit order: the other one follows by what was got, within the legs' deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from pairity.strategy.types import Side
from serving.execution.limit_entries import LimitTerms
from serving.journal import Purpose
from serving.reconcile import ReconcileReport
from tests.serving.pair_trading import decide_pair, pair_entry
from tests.serving.resting_okx import RestingOkx
from tests.serving.trading import BTC, ETH, Desk, desk_on

TERMS = LimitTerms(deadline_s=300.0, quotes=1, drift=Decimal("0.002"), cancel_after_s=30)
ORDER = "privatePostTradeOrder"
WANTED = pair_entry(side=Side.BUY)


@pytest.fixture
def okx() -> RestingOkx:
    return RestingOkx()


@pytest.fixture
def desk(okx: RestingOkx, tmp_path: Path) -> Iterator[Desk]:
    made = desk_on(okx, tmp_path / "journal.db", limits=TERMS)
    assert asyncio.run(made.executor.open(WANTED, decide_pair(made, WANTED))).rests
    yield made
    made.journal.close()


def look(desk: Desk, okx: RestingOkx, seconds: float = 5) -> ReconcileReport:
    okx.now_ms += int(seconds * 1000)
    return asyncio.run(desk.reconciler.run())


def sent(okx: RestingOkx) -> list[tuple[str, str, str]]:
    return [(body["instId"], body["ordType"], body["sz"]) for body in okx.sent(ORDER)]


def assert_pair(desk: Desk, okx: RestingOkx, base: str, quote: str) -> None:
    """Both legs are held as said, each with one stop, and nothing is in doubt."""
    [record] = desk.journal.open_positions()
    assert [leg.contracts for leg in record.position.legs] == [Decimal(base), Decimal(quote)]
    assert (okx.size(BTC), okx.size(ETH)) == (Decimal(base), -Decimal(quote))
    assert [len(okx.live_algos(name)) for name in (BTC, ETH)] == [1, 1]
    assert [i for i in desk.journal.unsettled() if i.purpose is not Purpose.PROTECT] == []
    report = asyncio.run(desk.reconciler.run())
    assert (report.problems, report.doubts, report.resting) == ([], [], [])


def test_the_second_leg_waits_for_the_first(desk: Desk, okx: RestingOkx) -> None:
    look(desk, okx, 20)
    assert sent(okx) == [(BTC, "post_only", "1.25")]
    okx.fill(okx.resting()[0], "1")
    assert look(desk, okx).opened == [WANTED.position_id]
    assert sent(okx)[1:] == [(ETH, "market", "5")]
    assert_pair(desk, okx, "1.25", "5")


def test_a_part_ends_the_wait_and_the_rest_goes_at_market(desk: Desk, okx: RestingOkx) -> None:
    okx.fill(okx.resting()[0], "0.4")
    look(desk, okx)
    assert sent(okx)[1:] == [(BTC, "market", "0.75"), (ETH, "market", "5")]
    assert_pair(desk, okx, "1.25", "5")


def test_the_second_leg_has_the_size_of_what_was_got(desk: Desk, okx: RestingOkx) -> None:
    okx.fill(okx.resting()[0], "0.4")
    okx.move(BTC, Decimal(80_300))
    look(desk, okx)
    assert sent(okx)[1:] == [(ETH, "market", "2.00")]
    assert_pair(desk, okx, "0.5", "2")


def test_the_deadline_of_the_legs_counts_from_the_first_fill(desk: Desk, okx: RestingOkx) -> None:
    for _ in range(10):
        look(desk, okx, 20)
    okx.fill(okx.resting()[0], "1")
    look(desk, okx, 20)
    assert_pair(desk, okx, "1.25", "5")


def test_a_leg_that_stood_alone_too_long_is_closed(desk: Desk, okx: RestingOkx, tmp_path: Path) -> None:
    """The process was killed, the limit order filled, and nobody looked for minutes: its stop was there."""
    desk.journal.close()
    okx.fill(okx.resting()[0], "1")
    assert len(okx.live_algos(BTC)) == 1
    again = desk_on(okx, tmp_path / "journal.db", limits=TERMS)
    look(again, okx, 100)
    assert sent(okx)[1:] == [(BTC, "market", "1.25")]
    assert (okx.size(BTC), okx.size(ETH), okx.live_algos(BTC)) == (0, 0, [])
    [record] = again.journal.closed_positions()
    assert record.close is not None
    assert record.close.exit_reason == "leg_risk"
    assert record.close.net_usdt == okx.cash - 10_000
    assert again.journal.unsettled() == []
    again.journal.close()


def test_nothing_is_opened_where_the_first_leg_is_not_filled(desk: Desk, okx: RestingOkx) -> None:
    okx.move(BTC, Decimal(80_300))
    report = look(desk, okx, 301)
    assert "went" in report.problems[0]
    assert sent(okx) == [(BTC, "post_only", "1.25")]
    assert (desk.journal.open_positions(), desk.journal.unsettled()) == ([], [])
