"""The life of one order under everything that can go wrong with an answer."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from pairity.errors import OrderUnknownError, VenueUnreachableError
from pairity.strategy.types import Side
from serving.journal import IntentState, Purpose
from tests.serving.tiny_client import AFTER, BEFORE
from tests.serving.tiny_okx import TinyOkx
from tests.serving.trading import BTC, T0, Desk, entry, exit_of, opened

PLACE, LOOK = "privatePostTradeOrder", "privateGetTradeOrder"


def states(desk: Desk, purpose: Purpose = Purpose.ENTRY) -> list[str]:
    (intent,) = [i for i in desk.journal.intents(entry().position_id, 0, purpose) if i.attempt == 0]
    return [event.state.value for event in desk.journal.events(intent.client_order_id)]


def test_a_plain_entry_is_sent_once_and_protected(desk: Desk, tiny: TinyOkx) -> None:
    position = asyncio.run(opened(desk))
    assert states(desk) == ["intended", "sent", "acknowledged", "filled"]
    assert tiny.size(BTC) == Decimal("-1.25")
    (algo,) = tiny.live_algos(BTC)
    assert (position.legs[0].stop_price, position.legs[0].target_price) == (82400.0, 76800.0)
    assert (Decimal(algo["slTriggerPx"]), Decimal(algo["tpTriggerPx"])) == (82400, 76800)
    assert states(desk, Purpose.PROTECT)[-1] == "acknowledged"
    assert [fill.contracts for fill in desk.journal.fills(position.position_id)] == [Decimal("1.25")]


def test_trap_12_sizes_on_the_wire_are_contracts_not_coins(desk: Desk, tiny: TinyOkx) -> None:
    """1.25 contracts of 0.01 BTC are 0.0125 BTC, 1000 USDT at 80000: not 1.25 BTC."""
    asyncio.run(opened(desk))
    (body,) = tiny.sent(PLACE)
    assert body["sz"] == "1.25"
    fee = Decimal(tiny.fills[0]["fee"])
    assert fee == -(Decimal("1.25") * Decimal("0.01") * 80000 * Decimal("0.0005"))
    assert Decimal(tiny.live_algos(BTC)[0]["sz"]) == Decimal("1.25")


@pytest.mark.parametrize("fault", AFTER)
def test_trap_13_a_lost_reply_is_not_sent_again(fault: str, desk: Desk, tiny: TinyOkx) -> None:
    tiny.faults = [(PLACE, fault)]
    asyncio.run(opened(desk))
    assert len(tiny.sent(PLACE)) == 1
    assert len(tiny.fills) == 1
    assert states(desk) == ["intended", "sent", "unknown", "filled"]


@pytest.mark.parametrize("fault", AFTER)
def test_trap_13_a_lost_reply_to_an_exit_is_not_sent_again(fault: str, desk: Desk, tiny: TinyOkx) -> None:
    position = asyncio.run(opened(desk))
    tiny.faults = [(PLACE, fault)]
    decision = desk.decide(exits=exit_of(position), at=T0 + timedelta(hours=1))
    closed = asyncio.run(desk.executor.close(position, "z_cross", decision.decision_id))
    assert closed.close.exit_reason == "z_cross"
    assert tiny.size(BTC) == 0
    assert len(tiny.sent(PLACE)) == 2


def test_not_found_right_after_placement_proves_nothing(desk: Desk, tiny: TinyOkx) -> None:
    """The reply is lost and the venue says 51603 twice before it finds the order: it was there all along."""
    tiny.faults = [(PLACE, "timeout"), (LOOK, "missing"), (LOOK, "missing")]
    asyncio.run(opened(desk))
    assert len(tiny.sent(PLACE)) == 1
    assert len(tiny.fills) == 1


@pytest.mark.parametrize("noise", ["html", "empty", "no_rows", "garbage", "cut", "busy_50004", "timeout"])
def test_an_unreadable_look_up_is_not_an_absent_order(noise: str, desk: Desk, tiny: TinyOkx) -> None:
    tiny.faults = [(PLACE, "timeout")] + [(LOOK, noise)] * 6
    asyncio.run(opened(desk))
    assert len(tiny.sent(PLACE)) == 1
    assert len(tiny.fills) == 1


@pytest.mark.parametrize("fault", BEFORE)
def test_an_order_that_never_arrived_is_sent_again_under_the_same_id(fault: str, desk: Desk, tiny: TinyOkx) -> None:
    tiny.faults = [(PLACE, fault)]
    asyncio.run(opened(desk))
    (order,) = tiny.orders
    assert order["clOrdId"] == desk.journal.intents(entry().position_id, 0, Purpose.ENTRY)[0].client_order_id
    assert len(tiny.fills) == 1


def test_absence_must_be_confirmed_over_the_settling_time(desk: Desk, tiny: TinyOkx) -> None:
    tiny.faults = [(PLACE, "reset_before")]
    before = desk.pace.monotonic()
    asyncio.run(opened(desk))
    assert len(tiny.sent(LOOK)) >= desk.pace.absent_answers
    assert desk.pace.monotonic() - before >= desk.pace.settle_s


def test_a_venue_that_never_answers_leaves_the_order_unknown(desk: Desk, tiny: TinyOkx) -> None:
    tiny.faults = [(PLACE, "timeout")] + [(LOOK, "html")] * 1000
    with pytest.raises(OrderUnknownError, match="unknown"):
        asyncio.run(opened(desk))
    (intent,) = [intent for intent in desk.journal.unsettled() if intent.purpose is Purpose.ENTRY]
    assert intent.state is IntentState.UNKNOWN
    tiny.faults = []
    report = asyncio.run(desk.reconciler.run())
    assert report.opened == [entry().position_id]
    assert len(tiny.fills) == 1
    assert len(tiny.live_algos(BTC)) == 1


def test_throttling_without_end_leaves_nothing_behind(desk: Desk, tiny: TinyOkx) -> None:
    tiny.faults = [(PLACE, "throttled")] * 10
    with pytest.raises(VenueUnreachableError):
        asyncio.run(opened(desk))
    assert tiny.orders == []
    assert desk.journal.intents(entry().position_id, 0, Purpose.ENTRY)[0].state is IntentState.INTENDED


def test_an_order_that_never_arrives_is_not_sent_for_ever(desk: Desk, tiny: TinyOkx) -> None:
    tiny.faults = [(PLACE, "reset_before")] * 50
    with pytest.raises(VenueUnreachableError, match="3 times"):
        asyncio.run(opened(desk))
    assert len(tiny.faults) == 47
    tiny.now_ms += 60_000
    assert asyncio.run(desk.reconciler.run()).positions == ()
    assert desk.journal.unsettled() == []


def test_a_refused_order_leaves_no_position(desk: Desk, tiny: TinyOkx) -> None:
    wanted = entry(contracts="1000")
    outcome = asyncio.run(desk.executor.open(wanted, desk.decide(wanted)))
    assert outcome.position is None
    assert "51008" in outcome.reason
    assert [intent.state.final for intent in desk.journal.intents(wanted.position_id)] == [True, True]
    assert desk.journal.open_positions() == []


def test_what_is_not_filled_in_time_is_cancelled_and_the_rest_is_kept(desk: Desk, tiny: TinyOkx) -> None:
    tiny.fill_fraction = Decimal("0.4")
    position = asyncio.run(opened(desk))
    assert position.legs[0].contracts == Decimal("0.5")
    assert tiny.orders[0]["state"] == "canceled"
    assert states(desk)[-1] == "cancelled"
    assert tiny.live_algos(BTC)


def test_an_order_that_is_not_filled_at_all_is_no_position(desk: Desk, tiny: TinyOkx) -> None:
    tiny.fill_fraction = Decimal(0)
    wanted = entry()
    outcome = asyncio.run(desk.executor.open(wanted, desk.decide(wanted)))
    assert outcome.position is None
    assert tiny.orders[0]["state"] == "canceled"
    assert desk.journal.unsettled() == []


def test_nothing_filled_is_nothing_in_any_way_of_writing_zero(desk: Desk, tiny: TinyOkx) -> None:
    tiny.fill_fraction, tiny.zero = Decimal(0), "0.00"
    wanted = entry()
    outcome = asyncio.run(desk.executor.open(wanted, desk.decide(wanted)))
    assert outcome.position is None
    assert desk.journal.filled_entries_without_position() == []
    assert asyncio.run(desk.reconciler.run()).opened == []


@pytest.mark.parametrize("side", list(Side))
def test_the_same_entry_twice_is_one_order(side: Side, desk: Desk, tiny: TinyOkx) -> None:
    wanted = entry(side)
    decision = desk.decide(wanted)
    first = asyncio.run(desk.executor.open(wanted, decision))
    second = asyncio.run(desk.executor.open(wanted, decision))
    assert first.position == second.position
    assert len(tiny.sent(PLACE)) == 1


def test_an_instrument_has_one_position_at_a_time(desk: Desk, tiny: TinyOkx) -> None:
    asyncio.run(opened(desk))
    other = replace(entry(Side.BUY), position_id="BTC__ETH@20250318T1800Z")
    outcome = asyncio.run(desk.executor.open(other, desk.decide(other, at=T0 + timedelta(hours=1))))
    assert outcome.position is None
    assert outcome.reason == "BTC already held by BTC__SOL@20250318T1700Z"
    assert len(tiny.sent(PLACE)) == 1


def test_nothing_is_opened_beside_an_order_in_doubt(desk: Desk, tiny: TinyOkx) -> None:
    tiny.faults = [(PLACE, "timeout")] + [(LOOK, "html")] * 1000
    with pytest.raises(OrderUnknownError):
        asyncio.run(opened(desk))
    other = replace(entry(), position_id="BTC__ETH@20250318T1800Z")
    outcome = asyncio.run(desk.executor.open(other, desk.decide(other, at=T0 + timedelta(hours=1))))
    assert outcome.position is None
    assert "in doubt" in outcome.reason
    assert len(tiny.sent(PLACE)) == 1
