"""Situations in which one answer, a person or a second program would make a trading process lose its stops."""

from __future__ import annotations

import asyncio
import contextlib
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pairity.errors import OrderUnknownError, VenueError
from pairity.strategy.types import Side
from serving.execution.facts import Facts
from serving.journal import IntentState, Purpose
from serving.reconcile import ReconcileReport
from tests.serving.tiny_okx import TinyOkx
from tests.serving.trading import BTC, ETH, T0, Desk, desk_on, entry, exit_of, opened

POSITIONS, FILLS, ORDERS = "privateGetAccountPositions", "privateGetTradeFillsHistory", "privatePostTradeOrder"


def reconcile(desk: Desk) -> ReconcileReport:
    return asyncio.run(desk.reconciler.run(decided_exits=True))


def test_an_empty_list_of_positions_changes_nothing(desk: Desk, tiny: TinyOkx) -> None:
    """However often it is read: it is one fact."""
    asyncio.run(opened(desk))
    tiny.faults = [(POSITIONS, "no_rows")] * 500
    for _ in range(3):
        report = reconcile(desk)
        assert (report.closed, report.cancelled) == ([], [])
        assert "lists" not in report.doubts[0]
        assert len(report.doubts) == 1
    assert len(tiny.live_algos(BTC)) == 1
    assert len(tiny.sent(ORDERS)) == 1
    tiny.faults = []
    report = reconcile(desk)
    assert (report.doubts, report.closed, len(report.positions)) == ([], [], 1)


def test_an_exit_does_not_take_an_empty_list_for_flat(desk: Desk, tiny: TinyOkx) -> None:
    position = asyncio.run(opened(desk))
    decision = desk.decide(exits=exit_of(position), at=T0.replace(hour=18))
    tiny.faults = [(POSITIONS, "no_rows")] * 500
    with pytest.raises(VenueError, match="no execution closed it"):
        asyncio.run(desk.executor.close(position, "z_cross", decision.decision_id))
    assert (len(tiny.live_algos(BTC)), len(desk.journal.open_positions())) == (1, 1)
    tiny.faults = []
    report = reconcile(desk)
    assert [closed.close.exit_reason for closed in report.closed] == ["z_cross"]
    assert tiny.size(BTC) == 0


def test_executions_that_cannot_be_read_are_no_fact(desk: Desk, tiny: TinyOkx) -> None:
    asyncio.run(opened(desk))
    tiny.trade_by_hand(BTC, "buy", Decimal("1.25"))
    tiny.faults = [(FILLS, "html")] * 500
    with pytest.raises(VenueError):
        reconcile(desk)
    assert (len(tiny.live_algos(BTC)), len(desk.journal.open_positions())) == (1, 1)
    tiny.faults = []
    assert reconcile(desk).closed[0].close.exit_reason == "manual"


def test_the_history_of_positions_is_a_second_fact_where_executions_are_missing(desk: Desk, tiny: TinyOkx) -> None:
    asyncio.run(opened(desk))
    tiny.positions.clear()
    assert reconcile(desk).doubts
    row = {"instId": BTC, "direction": "short", "mgnMode": "cross", "closeTotalPos": "1.25", "type": "2"}
    times = {"cTime": str(tiny.now_ms - 1000), "uTime": str(tiny.now_ms)}
    for wrong in (
        {"type": "1"},
        {"mgnMode": "isolated"},
        {"direction": "long"},
        {"closeTotalPos": "1"},
        {"cTime": "1"},
    ):
        tiny.closed = [row | times | wrong]
        assert reconcile(desk).closed == []
    tiny.closed = [row | times]
    (closed,) = reconcile(desk).closed
    assert (closed.close.exit_reason, closed.close.pnl_usdt) == ("unknown", None)


def test_closed_by_hand_is_booked_from_the_venue_s_executions(desk: Desk, tiny: TinyOkx) -> None:
    asyncio.run(opened(desk))
    tiny.prices[BTC] = Decimal(79000)
    tiny.trade_by_hand(BTC, "buy", Decimal("1.25"))
    (closed,) = reconcile(desk).closed
    assert (closed.close.exit_reason, closed.close.exit_price) == ("manual", 79000)
    assert closed.close.pnl_usdt == Decimal("0.0125") * 1000
    assert tiny.live_algos(BTC) == []


def test_reduced_by_hand_is_booked_when_seen_and_protected_in_its_size(desk: Desk, tiny: TinyOkx) -> None:
    position = asyncio.run(opened(desk))
    tiny.trade_by_hand(BTC, "buy", Decimal("0.25"))
    report = reconcile(desk)
    assert report.positions[0].legs[0].contracts == 1
    assert [fill.contracts for fill in desk.journal.fills(position.position_id) if fill.side == "buy"] == [
        Decimal("0.25")
    ]
    (stop,) = tiny.live_algos(BTC)
    assert Decimal(stop["sz"]) in (Decimal(1), Decimal("1.25"))  # reduce-only: it closes no more than there is
    closed = asyncio.run(desk.executor.close(report.positions[0], "z_cross", None))
    assert closed.close.pnl_usdt == 0
    assert tiny.size(BTC) == 0


def test_grown_by_hand_closes_only_ours(desk: Desk, tiny: TinyOkx) -> None:
    position = asyncio.run(opened(desk))
    tiny.trade_by_hand(BTC, "sell", Decimal("1.25"))
    assert list(reconcile(desk).blocked) == [BTC]
    asyncio.run(desk.executor.close(position, "z_cross", None))
    assert tiny.size(BTC) == Decimal("-1.25")
    report = reconcile(desk)
    assert (report.positions, list(report.blocked)) == ((), [BTC])
    assert tiny.size(BTC) == Decimal("-1.25")


def test_a_list_that_lags_behind_our_exit_is_not_adopted(tiny: TinyOkx, tmp_path: Path) -> None:
    with contextlib.closing((desk := desk_on(tiny, tmp_path / "j.db", adopt=True)).journal):
        position = asyncio.run(opened(desk))
        asyncio.run(desk.executor.close(position, "z_cross", None))
        late = {"instType": "SWAP", "instId": BTC, "posSide": "net", "pos": "-1.25", "avgPx": "80000"}
        tiny._privateGetAccountPositions = lambda _: [late]  # type: ignore[method-assign]
        report = reconcile(desk)
        assert (report.adopted, len(report.doubts)) == ([], 1)


def test_flipped_by_hand_leaves_what_is_foreign(desk: Desk, tiny: TinyOkx) -> None:
    asyncio.run(opened(desk))
    tiny.trade_by_hand(BTC, "buy", Decimal(3))
    report = reconcile(desk)
    assert [closed.close.exit_reason for closed in report.closed] == ["manual"]
    assert (list(report.blocked), tiny.size(BTC)) == ([BTC], Decimal("1.75"))
    assert tiny.live_algos(BTC) == []
    assert reconcile(desk).closed == []


def test_nothing_is_opened_beside_a_foreign_position(desk: Desk, tiny: TinyOkx) -> None:
    """Whether reconciliation has seen it, or it came since."""
    tiny.trade_by_hand(BTC, "buy", Decimal(3))
    for _ in range(2):
        outcome = asyncio.run(desk.executor.open(entry(), desk.decide(entry())))
        assert outcome.position is None
        assert BTC in outcome.reason
        desk.executor.blocked = reconcile(desk).blocked
    assert (tiny.size(BTC), tiny.sent(ORDERS)) == (3, [])


def test_a_refused_exit_is_spaced_and_leaves_the_stops(desk: Desk, tiny: TinyOkx) -> None:
    """As in a suspended contract: every order is refused, for hours."""
    position = asyncio.run(opened(desk))
    desk.decide(exits=exit_of(position), at=T0.replace(hour=18))
    real = tiny._privatePostTradeOrder
    tiny._privatePostTradeOrder = refuse  # type: ignore[method-assign]
    sent = []
    for _ in range(20):
        report = reconcile(desk)
        assert list(report.stuck) == [position.position_id]
        assert len(tiny.live_algos(BTC)) == 1
        sent.append(len(tiny.sent(ORDERS)))
        tiny.now_ms += 30_000
    assert sent[-1] < 35, "ten minutes of watching, and a handful of tries of four orders each"
    tiny._privatePostTradeOrder = real  # type: ignore[method-assign]
    tiny.now_ms += 900_000
    assert [closed.close.exit_reason for closed in reconcile(desk).closed] == ["z_cross"]


def refuse(_params: object) -> list[dict[str, str]]:
    from tests.serving.tiny_okx import Refused

    raise Refused("51028", "Contract under delivery.")


def test_an_order_that_the_venue_has_forgotten_is_not_sent_again(desk: Desk, tiny: TinyOkx) -> None:
    """The reply was lost, the process was down for hours, and the look-up says that there is no such order."""
    tiny.faults = [(ORDERS, "timeout"), *[("privateGetTradeOrder", "html")] * 500]
    with pytest.raises(OrderUnknownError):
        asyncio.run(opened(desk))
    tiny.faults = [("privateGetTradeOrder", "missing")] * 500
    finished, tiny.orders = tiny.orders, []
    report = reconcile(desk)
    assert len(tiny.sent(ORDERS)) == 1
    assert report.opened == [entry().position_id]
    assert report.positions[0].legs[0].contracts == Decimal(finished[0]["sz"])


def test_a_denied_order_is_in_doubt_while_the_lists_cannot_be_read(desk: Desk, tiny: TinyOkx) -> None:
    tiny.faults = [(ORDERS, "timeout"), *[("privateGetTradeOrder", "html")] * 500]
    with pytest.raises(OrderUnknownError):
        asyncio.run(opened(desk))
    tiny.faults = [("privateGetTradeOrder", "missing")] * 500 + [(FILLS, "html")] * 9
    tiny.orders = []
    assert reconcile(desk).unresolved
    assert len(tiny.sent(ORDERS)) == 1


def test_an_empty_list_of_stops_places_no_second_stop(desk: Desk, tiny: TinyOkx) -> None:
    position = asyncio.run(opened(desk))
    reconcile(desk)
    tiny.faults = [("privateGetTradeOrdersAlgoPending", "no_rows")] * 50
    for _ in range(5):
        reconcile(desk)
    assert len(tiny.live_algos(BTC)) == 1
    assert len(desk.journal.intents(position.position_id, purpose=Purpose.PROTECT)) == 1


def test_a_stop_cancelled_by_hand_is_back_at_once(desk: Desk, tiny: TinyOkx) -> None:
    position = asyncio.run(opened(desk))
    tiny.algos[0]["state"] = "canceled"
    report = reconcile(desk)
    said = f"{position.position_id}: the stop of {BTC} was gone from the venue, and was placed again"
    assert report.list_differences() == [said]
    (stop,) = tiny.live_algos(BTC)
    assert stop["slTriggerPx"] == tiny.algos[0]["slTriggerPx"]
    states = [intent.state for intent in desk.journal.intents(position.position_id, purpose=Purpose.PROTECT)]
    assert IntentState.ACKNOWLEDGED in states
    assert reconcile(desk).list_differences() == []  # it is said once


def test_isolated_beside_cross_is_foreign_and_ours_goes_on(desk: Desk, tiny: TinyOkx) -> None:
    asyncio.run(opened(desk))
    real = tiny._privateGetAccountPositions
    extra = {"instType": "SWAP", "instId": BTC, "posSide": "net", "pos": "-7", "avgPx": "80000", "mgnMode": "isolated"}
    tiny._privateGetAccountPositions = lambda params: [extra, *real(params)]  # type: ignore[method-assign]
    report = reconcile(desk)
    assert (list(report.blocked), report.doubts, report.closed) == ([BTC], [], [])
    assert report.positions[0].legs[0].contracts == Decimal("1.25")


def test_orders_of_another_journal_are_reported_and_left_alone(desk: Desk, tiny: TinyOkx) -> None:
    from serving.journal import client_order_id

    other = client_order_id("another", "p", 0, Purpose.PROTECT)
    tiny._new_algo(ETH, "sell", "1", other, {"slTriggerPx": "1", "tpTriggerPx": "2"})
    report = reconcile(desk)
    assert (list(report.rivals), report.cancelled, len(tiny.live_algos(ETH))) == ([other], [], 1)


HANDS = st.lists(
    st.tuples(st.sampled_from(["buy", "sell"]), st.integers(1, 300).map(lambda n: Decimal(n) / 100)), max_size=6
)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hands=HANDS, empty=st.lists(st.booleans(), min_size=6, max_size=6), side=st.sampled_from(list(Side)))
def test_hand_trades_in_any_order(hands, empty, side, tmp_path_factory) -> None:  # type: ignore[no-untyped-def]
    """What is left of ours is the least that the venue held on our side since, counted by brute force."""
    tiny = TinyOkx()
    desk = desk_on(tiny, tmp_path_factory.mktemp("hands") / "journal.db")
    with contextlib.closing(desk.journal):
        asyncio.run(opened(desk, entry(side)))
        least = Decimal("1.25")
        for (hand, size), blind in zip(hands, empty, strict=False):
            tiny.trade_by_hand(BTC, hand, size)
            tiny.faults = [(POSITIONS, "no_rows")] * (60 if blind else 0)
            report = reconcile(desk)
            least = min(least, max(side.sign * tiny.size(BTC), Decimal(0)))
            if blind and least:
                assert report.closed == []
            tiny.faults = []
            report = reconcile(desk)
            ours = sum((leg.contracts for position in report.positions for leg in position.legs), Decimal(0))
            assert ours == least, (report, tiny.size(BTC))
            assert report.doubts == []
            assert bool(tiny.live_algos(BTC)) == bool(least)
            if not least:
                break


def test_facts_about_a_whole_position_agree(desk: Desk, tiny: TinyOkx) -> None:
    position = asyncio.run(opened(desk))
    rows = asyncio.run(desk.venue.position_rows())
    facts = asyncio.run(Facts(desk.venue, desk.journal).examine(position, position.legs[0], rows))
    assert (facts.listed, facts.executed, facts.left, facts.doubtful) == (
        Decimal("1.25"),
        Decimal("1.25"),
        Decimal("1.25"),
        False,
    )
