"""The venue allows less leverage than the settings ask for while something of ours is open."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from pairity.margin import MarginMode
from pairity.strategy.types import Side
from pairity.timeline import HOUR
from serving.journal import TradingState
from tests.paper_exchange.signed_requests import ask
from tests.serving.margin_scene import Scene, Watched, play
from tests.serving.trading import T0, entry, opened

TRADING, GUARDING = TradingState.TRADING, TradingState.GUARDING


def allow(process: Watched, most: str, *assets: str) -> None:
    contracts = process.parts.contracts
    for asset in assets or tuple(contracts):
        contracts[asset] = replace(contracts[asset], max_leverage=Decimal(most))  # type: ignore[index]


@pytest.mark.parametrize("asset", ["BTC", "ETH"])
def test_a_position_is_guarded_nothing_is_opened_and_it_is_said(tmp_path: Path, asset: str) -> None:
    """Of the instrument that is held, or of another one of the universe."""

    async def act(scene: Scene) -> None:
        desk = scene.desk
        position = await opened(desk, entry(Side.BUY, "5"))
        process = Watched(scene, MarginMode.CROSS, tmp_path)
        assert process.supervisor.state is TRADING
        allow(process, "0.5", asset)
        process.watch._follow_leverage()
        assert process.supervisor.state is GUARDING
        assert f"strategy.leverage 1 is above what the venue allows: {asset} 0.5" in process.status.causes["leverage"]
        assert "stops and exits go on, nothing is opened" in process.status.causes["leverage"]
        newest = desk.journal.states.newest()
        assert newest is not None
        assert newest.state is GUARDING, "a state is an event, and alerts follow events"
        refused = entry(Side.BUY, "5", 2_000.0, "ETH")
        assert "leverage" in (await process.cycle._carry_out(desk.decide(refused, at=T0 + HOUR)))[0]
        closed = await desk.executor.close(position, "z_cross", None)
        assert closed.problems == ()
        assert scene.account.positions == {}

    play(tmp_path, MarginMode.CROSS, act)


def test_it_is_over_once_the_venue_allows_it(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        process = Watched(scene, MarginMode.CROSS, tmp_path)
        allow(process, "0.5")
        process.watch._follow_leverage()
        assert process.supervisor.state is GUARDING
        await process.watch.look()  # the listings say 100 or more
        allow(process, "1")
        await process.watch.look()
        assert process.supervisor.state is TRADING
        assert ask(scene.url, "GET", "account/positions")["code"] == "0"

    play(tmp_path, MarginMode.CROSS, act)


def test_a_process_that_begins_with_a_position_says_it_from_the_start_on(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await opened(scene.desk, entry(Side.BUY, "5"))
        contracts = scene.desk.executor.contracts
        for asset in tuple(contracts):
            contracts[asset] = replace(contracts[asset], max_leverage=Decimal("0.5"))  # type: ignore[index]
        process = Watched(scene, MarginMode.CROSS, tmp_path)
        assert process.supervisor.state is GUARDING
        assert "leverage" in process.status.causes

    play(tmp_path, MarginMode.CROSS, act)
