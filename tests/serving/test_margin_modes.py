"""Positions of ours in either margin mode, alone and beside somebody else's in the other one."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from pairity.errors import VenueAnswerError
from pairity.margin import MarginMode
from pairity.strategy.types import Side
from pairity.timeline import from_ms
from serving.ledger import check_ledger
from tests.paper_exchange.exchange_server import inject
from tests.paper_exchange.handmade_market import BTC, minute
from tests.serving.margin_scene import MODES, NO_ROWS, Scene, play
from tests.serving.trading import entry, opened

CROSS, ISOLATED = MODES
CALM = (80_000, 80_000, 80_000, 80_000)
GONE = '{"code":"51001","data":[],"msg":"Instrument ID, Instrument ID code, or Spread ID does not exist."}'


def wanted(scene: Scene, side: Side = Side.BUY, contracts: str = "5"):
    return entry(side, contracts, margin=scene.margin)


@pytest.mark.parametrize("mode", MODES)
def test_orders_stops_leverage_and_books_are_in_the_mode(tmp_path: Path, mode: MarginMode) -> None:
    async def act(scene: Scene) -> None:
        desk, account = scene.desk, scene.account
        position = await opened(desk, wanted(scene))
        assert position.margin_mode is mode
        assert scene.size() == 5
        assert scene.size(mode.other) == 0
        assert account.lever(BTC, mode) == 5
        assert account.lever(BTC, mode.other) == 3, "the other mode keeps its own"
        assert {order.margin_mode for order in account.orders.values()} == {mode}
        assert {algo.margin_mode for algo in account.algos.values()} == {mode}
        assert {intent.margin_mode for intent in desk.journal.intents(position.position_id)} == {mode}
        report = await desk.reconciler.run()
        assert (report.problems, report.blocked, report.positions) == ([], {}, (position,))
        margin = account.positions[scene.holding()].margin
        assert (margin > 0) == (mode is ISOLATED)
        closed = await desk.executor.close(position, "z_cross", None)
        assert closed.problems == ()
        assert account.positions == {}
        assert account.live_algos() == []
        assert closed.close.net_usdt == account.ledger.cash - 10_000
        scene.pass_to(5)
        books = await check_ledger(desk.venue, desk.journal, from_ms(minute(0)))
        assert books.differences == ()

    play(tmp_path, mode, act)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_nothing_is_opened_beside_the_other_mode(tmp_path: Path, mode: MarginMode, side: str) -> None:
    async def act(scene: Scene) -> None:
        scene.trade(side, "3", mode.other)
        outcome = await scene.desk.executor.open(wanted(scene), scene.desk.decide(wanted(scene)))
        assert outcome.position is None
        assert outcome.reason == f"{BTC} has a position already"

    play(tmp_path, mode, act)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("side", ["buy", "sell"])
@pytest.mark.parametrize("adopt", [False, True])
def test_the_other_mode_beside_ours_is_somebody_elses(tmp_path: Path, mode: MarginMode, side: str, adopt: bool) -> None:
    """Its stops, its size and its end are not touched, and it does not stand in for ours."""

    async def act(scene: Scene) -> None:
        desk = scene.desk
        position = await opened(desk, wanted(scene))
        scene.trade(side, "7", mode.other)
        theirs = scene.size(mode.other)
        report = await desk.reconciler.run()
        assert (report.positions, report.adopted) == ((position,), [])
        assert f"in {mode.other} margin" in report.blocked[BTC]
        closed = await desk.executor.close(position, "z_cross", None)
        assert (closed.close.exit_reason, closed.problems) == ("z_cross", ())
        assert (scene.size(), scene.size(mode.other)) == (0, theirs)
        assert len(desk.journal.fills(position.position_id)) == 2

    play(tmp_path, mode, act, adopt=adopt)


@pytest.mark.parametrize("mode", MODES)
def test_executions_of_the_other_mode_end_nothing_of_ours(tmp_path: Path, mode: MarginMode) -> None:
    """The list of positions lacks ours, and somebody sold as much in the other mode: that is not a second fact."""

    async def act(scene: Scene) -> None:
        desk = scene.desk
        position = await opened(desk, wanted(scene))
        scene.trade("sell", "5", mode.other)
        scene.hide_positions()
        report = await desk.reconciler.run()
        assert report.closed == []
        assert "by its executions it has 5" in report.doubts[0]
        assert len(scene.account.live_algos()) == 1
        scene.show_all()
        report = await desk.reconciler.run()
        assert (report.doubts, report.positions) == ([], (position,))

    play(tmp_path, mode, act)


@pytest.mark.parametrize("mode", MODES)
def test_a_part_closed_by_hand_counts_in_our_mode_alone(tmp_path: Path, mode: MarginMode) -> None:
    async def act(scene: Scene) -> None:
        desk = scene.desk
        position = await opened(desk, wanted(scene))
        scene.trade("sell", "4", mode.other)
        scene.trade("sell", "2", mode)
        await desk.reconciler.run()
        (left,) = desk.journal.open_positions()
        assert left.position.legs[0].contracts == 3
        assert [algo.margin_mode for algo in scene.account.live_algos()] == [mode]
        scene.trade("sell", "3", mode)
        report = await desk.reconciler.run()
        (closed,) = report.closed
        assert closed.close.exit_reason == "manual"
        assert [fill.contracts for fill in desk.journal.fills(position.position_id)] == [5, 2, 3]
        assert scene.size(mode.other) == -4

    play(tmp_path, mode, act)


@pytest.mark.parametrize("mode", MODES)
def test_a_stop_closes_ours_and_is_booked_as_ours(tmp_path: Path, mode: MarginMode) -> None:
    fall = [CALM, CALM, (80_000, 80_000, 75_000, 75_000), *[(75_000, 75_000, 75_000, 75_000)] * 500]

    async def act(scene: Scene) -> None:
        desk = scene.desk
        position = await opened(desk, wanted(scene))
        scene.trade("buy", "1", mode.other)
        scene.pass_to(4)
        report = await desk.reconciler.run()
        (closed,) = report.closed
        assert closed.close.exit_reason == "stop_loss"
        assert [fill.contracts for fill in desk.journal.fills(position.position_id)] == [5, 5]
        assert closed.close.net_usdt is not None
        assert (scene.size(), scene.size(mode.other)) == (0, 1)

    play(tmp_path, mode, act, path=fall)


@pytest.mark.parametrize("mode", MODES)
def test_funding_of_the_other_mode_is_not_ours(tmp_path: Path, mode: MarginMode) -> None:
    """5 contracts of 0.01 BTC at 80,000 pay 4,000 · 0.001; another 7 in the other mode pay theirs."""

    async def act(scene: Scene) -> None:
        desk = scene.desk
        position = await opened(desk, wanted(scene))
        scene.trade("buy", "7", mode.other)
        scene.pass_to(3)
        await desk.reconciler.run()
        closed = await desk.executor.close(position, "z_cross", None)
        assert closed.close.funding_usdt == -4
        scene.pass_to(6)
        books = await check_ledger(desk.venue, desk.journal, from_ms(minute(0)))
        assert {item.finding for item in books.differences} == {"not ours"}
        assert books.positions == 1

    play(tmp_path, mode, act, fundings={BTC: [(minute(2), 0.001)]})


def test_an_isolated_position_is_liquidated_alone_and_loses_its_margin_at_most(tmp_path: Path) -> None:
    """The mark falls below the liquidation price while the last price, which the stop watches, stands still."""
    fall = [CALM, CALM, (80_000, 80_000, 76_000, 76_000), *[(76_000, 76_000, 76_000, 76_000)] * 500]

    async def act(scene: Scene) -> None:
        desk, account = scene.desk, scene.account
        position = await opened(desk, wanted(scene))
        scene.trade("buy", "1", CROSS)
        margin = account.positions[scene.holding()].margin
        fee = -account.positions[scene.holding()].fee
        scene.pass_to(4)
        report = await desk.reconciler.run()
        (closed,) = report.closed
        assert closed.close.exit_reason == "liquidation"
        assert closed.close.net_usdt is not None
        assert Decimal(0) < -closed.close.net_usdt <= margin + fee
        assert scene.size(CROSS) == 1, "the account is rich, and what stands in cross margin goes on"
        assert desk.journal.unsettled() == []
        assert account.live_algos() == []
        assert position.position_id == closed.position_id

    play(tmp_path, ISOLATED, act, marks=fall, leverage=50)


@pytest.mark.parametrize("mode", MODES)
def test_a_position_is_adopted_in_the_mode_in_force_only(tmp_path: Path, mode: MarginMode) -> None:
    async def act(scene: Scene) -> None:
        desk = scene.desk
        scene.trade("buy", "2", mode.other)
        report = await desk.reconciler.run()
        assert (report.adopted, list(report.blocked)) == ([], [BTC])
        scene.trade("sell", "2", mode.other)
        scene.trade("buy", "2", mode)
        await desk.reconciler.run()
        (record,) = desk.journal.open_positions()
        assert record.position.margin_mode is mode
        assert [(algo.margin_mode, algo.size) for algo in scene.account.live_algos()] == [(mode, 2)]

    play(tmp_path, mode, act, adopt=True)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("fault", [{"kind": "missing_51603"}, {"kind": "body", "text": GONE}, {"kind": "html_502"}])
def test_the_bill_says_the_mode_of_an_order_that_cannot_be_looked_up(
    tmp_path: Path, mode: MarginMode, fault: dict[str, str]
) -> None:
    """Both modes were traded by hand, and no order is told of: it was forgotten, its swap is gone, no answer is usable.

    Ours is reduced by its own mode alone.
    """

    async def act(scene: Scene) -> None:
        desk = scene.desk
        await opened(desk, wanted(scene))
        scene.trade("sell", "3", mode.other)
        scene.trade("sell", "2", mode)
        inject(scene.url, path="GET trade/order", count=1000, **fault)
        report = await desk.reconciler.run()
        assert report.doubts == []
        assert report.positions[0].legs[0].contracts == 3

    play(tmp_path, mode, act)


@pytest.mark.parametrize("mode", MODES)
def test_an_execution_of_unknown_mode_proves_nothing(tmp_path: Path, mode: MarginMode) -> None:
    async def act(scene: Scene) -> None:
        desk = scene.desk
        await opened(desk, wanted(scene))
        scene.trade("sell", "5", mode.other)
        scene.hide_positions()
        inject(scene.url, "missing_51603", "GET trade/order", 1000)
        inject(scene.url, "body", "account/bills", 1000, text=NO_ROWS)
        report = await desk.reconciler.run()
        assert (report.closed, len(report.doubts)) == ([], 1)
        scene.show_all()
        inject(scene.url, "html_502", "GET trade/order", 1000)
        inject(scene.url, "body", "account/bills", 1000, text=NO_ROWS)
        scene.hide_positions()
        with pytest.raises(VenueAnswerError, match="margin mode of order"):
            await desk.reconciler.run()
        assert len(scene.account.live_algos()) == 1

    play(tmp_path, mode, act)
