"""The margin mode is changed in the settings while something of ours is in the other one."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from pairity.margin import MarginMode
from pairity.strategy.types import Side
from pairity.timeline import HOUR
from serving.execution.limit_entries import LimitTerms
from serving.journal import IntentState, Purpose, TradingState
from tests.paper_exchange.handmade_market import BTC, ETH
from tests.paper_exchange.signed_requests import ask
from tests.serving.margin_scene import MODES, Scene, Watched, play
from tests.serving.trading import T0, entry, opened

TRADING, GUARDING = TradingState.TRADING, TradingState.GUARDING


@pytest.mark.parametrize("mode", MODES)
def test_what_is_open_keeps_its_mode_and_its_stops_and_nothing_is_opened(tmp_path: Path, mode: MarginMode) -> None:
    async def act(scene: Scene) -> None:
        desk, account = scene.desk, scene.account
        position = await opened(desk, entry(Side.BUY, "5", margin=mode))
        process = Watched(scene, mode.other, tmp_path)
        assert process.supervisor.state is GUARDING, "from the start on, before anything was sent"
        assert "strategy.margin_mode is " + mode.other in process.status.causes["margin mode"]
        assert position.position_id in process.status.causes["margin mode"]
        (stop,) = account.live_algos()
        account.cancel_algo(stop)
        await process.watch.look()
        (again,) = account.live_algos()
        assert (again.margin_mode, again.size) == (mode, 5)
        refused = entry(Side.BUY, "5", 2_000.0, "ETH", margin=mode.other)
        assert "margin mode" in (await process.cycle._carry_out(desk.decide(refused, at=T0 + HOUR)))[0]
        closed = await desk.executor.close(position, "z_cross", None)
        assert closed.problems == ()
        await process.watch.look()
        assert process.supervisor.state is TRADING
        assert account.positions == {}
        assert account.live_algos() == []

    play(tmp_path, mode, act)


@pytest.mark.parametrize("mode", MODES)
def test_an_entry_of_the_mode_before_is_not_begun(tmp_path: Path, mode: MarginMode) -> None:
    """It was decided, the process ended, and the one that comes back has other settings."""

    async def act(scene: Scene) -> None:
        decided = scene.desk.decide(entry(Side.BUY, "5", margin=mode))
        process = Watched(scene, mode.other, tmp_path)
        await process.watch.look()
        assert process.supervisor.state is TRADING
        (problem,) = await process.cycle._carry_out(decided)
        assert f"it was decided for {mode} margin" in problem
        assert scene.account.orders == {}

    play(tmp_path, mode, act)


@pytest.mark.parametrize("mode", MODES)
def test_a_limit_order_of_the_mode_before_is_cancelled(tmp_path: Path, mode: MarginMode) -> None:
    terms = LimitTerms(deadline_s=600.0, quotes=1, drift=Decimal("0.002"), cancel_after_s=60)

    async def act(scene: Scene) -> None:
        desk = scene.desk
        wanted = entry(Side.BUY, "5", 79_000.0, margin=mode)
        outcome = await desk.executor.open(wanted, desk.decide(wanted))
        assert outcome.rests
        (resting,) = scene.account.pending()
        assert resting.margin_mode == mode
        process = Watched(scene, mode.other, tmp_path)
        assert process.supervisor.state is GUARDING
        await process.watch.look()
        assert scene.account.pending() == []
        assert scene.account.positions == {}
        await process.watch.look()
        assert process.supervisor.state is TRADING
        (ended,) = desk.journal.intents(wanted.position_id, purpose=Purpose.ENTRY)
        assert (ended.state, ended.margin_mode) == (IntentState.CANCELLED, mode)

    play(tmp_path, mode, act, limits=terms)


@pytest.mark.parametrize("mode", MODES)
def test_an_order_in_doubt_is_settled_in_its_own_mode(tmp_path: Path, mode: MarginMode) -> None:
    """It was sent, filled, and the process ended before the answer: its position is completed, protected, and kept."""

    async def act(scene: Scene) -> None:
        desk, wanted = scene.desk, entry(Side.BUY, "5", margin=mode)

        class Ended(Exception):
            pass

        def end(step: str) -> None:
            if step == "entry: after the wire":
                raise Ended

        desk.orders.checkpoint = end
        with pytest.raises(Ended):
            await desk.executor.open(wanted, desk.decide(wanted))
        desk.orders.checkpoint = lambda _: None
        process = Watched(scene, mode.other, tmp_path)
        assert "began in" in process.status.causes["margin mode"]
        await process.watch.look()
        (record,) = desk.journal.open_positions()
        assert record.position.margin_mode is mode
        assert process.supervisor.state is GUARDING
        assert [algo.margin_mode for algo in scene.account.live_algos()] == [mode]

    play(tmp_path, mode, act)


@pytest.mark.parametrize("mode", MODES)
def test_a_position_of_others_in_the_new_mode_is_not_taken_over_beside_ours(tmp_path: Path, mode: MarginMode) -> None:
    async def act(scene: Scene) -> None:
        desk = scene.desk
        await opened(desk, entry(Side.BUY, "5", margin=mode))
        scene.trade("buy", "2", mode.other)
        scene.trade("buy", "2", mode.other, ETH)
        process = Watched(scene, mode.other, tmp_path)
        report = await desk.reconciler.run()
        assert BTC in report.blocked
        assert [record.position.margin_mode for record in desk.journal.open_positions()] == [mode]
        assert process.supervisor.state is GUARDING
        rows = ask(scene.url, "GET", "account/positions")["data"]
        assert {(row["instId"], row["mgnMode"], row["pos"]) for row in rows} == {
            (BTC, mode, "5"),
            (BTC, mode.other, "2"),
            (ETH, mode.other, "2"),
        }

    play(tmp_path, mode, act)
