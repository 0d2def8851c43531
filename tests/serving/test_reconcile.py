"""Journal and venue are made equal, whatever happened in between."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from pairity.errors import VenueError
from pairity.strategy.types import Side
from pairity.timeline import from_ms
from serving.journal import IntentState, Purpose, client_order_id
from tests.serving.tiny_okx import TinyOkx
from tests.serving.trading import BTC, ETH, T0, Desk, desk_on, entry, exit_of, opened


def test_nothing_to_do_is_nothing_done(desk: Desk, tiny: TinyOkx) -> None:
    asyncio.run(opened(desk))
    for _ in range(2):
        report = asyncio.run(desk.reconciler.run())
        assert (report.settled, report.opened, report.closed, report.cancelled, report.problems) == ([], [], [], [], [])
    assert len(report.positions) == 1
    assert [name for name, _ in tiny.calls if "Post" in name].count("privatePostTradeOrder") == 1


@pytest.mark.parametrize(("price", "reason"), [(82500, "stop_loss"), (76000, "take_profit")])
def test_a_triggered_stop_is_booked_with_its_price(price: int, reason: str, desk: Desk, tiny: TinyOkx) -> None:
    position = asyncio.run(opened(desk))
    tiny.move(BTC, Decimal(price))
    report = asyncio.run(desk.reconciler.run())
    (closed,) = report.closed
    assert (closed.close.exit_reason, closed.close.exit_price) == (reason, price)
    assert closed.close.pnl_usdt == Decimal("0.0125") * (80000 - price)
    assert report.problems == []
    assert report.positions == ()
    (protect,) = desk.journal.intents(position.position_id, purpose=Purpose.PROTECT)
    assert protect.state is IntentState.FILLED
    assert desk.journal.unsettled() == []


@pytest.mark.parametrize(("kind", "reason"), [("1", "manual"), ("104", "liquidation")])
def test_a_position_closed_from_outside_is_booked_and_cleaned_up(
    kind: str, reason: str, desk: Desk, tiny: TinyOkx
) -> None:
    asyncio.run(opened(desk))
    tiny.trade_by_hand(BTC, "buy", Decimal("1.25"), kind)
    report = asyncio.run(desk.reconciler.run())
    assert report.closed[0].close.exit_reason == reason
    assert tiny.live_algos(BTC) == []
    assert bool(report.problems) == (reason == "manual")


def test_a_forced_order_is_a_liquidation_by_its_category_too(desk: Desk, tiny: TinyOkx) -> None:
    asyncio.run(opened(desk))
    tiny.trade_by_hand(BTC, "buy", Decimal("1.25"))
    tiny.orders[-1]["category"] = "full_liquidation"
    assert asyncio.run(desk.reconciler.run()).closed[0].close.exit_reason == "liquidation"


def test_a_position_list_that_lags_behind_the_fill_is_not_believed(desk: Desk, tiny: TinyOkx) -> None:
    asyncio.run(opened(desk))
    tiny.faults = [("privateGetAccountPositions", "no_rows")] * 2
    report = asyncio.run(desk.reconciler.run())
    assert report.closed == []
    assert len(report.positions) == 1


@pytest.mark.parametrize("noise", ["html", "empty", "garbage", "cut"])
def test_garbage_for_positions_is_not_flat(noise: str, desk: Desk, tiny: TinyOkx) -> None:
    asyncio.run(opened(desk))
    tiny.faults = [("privateGetAccountPositions", noise)] * 2
    with pytest.raises(VenueError):
        asyncio.run(desk.reconciler.run())
    assert len(desk.journal.open_positions()) == 1
    assert tiny.size(BTC) == Decimal("-1.25")


def test_a_foreign_position_blocks_its_instrument_by_name_and_size(desk: Desk, tiny: TinyOkx) -> None:
    tiny.trade_by_hand(ETH, "buy", Decimal(3))
    report = asyncio.run(desk.reconciler.run())
    assert re.search(r"ETH-USDT-SWAP .*\+3 contracts.*adopt_positions", report.problems[0])
    assert list(report.blocked) == [ETH]
    assert tiny.size(ETH) == 3


def test_a_row_with_zero_is_not_a_position(desk: Desk, tiny: TinyOkx) -> None:
    tiny.positions[ETH] = [Decimal(0), Decimal(0)]
    assert asyncio.run(desk.reconciler.run()).positions == ()


def test_an_enlarged_position_is_foreign_too(desk: Desk, tiny: TinyOkx) -> None:
    asyncio.run(opened(desk))
    tiny.trade_by_hand(BTC, "sell", Decimal(1))
    report = asyncio.run(desk.reconciler.run())
    assert report.blocked == {BTC: f"{BTC} has 1.00 contracts more than are ours"}
    assert report.positions[0].legs[0].contracts == Decimal("1.25")
    assert (len(tiny.live_algos(BTC)), len(tiny.sent("privatePostTradeOrder"))) == (1, 1)


def test_a_reduced_position_is_followed_and_stays_protected(desk: Desk, tiny: TinyOkx) -> None:
    asyncio.run(opened(desk))
    tiny.trade_by_hand(BTC, "buy", Decimal("0.25"), "104")
    report = asyncio.run(desk.reconciler.run())
    assert report.positions[0].legs[0].contracts == Decimal(1)
    assert len(tiny.live_algos(BTC)) == 1
    assert "taken over" in report.problems[0]


def test_adoption_takes_a_position_over_with_stops(tiny: TinyOkx, tmp_path: Path) -> None:
    tiny.trade_by_hand(ETH, "buy", Decimal(3))
    desk = desk_on(tiny, tmp_path / "j.db", adopt=True)
    report = asyncio.run(desk.reconciler.run())
    (position,) = report.positions
    assert report.adopted == [position.position_id]
    assert (position.direction, position.legs[0].contracts, position.entry_z) == (1, Decimal(3), -1.0)
    (algo,) = tiny.live_algos(ETH)
    assert (Decimal(algo["slTriggerPx"]), Decimal(algo["tpTriggerPx"])) == (1880, 2100)
    assert asyncio.run(desk.reconciler.run()).adopted == []
    desk.journal.close()


def test_a_lost_protection_is_put_back(desk: Desk, tiny: TinyOkx) -> None:
    asyncio.run(opened(desk))
    tiny.algos[0]["state"] = "canceled"
    asyncio.run(desk.reconciler.run())
    (algo,) = tiny.live_algos(BTC)
    assert Decimal(algo["slTriggerPx"]) == 82400


def test_without_protection_the_position_is_closed(desk: Desk, tiny: TinyOkx) -> None:
    asyncio.run(opened(desk))
    tiny.algos[0]["state"] = "canceled"
    tiny.refuse_algos = "51280"
    report = asyncio.run(desk.reconciler.run())
    assert report.closed[0].close.exit_reason == "unprotected"
    assert tiny.size(BTC) == 0
    assert report.problems


def test_orphans_of_ours_are_cancelled_and_those_of_others_are_not(desk: Desk, tiny: TinyOkx) -> None:
    row = {"slTriggerPx": "1", "tpTriggerPx": "2"}
    ours = [client_order_id("test", "lost", 0, purpose) for purpose in (Purpose.ENTRY, Purpose.PROTECT)]
    rival = client_order_id("another journal", "p", 0, Purpose.PROTECT)
    for name in (ours[1], "somebodyelse", rival):
        tiny._new_algo(ETH, "sell", "1", name, row)
    tiny._new_order(ETH, "sell", Decimal(1), ours[0], reduce_only=False)
    report = asyncio.run(desk.reconciler.run())
    assert sorted(report.cancelled) == sorted(ours)
    assert [algo["algoClOrdId"] for algo in tiny.live_algos(ETH)] == ["somebodyelse", rival]
    assert list(report.rivals) == [rival]


def test_a_stop_of_another_side_is_an_orphan_beside_an_open_position(desk: Desk, tiny: TinyOkx) -> None:
    asyncio.run(opened(desk, entry(Side.SELL)))
    (guard,) = tiny.live_algos(BTC)
    stray = client_order_id("test", "lost", 0, Purpose.PROTECT)
    tiny._new_algo(BTC, "sell", "1.25", stray, {"slTriggerPx": "77600", "tpTriggerPx": "83200"})
    report = asyncio.run(desk.reconciler.run())
    assert report.cancelled == [stray]
    assert tiny.live_algos(BTC) == [guard]


@pytest.mark.parametrize("change", [{}, {"tdMode": "isolated"}, {"sz": "0.5"}], ids=str)
def test_a_stop_that_looks_like_ours_does_not_take_its_place(change: dict[str, str], desk: Desk, tiny: TinyOkx) -> None:
    """It is of no order that we know, or would not close this position: the one that we placed stays."""
    asyncio.run(opened(desk, entry(Side.SELL)))
    (guard,) = tiny.live_algos(BTC)
    stray = client_order_id("test", "lost", 0, Purpose.PROTECT)
    tiny._new_algo(BTC, "buy", guard["sz"], stray, guard).update(change)
    asyncio.run(desk.reconciler.run())
    assert tiny.live_algos(BTC) == [guard]


def test_an_isolated_stop_protects_nothing(desk: Desk, tiny: TinyOkx) -> None:
    asyncio.run(opened(desk, entry(Side.SELL)))
    (guard,) = tiny.live_algos(BTC)
    guard["tdMode"] = "isolated"
    asyncio.run(desk.reconciler.run())
    (new,) = tiny.live_algos(BTC)
    assert (new["tdMode"], new["slTriggerPx"]) == ("cross", guard["slTriggerPx"])


def test_an_entry_that_never_left_is_given_up_once_it_is_late(desk: Desk, tiny: TinyOkx) -> None:
    tiny.faults = [("privatePostTradeOrder", "throttled")] * 3
    with pytest.raises(VenueError):
        asyncio.run(opened(desk))
    asyncio.run(desk.reconciler.run())
    assert len(desk.journal.unsettled()) == 2, "still fresh: the loop may carry the decision out"
    tiny.now_ms += 60_000
    asyncio.run(desk.reconciler.run())
    assert desk.journal.unsettled() == []
    assert tiny.orders == []


def test_a_restart_in_time_carries_the_same_decision_out(desk: Desk, tiny: TinyOkx) -> None:
    tiny.faults = [("privatePostTradeOrder", "throttled")] * 3
    with pytest.raises(VenueError):
        asyncio.run(opened(desk))
    asyncio.run(opened(desk))
    assert len(tiny.orders) == 1
    assert len(desk.journal.intents(entry().position_id, 0, Purpose.ENTRY)) == 1


def test_an_exit_in_doubt_is_finished_before_anything_else(desk: Desk, tiny: TinyOkx) -> None:
    position = asyncio.run(opened(desk))
    decision = desk.decide(exits=exit_of(position), at=T0 + timedelta(hours=1))
    tiny.faults = [("privatePostTradeOrder", "timeout")] + [("privateGetTradeOrder", "html")] * 400
    with pytest.raises(VenueError):
        asyncio.run(desk.executor.close(position, "z_cross", decision.decision_id))
    report = asyncio.run(desk.reconciler.run())
    assert len(report.unresolved) == 1
    tiny.faults = []
    report = asyncio.run(desk.reconciler.run())
    assert [closed.close.exit_reason for closed in report.closed] == ["z_cross"]
    assert len(tiny.sent("privatePostTradeOrder")) == 2
    assert tiny.size(BTC) == 0


def test_state_is_restored_from_the_journal(desk: Desk, tiny: TinyOkx) -> None:
    position = asyncio.run(opened(desk))
    assert desk.journal.restore_state(123.0).positions == (position,)
    assert desk.journal.restore_state(123.0).bars_since_exit is None
    tiny.now_ms += 3_600_000
    tiny.move(BTC, Decimal(82500))
    asyncio.run(desk.reconciler.run())
    state = desk.journal.restore_state(77.0)
    assert (state.positions, state.bars_since_exit, state.available_usdt) == ((), 0, 77.0)
    assert from_ms(tiny.now_ms) > T0


@pytest.mark.parametrize("side", list(Side))
def test_two_passes_are_one(side: Side, desk: Desk, tiny: TinyOkx) -> None:
    tiny.prices[BTC] = Decimal(81000)
    asyncio.run(opened(desk, entry(side)))
    first = asyncio.run(desk.reconciler.run())
    before = (len(tiny.orders), len(tiny.algos))
    assert asyncio.run(desk.reconciler.run()) == first
    assert (len(tiny.orders), len(tiny.algos)) == before


@pytest.mark.parametrize("by_hand", ["0.5", "1.0"])
def test_a_hand_trade_right_before_our_entry_that_the_list_hid_is_taken_into_account(
    by_hand: str, desk: Desk, tiny: TinyOkx
) -> None:
    tiny.trade_by_hand(BTC, "buy", Decimal(by_hand))  # against the entry, which sells
    tiny.faults = [("privateGetAccountPositions", "no_rows")]
    position = asyncio.run(opened(desk))
    report = asyncio.run(desk.reconciler.run())
    left = Decimal("1.25") - Decimal(by_hand)
    assert report.doubts == []
    assert [leg.contracts for leg in report.positions[0].legs] == [left]
    assert f"1.25 contracts here, {left} on the venue" in " ".join(report.problems)
    assert asyncio.run(desk.reconciler.run()).problems == []
    record = desk.journal.position(position.position_id)
    assert record is not None
    tiny.move(BTC, Decimal(81_000))
    closed = asyncio.run(desk.executor.close(record.position, "flatten", None))
    assert (closed.close.exit_reason, closed.close.net_usdt) == ("flatten", tiny.cash - 10_000)
    assert tiny.size(BTC) == 0
    assert tiny.live_algos(BTC) == []
    assert asyncio.run(desk.reconciler.run()).problems == []


def test_an_older_row_after_a_hand_trade_before_our_entry_stays_in_doubt(desk: Desk, tiny: TinyOkx) -> None:
    """Of somebody's 1.25 short, half a contract was closed as we entered: a row from before looks like a hedge."""
    tiny.trade_by_hand(BTC, "sell", Decimal("1.25"))
    tiny.now_ms += 600_000
    tiny.trade_by_hand(BTC, "buy", Decimal("0.5"))
    before = tiny.answer("privateGetAccountPositions", {})["data"]
    tiny.faults = [("privateGetAccountPositions", "no_rows")]
    asyncio.run(opened(desk))
    tiny.shown_positions = before
    report = asyncio.run(desk.reconciler.run())
    assert len(report.doubts) == 1
    assert [leg.contracts for leg in report.positions[0].legs] == [Decimal("1.25")]
    tiny.shown_positions = None
    assert asyncio.run(desk.reconciler.run()).doubts == []
