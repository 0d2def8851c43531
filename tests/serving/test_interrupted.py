"""A process that dies in the middle leaves nothing that the next one does not finish, under the name it had."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from serving.journal import IntentState, Purpose
from tests.serving.tiny_okx import TinyOkx
from tests.serving.trading import BTC, Desk, desk_on, entry, opened
from tests.serving.trading_machine import Killed

ALGO = "privatePostTradeOrderAlgo"
EXIT_STEPS = ["exit: intended", "exit: before the wire", "exit: acknowledged", "exit: flat", "exit: before the booking"]


def start(tiny: TinyOkx, path: Path, die_at: str | None = None) -> Desk:
    def checkpoint(step: str) -> None:
        if step == die_at:
            raise Killed

    return desk_on(tiny, path, checkpoint=checkpoint)


def killed(desk: Desk, job: object) -> None:
    with pytest.raises(Killed):
        asyncio.run(job)
    desk.journal.close()


@pytest.mark.parametrize("step", EXIT_STEPS)
@pytest.mark.parametrize("reason", ["flatten", "leg_risk"])
def test_an_exit_keeps_its_reason(step: str, reason: str, tiny: TinyOkx, tmp_path: Path) -> None:
    desk = start(tiny, tmp_path / "journal.db", step)
    position = asyncio.run(opened(desk))
    killed(desk, desk.executor.close(position, reason, None))
    desk = start(tiny, tmp_path / "journal.db")
    (closed,) = asyncio.run(desk.reconciler.run()).closed
    assert closed.close.exit_reason == reason
    desk.journal.close()


@pytest.mark.parametrize(("kind", "reason"), [("1", "manual"), ("104", "liquidation")])
def test_a_position_closed_from_outside_keeps_its_cause(kind: str, reason: str, tiny: TinyOkx, tmp_path: Path) -> None:
    desk = start(tiny, tmp_path / "journal.db", "exit: before the booking")
    asyncio.run(opened(desk))
    tiny.trade_by_hand(BTC, "buy", Decimal("1.25"), kind)
    killed(desk, desk.reconciler.run())
    desk = start(tiny, tmp_path / "journal.db")
    (closed,) = asyncio.run(desk.reconciler.run()).closed
    assert (closed.close.exit_reason, closed.close.net_usdt is None) == (reason, False)
    desk.journal.close()


@pytest.mark.parametrize("step", ["entry: protected", "protect: acknowledged", "entry: position journalled"])
def test_the_executions_of_an_interrupted_entry_are_journalled(step: str, tiny: TinyOkx, tmp_path: Path) -> None:
    tiny.drop_attached = True
    desk = start(tiny, tmp_path / "journal.db", step)
    wanted = entry()
    killed(desk, desk.executor.open(wanted, desk.decide(wanted)))
    desk = start(tiny, tmp_path / "journal.db")
    asyncio.run(desk.reconciler.run())
    (fill,) = desk.journal.fills()
    assert (fill.instrument, fill.contracts, fill.position_id) == (BTC, wanted.legs[0].contracts, wanted.position_id)
    before = len(tiny.calls)
    asyncio.run(desk.reconciler.run())
    assert [name for name, _ in tiny.calls[before:] if "Fills" in name] == []
    desk.journal.close()


def test_executions_that_cannot_be_read_are_read_later(tiny: TinyOkx, tmp_path: Path) -> None:
    desk = start(tiny, tmp_path / "journal.db", "entry: protected")
    wanted = entry()
    killed(desk, desk.executor.open(wanted, desk.decide(wanted)))
    desk = start(tiny, tmp_path / "journal.db")
    tiny.faults = [("privateGetTradeFillsHistory", "html")] * 2
    asyncio.run(desk.reconciler.run())
    assert desk.journal.fills() == []
    tiny.now_ms += 16_000
    asyncio.run(desk.reconciler.run())
    assert len(desk.journal.fills()) == 1
    desk.journal.close()


@pytest.mark.parametrize("step", ["protect: before the wire", "protect: after the wire"])
def test_a_stop_that_was_under_way_has_an_end(step: str, tiny: TinyOkx, tmp_path: Path) -> None:
    tiny.drop_attached = True
    desk = start(tiny, tmp_path / "journal.db", step)
    wanted = entry()
    killed(desk, desk.executor.open(wanted, desk.decide(wanted)))
    desk = start(tiny, tmp_path / "journal.db")
    for _ in range(2):
        asyncio.run(desk.reconciler.run())
    assert_stops_are_those_of_the_venue(desk, tiny)


def test_a_stop_that_was_intended_only_is_given_up_for_the_one_that_rests(tiny: TinyOkx, tmp_path: Path) -> None:
    desk = start(tiny, tmp_path / "journal.db", "protect: before the wire")
    position = asyncio.run(opened(desk))
    tiny.algos[-1]["state"] = "canceled"
    killed(desk, desk.executor.protection.protect(position, None))
    desk = start(tiny, tmp_path / "journal.db")
    for _ in range(2):
        asyncio.run(desk.reconciler.run())
    assert_stops_are_those_of_the_venue(desk, tiny)


def test_a_stop_that_was_cancelled_by_hand_is_cancelled_in_the_journal(desk: Desk, tiny: TinyOkx) -> None:
    asyncio.run(opened(desk))
    (algo,) = tiny.live_algos(BTC)
    algo["state"] = "canceled"
    asyncio.run(desk.reconciler.run())
    intent = desk.journal.intent(str(algo["algoClOrdId"]))
    assert intent is not None
    assert intent.state is IntentState.CANCELLED
    assert_stops_are_those_of_the_venue(desk, tiny)


def assert_stops_are_those_of_the_venue(desk: Desk, tiny: TinyOkx) -> None:
    open_stops = [intent for intent in desk.journal.unsettled() if intent.purpose is Purpose.PROTECT]
    resting = {algo["algoClOrdId"] for algo in tiny.live_algos(BTC)}
    assert {intent.client_order_id for intent in open_stops} == resting
    assert {intent.state for intent in open_stops} == {IntentState.ACKNOWLEDGED}
    assert len(resting) == 1
    desk.journal.close()
