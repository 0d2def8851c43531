"""Entries by limit order first: filled as maker, in part, not at all; cancelled by us, by the venue, by the switch."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pairity.errors import PairityError
from pairity.strategy.types import Side
from serving.execution.entries import Opened
from serving.execution.limit_entries import LimitTerms
from serving.journal import IntentState, Purpose
from serving.reconcile import ReconcileReport
from tests.serving.resting_okx import RestingOkx
from tests.serving.trading import BTC, Desk, desk_on, entry
from tests.serving.trading_machine import Killed

TERMS = LimitTerms(deadline_s=60.0, quotes=1, drift=Decimal("0.002"), cancel_after_s=30)
ORDER, TIMER = "privatePostTradeOrder", "privatePostTradeCancelAllAfter"
WANTED = entry(Side.BUY, "1.25")
FILLED, CANCELLED = IntentState.FILLED, IntentState.CANCELLED


@pytest.fixture
def okx() -> RestingOkx:
    return RestingOkx()


@pytest.fixture
def desk(okx: RestingOkx, tmp_path: Path) -> Iterator[Desk]:
    made = desk_on(okx, tmp_path / "journal.db", limits=TERMS)
    yield made
    made.journal.close()


def begin(desk: Desk) -> Opened:
    return asyncio.run(desk.executor.open(WANTED, desk.decide(WANTED)))


def look(desk: Desk, okx: RestingOkx, seconds: float = 5, **how: Any) -> ReconcileReport:
    okx.now_ms += int(seconds * 1000)
    return asyncio.run(desk.reconciler.run(**how))


def orders(desk: Desk) -> list[tuple[str, IntentState, Decimal]]:
    found = desk.journal.intents(WANTED.position_id, 0, Purpose.ENTRY)
    return [(intent.order_type, intent.state, intent.filled_contracts) for intent in found]


def assert_equal(desk: Desk, okx: RestingOkx, size: str) -> None:
    """Journal and venue have the same position with one stop that covers it, and nothing rests or is in doubt."""
    held = [record.position.legs[0].contracts for record in desk.journal.open_positions()]
    assert held == ([Decimal(size)] if Decimal(size) else [])
    assert okx.size(BTC) == Decimal(size)
    assert [Decimal(algo["sz"]) >= okx.size(BTC) for algo in okx.live_algos(BTC)] == [True] * len(held)
    assert okx.resting() == []
    assert not desk.executor.rests
    assert [i for i in desk.journal.unsettled() if i.purpose is not Purpose.PROTECT] == []
    report = asyncio.run(desk.reconciler.run())
    assert (report.problems, report.doubts, report.unresolved, report.resting) == ([], [], [], [])


def test_an_order_that_rests_is_no_position_and_no_problem(desk: Desk, okx: RestingOkx) -> None:
    outcome = begin(desk)
    assert (outcome.position, outcome.rests, outcome.problems) == (None, True, ())
    [body] = okx.sent(ORDER)
    assert (body["ordType"], body["px"], body["sz"]) == ("post_only", "79999.9", "1.25")
    assert desk.executor.rests
    report = look(desk, okx)
    assert (report.resting, report.problems, report.unresolved) == ([WANTED.position_id], [], [])
    [order] = okx.resting()
    okx.fill(order, "1")
    report = look(desk, okx)
    assert report.opened == [WANTED.position_id]
    assert_equal(desk, okx, "1.25")
    [fill] = desk.journal.fills(WANTED.position_id)
    assert fill.fee_usdt == Decimal("-0.0002") * Decimal("1.25") * Decimal("0.01") * Decimal("79999.9")


def test_the_price_is_the_decisions_where_the_market_has_gone_up(desk: Desk, okx: RestingOkx) -> None:
    okx.move(BTC, Decimal(80_100))
    begin(desk)
    assert okx.sent(ORDER)[0]["px"] == "80000.0"


def test_what_is_left_at_the_deadline_goes_at_market(desk: Desk, okx: RestingOkx) -> None:
    begin(desk)
    okx.fill(okx.resting()[0], "0.4")
    look(desk, okx)
    assert [Decimal(algo["sz"]) for algo in okx.live_algos(BTC)] == [Decimal("0.5")], "what is filled has its stop"
    report = look(desk, okx, 60)
    assert report.opened == [WANTED.position_id]
    assert orders(desk) == [("post_only", CANCELLED, Decimal("0.5")), ("market", FILLED, Decimal("0.75"))]
    assert_equal(desk, okx, "1.25")
    [leg] = desk.journal.open_positions()[0].position.legs
    assert leg.entry_price == pytest.approx((0.5 * 79999.9 + 0.75 * 80000) / 1.25)
    fees = [fill.fee_usdt for fill in desk.journal.fills(WANTED.position_id)]
    assert fees == [
        Decimal("-0.0002") * Decimal("0.5") * Decimal("799.999"),
        Decimal("-0.0005") * Decimal("0.75") * 800,
    ]


@pytest.mark.parametrize(("price", "drift"), [("80400", "0.002"), ("80000", "0")])
def test_nothing_goes_at_market_where_the_price_ran_away_or_it_may_not(
    price: str, drift: str, okx: RestingOkx, tmp_path: Path
) -> None:
    terms = LimitTerms(deadline_s=60.0, quotes=1, drift=Decimal(drift), cancel_after_s=30)
    desk = desk_on(okx, tmp_path / "j.db", limits=terms)
    begin(desk)
    okx.move(BTC, Decimal(price))
    report = look(desk, okx, 61)
    assert len(report.problems) == 1
    assert "was not opened" in report.problems[0]
    assert orders(desk) == [("post_only", CANCELLED, Decimal(0))]
    assert_equal(desk, okx, "0")
    desk.journal.close()


def test_a_part_stays_where_the_price_ran_away(desk: Desk, okx: RestingOkx) -> None:
    begin(desk)
    okx.fill(okx.resting()[0], "0.4")
    okx.move(BTC, Decimal(80_400))
    look(desk, okx, 61)
    assert_equal(desk, okx, "0.5")


@pytest.mark.parametrize("share", ["1", "0.4"])
def test_a_fill_is_faster_than_the_cancellation(share: str, desk: Desk, okx: RestingOkx) -> None:
    begin(desk)
    okx.while_cancelling = share
    look(desk, okx, 61)
    assert sum(filled for _, _, filled in orders(desk)) == Decimal("1.25")
    assert_equal(desk, okx, "1.25")


def test_an_order_that_would_take_is_quoted_again_and_then_goes_at_market(okx: RestingOkx, tmp_path: Path) -> None:
    terms = LimitTerms(deadline_s=60.0, quotes=2, drift=Decimal("0.002"), cancel_after_s=30)
    desk = desk_on(okx, tmp_path / "j.db", limits=terms)

    def fall(step: str) -> None:
        if step == "entry: switch armed":  # between the look at the book and the order
            okx.move(BTC, okx.prices[BTC] - 1)

    desk.orders.checkpoint = fall
    assert begin(desk).position is not None
    assert [kind for kind, _, _ in orders(desk)] == ["post_only", "post_only", "market"]
    answers = [
        event.answer for event in desk.journal.events(desk.journal.intents(WANTED.position_id)[0].client_order_id)
    ]
    assert "venue: cancelled, source 31" in answers
    assert_equal(desk, okx, "1.25")
    desk.journal.close()


def test_quotes_follow_the_price_as_far_as_the_drift(okx: RestingOkx, tmp_path: Path) -> None:
    terms = LimitTerms(deadline_s=60.0, quotes=3, drift=Decimal("0.002"), cancel_after_s=30)
    desk = desk_on(okx, tmp_path / "j.db", limits=terms)
    begin(desk)
    for price in ("80100", "80900"):
        okx.move(BTC, Decimal(price))
        look(desk, okx, 20)
    assert [body["px"] for body in okx.sent(ORDER)] == ["79999.9", "80099.9", "80160.0"]
    assert [body["sz"] for body in okx.sent(ORDER)] == ["1.25"] * 3
    look(desk, okx, 20)
    assert_equal(desk, okx, "0")
    desk.journal.close()


def test_the_venue_cancels(desk: Desk, okx: RestingOkx) -> None:
    begin(desk)
    okx.plan = [(0, "0.4"), (0, "cancel")]
    look(desk, okx)
    assert [(kind, filled) for kind, _, filled in orders(desk)] == [
        ("post_only", Decimal("0.5")),
        ("market", Decimal("0.75")),
    ]
    assert_equal(desk, okx, "1.25")


def test_nothing_more_is_opened_while_guarding(desk: Desk, okx: RestingOkx) -> None:
    begin(desk)
    okx.fill(okx.resting()[0], "0.4")
    look(desk, okx, entries=False)
    assert orders(desk) == [("post_only", CANCELLED, Decimal("0.5"))]
    assert_equal(desk, okx, "0.5")


def test_the_switch_is_armed_before_the_order_refreshed_by_looks_and_disarmed(desk: Desk, okx: RestingOkx) -> None:
    begin(desk)
    names = [name for name, _ in okx.calls if name in (ORDER, TIMER)]
    assert names == [TIMER, ORDER]
    tag = okx.sent(ORDER)[0]["tag"]
    assert okx.sent(TIMER) == [{"timeOut": "30", "tag": tag}]
    look(desk, okx)
    assert len(okx.sent(TIMER)) == 2
    look(desk, okx, 60)
    assert okx.sent(TIMER)[-1]["timeOut"] == "0"
    assert okx.timers == {}
    assert_equal(desk, okx, "1.25")


def test_no_limit_order_without_the_switch(desk: Desk, okx: RestingOkx) -> None:
    okx.faults = [(TIMER, "throttled")]
    with pytest.raises(PairityError):
        begin(desk)
    assert okx.sent(ORDER) == []
    report = look(desk, okx)
    assert report.resting == [WANTED.position_id]
    assert len(okx.sent(ORDER)) == 1


@pytest.mark.parametrize("part", ["0", "0.4"])
def test_killed_while_it_rests_the_venue_cancels_and_the_restart_accounts(
    part: str, desk: Desk, okx: RestingOkx, tmp_path: Path
) -> None:
    begin(desk)
    okx.fill(okx.resting()[0], part)
    desk.journal.close()
    okx.now_ms += 31_000
    okx.run_timers()
    assert okx.resting() == [], "the venue ended it without us"
    okx.now_ms += 3_600_000
    again = desk_on(okx, tmp_path / "journal.db", limits=TERMS)
    look(again, okx)
    assert len(okx.sent(ORDER)) == 1, "an hour later nothing goes at market"
    assert_equal(again, okx, str(Decimal("1.25") * Decimal(part)))
    again.journal.close()


def test_killed_and_back_at_once_it_goes_on_resting(desk: Desk, okx: RestingOkx, tmp_path: Path) -> None:
    begin(desk)
    desk.journal.close()
    again = desk_on(okx, tmp_path / "journal.db", limits=TERMS)
    assert look(again, okx).resting == [WANTED.position_id]
    assert again.executor.rests
    look(again, okx, 60)
    assert_equal(again, okx, "1.25")
    again.journal.close()


def test_a_resting_order_is_ended_where_entries_go_at_market_now(desk: Desk, okx: RestingOkx, tmp_path: Path) -> None:
    begin(desk)
    desk.journal.close()
    again = desk_on(okx, tmp_path / "journal.db")
    look(again, okx)
    assert_equal(again, okx, "0")
    again.journal.close()


@pytest.mark.parametrize("ended_by", ["the deadline", "the venue"])
@pytest.mark.parametrize("away_s", [1, 3600])
def test_killed_after_the_limit_order_ended_the_entry_is_not_forgotten(
    ended_by: str, away_s: int, okx: RestingOkx, tmp_path: Path
) -> None:
    def checkpoint(step: str) -> None:
        if step == "entry: limit ended":
            raise Killed

    first = desk_on(okx, tmp_path / "journal.db", limits=TERMS, checkpoint=checkpoint)
    begin(first)
    if ended_by == "the venue":
        okx.resting()[0] |= {"state": "canceled", "cancelSource": "0"}
    with pytest.raises(Killed):
        look(first, okx, 5 if ended_by == "the venue" else 61)
    first.journal.close()
    again = desk_on(okx, tmp_path / "journal.db", limits=TERMS)
    report = look(again, okx, away_s)
    if away_s == 1:
        assert_equal(again, okx, "1.25")
    else:
        assert "too late for the market" in report.problems[0]
        assert_equal(again, okx, "0")
    assert [intent.state.final for intent in again.journal.unsettled() if not okx.size(BTC)] == []
    again.journal.close()


@pytest.mark.parametrize("kind", ["garbage", "reset_before", "timeout"])
def test_a_price_that_cannot_be_read_when_the_order_ended_is_asked_again(
    kind: str, desk: Desk, okx: RestingOkx
) -> None:
    begin(desk)
    okx.faults += [("publicGetMarketTicker", kind)] * 4
    with contextlib.suppress(PairityError):
        look(desk, okx, 61)
    okx.faults.clear()
    assert okx.size(BTC) == 0
    look(desk, okx, 1)
    assert_equal(desk, okx, "1.25")


def test_an_order_that_was_refused_while_halted_leaves_nothing_behind(desk: Desk, okx: RestingOkx) -> None:
    begin(desk)
    okx.resting()[0] |= {"state": "canceled", "cancelSource": "0"}
    report = look(desk, okx, 1, entries=False)
    assert "nothing may be opened now" in report.problems[0]
    assert desk.journal.unsettled() == []
    assert_equal(desk, okx, "0")


@pytest.mark.parametrize("attaches_at", ["the end", "never"])
def test_a_part_is_protected_where_the_venue_attaches_stops_later(
    attaches_at: str, desk: Desk, okx: RestingOkx
) -> None:
    okx.attaches_at, okx.drop_attached = attaches_at, attaches_at == "never"
    begin(desk)
    for share in ("0.2", "0.5"):
        okx.fill(okx.resting()[0], share)
        look(desk, okx)
        [algo] = okx.live_algos(BTC)
        assert Decimal(algo["sz"]) == okx.size(BTC)
    okx.fill(okx.resting()[0], "1")
    look(desk, okx)
    assert_equal(desk, okx, "1.25")
    assert len(okx.live_algos(BTC)) == 1
