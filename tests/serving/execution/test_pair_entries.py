"""Two legs are opened together, in the hedge ratio and protected, or not at all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pairity.errors import OrderUnknownError, PairityError, UnconfirmedError, VenueError
from pairity.strategy.types import PairPosition, Side
from serving.execution.entries import Opened
from serving.execution.executor import Executor
from serving.journal import IntentState, Purpose
from tests.serving.pair_trading import decide_pair, pair_entry
from tests.serving.picky_okx import PickyOkx
from tests.serving.tiny_okx import TinyOkx
from tests.serving.trading import BTC, ETH, SPECS, Desk, desk_on

ORDER = "privatePostTradeOrder"


@pytest.fixture
def picky() -> PickyOkx:
    return PickyOkx()


@pytest.fixture
def desk(picky: PickyOkx, tmp_path: Path) -> Iterator[Desk]:
    made = desk_on(picky, tmp_path / "journal.db")
    yield made
    made.journal.close()


def open_pair(desk: Desk, **sizes: Any) -> Opened:
    wanted = pair_entry(**sizes)
    return asyncio.run(desk.executor.open(wanted, decide_pair(desk, wanted)))


def opened_pair(desk: Desk) -> PairPosition:
    outcome = open_pair(desk)
    assert outcome.position is not None, outcome
    return outcome.position


def assert_flat(desk: Desk, tiny: TinyOkx) -> None:
    """Nothing is held, nothing rests, and the journal knows of nothing open."""
    assert (tiny.size(BTC), tiny.size(ETH)) == (0, 0)
    assert tiny.live_algos(BTC) == tiny.live_algos(ETH) == []
    assert desk.journal.open_positions() == []
    assert desk.journal.unsettled() == []
    report = asyncio.run(desk.reconciler.run())
    assert (report.positions, report.problems, report.unresolved) == ((), [], [])


def test_both_legs_are_opened_and_each_has_its_stops(desk: Desk, picky: PickyOkx) -> None:
    position = opened_pair(desk)
    assert [(leg.asset, leg.side, leg.contracts) for leg in position.legs] == [
        ("BTC", Side.SELL, Decimal("1.25")),
        ("ETH", Side.BUY, Decimal(5)),
    ]
    assert (picky.size(BTC), picky.size(ETH)) == (Decimal("-1.25"), Decimal(5))
    for instrument, leg in zip((BTC, ETH), position.legs, strict=True):
        (algo,) = picky.live_algos(instrument)
        assert (algo["side"], Decimal(algo["sz"])) == (leg.side.opposite, leg.contracts)
        assert Decimal(algo["slTriggerPx"]) == Decimal(str(leg.stop_price))
    report = asyncio.run(desk.reconciler.run())
    assert (report.closed, report.problems, report.positions) == ([], [], (position,))


def test_both_intents_are_in_the_journal_before_the_first_request(picky: PickyOkx, tmp_path: Path) -> None:
    seen: list[int] = []
    desk = desk_on(
        picky,
        tmp_path / "j.db",
        checkpoint=lambda step: (
            seen.append(len(desk.journal.unsettled())) if step == "entry: before the wire" else None
        ),
    )
    opened_pair(desk)
    assert seen[0] == 4, "two orders and two protections"
    desk.journal.close()


def test_the_leg_nearer_to_its_largest_order_is_sent_first(picky: PickyOkx, tmp_path: Path) -> None:
    for largest, first in (({"BTC": "100", "ETH": "10"}, ETH), ({"BTC": "2", "ETH": "1000"}, BTC)):
        desk = desk_on(picky, tmp_path / f"{first}.db")
        specs = {name: replace(spec, max_market_sz=Decimal(largest.get(name, "100"))) for name, spec in SPECS.items()}
        desk.executor = Executor(desk.orders, specs, leverage=1)
        picky.calls.clear()
        position = opened_pair(desk)
        assert [body["instId"] for body in picky.sent(ORDER)] == [first, ETH if first == BTC else BTC]
        picky.calls.clear()
        asyncio.run(desk.executor.close(position, "z_cross", None))
        assert picky.sent(ORDER)[0]["instId"] == first, "and closed first"
        desk.journal.close()


def test_a_refused_first_leg_opens_nothing(desk: Desk, picky: PickyOkx) -> None:
    picky.shares[BTC] = ["no"]
    outcome = open_pair(desk)
    assert outcome.position is None
    assert "51008" in outcome.reason
    assert len(picky.sent(ORDER)) == 1, "the other leg is not sent"
    assert_flat(desk, picky)


def test_a_second_leg_that_is_refused_once_is_tried_again(desk: Desk, picky: PickyOkx) -> None:
    picky.shares[ETH] = ["no"]
    position = opened_pair(desk)
    assert [leg.contracts for leg in position.legs] == [Decimal("1.25"), Decimal(5)]
    states = [intent.state for intent in desk.journal.intents(position.position_id, 1, Purpose.ENTRY)]
    assert states == [IntentState.REJECTED, IntentState.FILLED]
    assert [len(picky.live_algos(name)) for name in (BTC, ETH)] == [1, 1]
    assert asyncio.run(desk.reconciler.run()).problems == []


def test_a_second_leg_that_stays_refused_closes_the_first(desk: Desk, picky: PickyOkx) -> None:
    picky.shares[ETH] = ["no"] * 9
    outcome = open_pair(desk)
    assert outcome.position is None
    assert "51008" in outcome.reason
    (record,) = desk.journal.closed_positions()
    assert record.close is not None
    assert record.close.exit_reason == "leg_risk"
    assert record.close.net_usdt == picky.cash - 10_000
    assert_flat(desk, picky)


def test_a_first_leg_that_is_filled_in_part_is_followed_in_size(desk: Desk, picky: PickyOkx) -> None:
    picky.shares[BTC] = ["0.4"]
    position = opened_pair(desk)
    assert [leg.contracts for leg in position.legs] == [Decimal("0.50"), Decimal(2)]
    assert [len(picky.live_algos(name)) for name in (BTC, ETH)] == [1, 1]
    assert [Decimal(picky.live_algos(name)[0]["sz"]) for name in (BTC, ETH)] == [Decimal("1.25"), Decimal(2)]
    report = asyncio.run(desk.reconciler.run())
    assert (report.problems, report.positions) == ([], (position,))


def test_a_second_leg_that_is_filled_in_part_is_filled_up(desk: Desk, picky: PickyOkx) -> None:
    picky.shares[ETH] = ["0.4", "0.5"]
    position = opened_pair(desk)
    assert [leg.contracts for leg in position.legs] == [Decimal("1.25"), Decimal(5)]
    (algo,) = picky.live_algos(ETH)
    assert Decimal(algo["sz"]) == 5, "one stop for all of it"
    assert asyncio.run(desk.reconciler.run()).problems == []


def test_a_second_leg_that_never_comes_near_the_ratio_closes_all(desk: Desk, picky: PickyOkx) -> None:
    picky.shares[ETH] = ["0.2", "0.2", "0.2"]
    assert open_pair(desk).position is None
    assert_flat(desk, picky)


def test_near_enough_to_the_ratio_is_whole(desk: Desk, picky: PickyOkx) -> None:
    picky.shares[ETH] = ["0.96", "no", "no"]
    position = opened_pair(desk)
    assert [leg.contracts for leg in position.legs] == [Decimal("1.25"), Decimal("4.80")]


def test_past_the_deadline_the_second_leg_is_not_sent(desk: Desk, picky: PickyOkx) -> None:
    wanted = pair_entry()
    decision = decide_pair(desk, wanted)

    def later(step: str) -> None:
        if step == "entry: finished":
            picky.now_ms += 61_000

    desk.orders.checkpoint = later
    outcome = asyncio.run(desk.executor.open(wanted, decision))
    assert outcome.position is None
    assert [body["instId"] for body in picky.sent(ORDER)] == [BTC, BTC]
    assert_flat(desk, picky)


def test_a_second_leg_of_unknown_outcome_is_closed_with_the_first_once_it_is_known(desk: Desk, picky: PickyOkx) -> None:
    """The venue executes it, the reply is lost, and look-ups stay unreadable past the deadline."""
    wanted = pair_entry()
    decision = decide_pair(desk, wanted)

    def lose(step: str) -> None:
        if step == "entry: finished" and not picky.faults:
            picky.faults = [(ORDER, "timeout")] + [("privateGetTradeOrder", "html")] * 2000
            desk.orders.checkpoint = readable

    def readable(step: str) -> None:
        if step == "entry: broken":
            picky.faults = []

    desk.orders.checkpoint = lose
    with pytest.raises(OrderUnknownError):
        asyncio.run(desk.executor.open(wanted, decision))
    assert picky.size(BTC) == 0, "what is known was closed"
    assert picky.size(ETH) == 5
    assert len(picky.live_algos(ETH)) == 1, "what is not known keeps its stop"
    assert len(desk.journal.open_positions()) == 1, "and nothing is booked"
    desk.orders.checkpoint = lambda _step: None
    asyncio.run(desk.reconciler.run())
    (record,) = desk.journal.closed_positions()
    assert record.close is not None
    assert record.close.net_usdt == picky.cash - 10_000
    assert_flat(desk, picky)


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("late", [False, True], ids=["in time", "late"])
@pytest.mark.parametrize(
    "at",
    [4, 6, 7, 9, 12, *(pytest.param(at, marks=pytest.mark.slow) for at in range(1, 20) if at not in {4, 6, 7, 9, 12})],
)
def test_killed_between_the_legs_it_is_completed_in_time_and_unwound_late(
    at: int, late: bool, picky: PickyOkx, tmp_path: Path
) -> None:
    steps = 0

    def kill(_step: str) -> None:
        nonlocal steps
        steps += 1
        if steps == at:
            raise Killed

    wanted = pair_entry()
    desk = desk_on(picky, tmp_path / "j.db", checkpoint=kill)
    decision = decide_pair(desk, wanted)
    with contextlib.suppress(Killed):
        asyncio.run(desk.executor.open(wanted, decision))
    desk.journal.close()
    before = [picky.size(name) != 0 for name in (BTC, ETH)]
    picky.now_ms += 100_000 if late else 0
    again = desk_on(picky, tmp_path / "j.db")
    for _ in range(2):
        asyncio.run(again.reconciler.run())
    whole = all(before) or (any(before) and not late)
    assert (picky.size(BTC), picky.size(ETH)) == ((Decimal("-1.25"), Decimal(5)) if whole else (0, 0))
    assert [len(picky.live_algos(name)) for name in (BTC, ETH)] == [int(whole)] * 2
    assert len(again.journal.open_positions()) == int(whole)
    if whole:
        asyncio.run(again.executor.close(again.journal.open_positions()[0].position, "z_cross", None))
        assert_flat(again, picky)
    again.journal.close()


@pytest.mark.parametrize("hours_later", [0, 1])
def test_while_the_second_leg_is_in_doubt_the_first_is_ours_and_keeps_its_stop(
    hours_later: int, picky: PickyOkx, tmp_path: Path
) -> None:
    """The process dies when the second order has left, and the one after it cannot look it up for a while."""
    orders = 0

    def kill(step: str) -> None:
        nonlocal orders
        orders += step == "entry: before the wire"
        if orders == 2:
            raise Killed

    desk = desk_on(picky, tmp_path / "j.db", checkpoint=kill)
    with pytest.raises(Killed):
        opened_pair(desk)
    desk.journal.close()
    again = desk_on(picky, tmp_path / "j.db")
    picky.now_ms += hours_later * 3_600_000
    picky.faults = [("privateGetTradeOrder", "html")] * 2000
    report = asyncio.run(again.reconciler.run())
    assert len(report.unresolved) == 1
    assert report.cancelled == []
    assert picky.size(BTC) == Decimal("-1.25")
    assert len(picky.live_algos(BTC)) == 1
    picky.faults = []
    asyncio.run(again.reconciler.run())
    if not hours_later:
        assert (picky.size(BTC), picky.size(ETH)) == (Decimal("-1.25"), Decimal(5))
        asyncio.run(again.executor.close(again.journal.open_positions()[0].position, "z_cross", None))
    assert_flat(again, picky)
    again.journal.close()


def test_a_triggered_stop_of_one_leg_closes_the_other(desk: Desk, picky: PickyOkx) -> None:
    opened_pair(desk)
    picky.move(BTC, Decimal(85_000))
    report = asyncio.run(desk.reconciler.run())
    (closed,) = report.closed
    assert closed.close.exit_reason == "leg_risk"
    assert closed.close.pnl_usdt == Decimal("0.0125") * -5000
    assert closed.close.net_usdt == picky.cash - 10_000
    assert_flat(desk, picky)


@pytest.mark.parametrize(("gone", "whole"), [("2", False), ("0.2", True)])
@pytest.mark.parametrize("kind", ["1", "104"], ids=["by hand", "liquidation"])
def test_a_leg_that_lost_a_part_keeps_the_pair_only_within_the_tolerance(
    kind: str, gone: str, whole: bool, desk: Desk, picky: PickyOkx
) -> None:
    opened_pair(desk)
    picky.trade_by_hand(ETH, "sell", Decimal(gone), kind)
    report = asyncio.run(desk.reconciler.run())
    assert len(report.positions) == int(whole)
    if whole:
        assert asyncio.run(desk.reconciler.run()).closed == []
        return
    assert report.closed[0].close.exit_reason == "leg_risk"
    assert report.closed[0].close.net_usdt == picky.cash - 10_000
    assert_flat(desk, picky)


def test_while_the_first_leg_cannot_be_closed_the_other_goes_on_hedging_it(desk: Desk, picky: PickyOkx) -> None:
    position = opened_pair(desk)
    picky.shares[BTC] = ["no"] * 9
    with pytest.raises(PairityError):
        asyncio.run(desk.executor.close(position, "z_cross", None))
    assert (picky.size(BTC), picky.size(ETH)) == (Decimal("-1.25"), Decimal(5))
    assert [len(picky.live_algos(name)) for name in (BTC, ETH)] == [1, 1]


def test_an_exit_whose_second_leg_fails_is_finished_by_reconciliation(desk: Desk, picky: PickyOkx) -> None:
    position = opened_pair(desk)
    picky.shares[ETH] = ["no"] * 4
    with pytest.raises(PairityError):
        asyncio.run(desk.executor.close(position, "z_cross", None))
    assert (picky.size(BTC), picky.size(ETH)) == (0, Decimal(5))
    asyncio.run(desk.reconciler.run())
    assert_flat(desk, picky)


def test_a_list_that_lags_behind_an_entry_is_not_taken_for_flat(desk: Desk, picky: PickyOkx) -> None:
    position = opened_pair(desk)
    picky.faults = [("privateGetAccountPositions", "no_rows")] * 2
    closed = asyncio.run(desk.executor.close(position, "z_cross", None))
    assert (closed.close.exit_reason, closed.problems) == ("z_cross", ())
    assert_flat(desk, picky)


def test_an_empty_list_alone_books_nothing_and_cancels_no_stop(desk: Desk, picky: PickyOkx) -> None:
    position = opened_pair(desk)
    picky.faults = [("privateGetAccountPositions", "no_rows")] * 2000
    with pytest.raises(VenueError, match="no execution closed it"):
        asyncio.run(desk.executor.close(position, "z_cross", None))
    assert len(desk.journal.open_positions()) == 1
    assert [len(picky.live_algos(name)) for name in (BTC, ETH)] == [1, 1]


def test_executions_of_one_leg_do_not_stand_in_for_the_other(desk: Desk, picky: PickyOkx) -> None:
    """Five contracts too many of one leg and five missing of the other are not complete."""
    position = opened_pair(desk)
    picky.trade_by_hand(BTC, "buy", Decimal("6.25"))
    picky.trade_by_hand(ETH, "sell", Decimal(5))
    picky.fills.pop()
    outcome, problems = asyncio.run(
        desk.executor.exits.accounting.compute_close(position, "manual", desk.orders.clock.now())
    )
    assert outcome.pnl_usdt is None
    assert "missing" in problems[0]


def test_a_pair_whose_second_leg_is_not_in_it_yet_is_not_booked_without_it(desk: Desk, picky: PickyOkx) -> None:
    """The process ended between the fill of the second leg and its booking, and the next one is told to close."""
    wanted, finished = pair_entry(), []

    def end(step: str) -> None:
        if step == "entry: finished":
            finished.append(step)
            if len(finished) == 2:
                raise Killed

    desk.orders.checkpoint = end
    with pytest.raises(Killed):
        asyncio.run(desk.executor.open(wanted, decide_pair(desk, wanted)))
    desk.orders.checkpoint = lambda _step: None
    (record,) = desk.journal.open_positions()
    assert len(record.position.legs) == 1
    with pytest.raises(UnconfirmedError, match="lacks its leg"):
        asyncio.run(desk.executor.close(record.position, "z_cross", None))
    assert (picky.size(BTC), picky.size(ETH)) == (Decimal("-1.25"), 5)
    asyncio.run(desk.reconciler.run())
    (record,) = desk.journal.open_positions()
    asyncio.run(desk.executor.close(record.position, "z_cross", None))
    assert_flat(desk, picky)
