"""A trading process in one margin mode over a paper exchange whose prices are written down, and somebody else on it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import requests

from pairity.margin import MarginMode
from pairity.settings import Settings, StrategySettings
from pairity.timeline import from_ms, to_ms
from paper_exchange.account.account import Account
from paper_exchange.account.settlement import settle_until
from paper_exchange.clock import VirtualClock
from serving.cycle import Cycle
from serving.execution.pace import Pace
from serving.parts import Parts
from serving.reconcile import Reconciler
from serving.report import Reporter
from serving.status import Status
from serving.watch import Watch
from tests.paper_exchange.exchange_server import inject, serving
from tests.paper_exchange.handmade_market import BTC, ETH, HandmadeMarket, contract, flat, minute
from tests.paper_exchange.paper_keys import exchange_at
from tests.paper_exchange.signed_requests import ask
from tests.serving.guarding import Said, make_guard_parts
from tests.serving.trading import Desk
from venue.okx_client import aclose, make_client

MODES = list(MarginMode)
Bars = Sequence[tuple[float, float, float, float]]
NO_ROWS = '{"code":"0","msg":"","data":[]}'


@dataclass
class Scene:
    """The desk in its `margin` mode, the exchange's own account, and what a person does there."""

    desk: Desk
    account: Account
    clock: VirtualClock
    url: str
    margin: MarginMode

    def holding(self, mode: MarginMode | None = None, name: str = BTC) -> str:
        """The exchange's key of a position: of ours, or of the one in another mode."""
        return name if (mode or self.margin) is MarginMode.CROSS else f"{name} isolated net"

    def size(self, mode: MarginMode | None = None, name: str = BTC) -> Decimal:
        return self.account.held(self.holding(mode, name))

    def trade(self, side: str, contracts: str, mode: MarginMode, name: str = BTC, **more: Any) -> None:
        """Trade by hand."""
        body = {"instId": name, "tdMode": mode.value, "side": side, "ordType": "market", "sz": contracts, **more}
        answer = ask(self.url, "POST", "trade/order", body)
        assert answer["code"] == "0", answer

    def pass_to(self, number: int) -> None:
        """Let time pass to the opening of a minute's bar."""
        self.clock.advance_to(minute(number))
        settle_until(self.account, minute(number))

    def hide_positions(self, times: int = 1000) -> None:
        """Let the list of positions be empty."""
        inject(self.url, "body", "account/positions", times, text=NO_ROWS)

    def show_all(self) -> None:
        """End what faults there are."""
        requests.delete(f"{self.url}/control/faults", timeout=10).raise_for_status()


def play(
    tmp_path: Path,
    margin: MarginMode,
    act: Callable[[Scene], Awaitable[None]],
    *,
    path: Bars = (),
    marks: Bars | None = None,
    fundings: Any = None,
    leverage: int = 5,
    balance: int = 10_000,
    options: dict[str, Any] | None = None,
    **desk_options: Any,
) -> None:
    """Play an act on a new account; BTC follows `path` from 80,000 on, ETH stands still."""
    paths = {BTC: [*path, *flat(80_000, 600)], ETH: flat(2_000, 600)}
    instruments = {BTC: contract(BTC), ETH: contract(ETH, ct_val=Decimal("0.1"), tick_sz=Decimal("0.01"))}
    chosen = None if marks is None else {BTC: [*marks, *flat(80_000, 600)]}
    market = HandmadeMarket(paths, marks=chosen, instruments=instruments, fundings=fundings)
    clock = VirtualClock("stepped", market.start_ms)
    account = Account(market, clock, Decimal(balance), **(options or {}))

    async def run(url: str) -> None:
        client = make_client(Settings(exchange=exchange_at(url)), signed=True)
        pace = Pace(poll_s=0.01, settle_s=0.05)
        desk = Desk(
            tmp_path / "journal.db",
            client,
            lambda: from_ms(clock.now_ms()),
            pace,
            margin=margin,
            leverage=leverage,
            **desk_options,
        )
        try:
            await act(Scene(desk, account, clock, url, margin))
        finally:
            desk.journal.close()
            await aclose(client)

    with serving(market, clock, account=account) as url:
        asyncio.run(run(url))


class SceneClock:
    """The exchange's time; sleeping moves it."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def now(self) -> datetime:
        return from_ms(self._scene.clock.now_ms())

    async def sleep_until(self, instant: datetime) -> None:
        self._scene.clock.advance_to(max(to_ms(instant), self._scene.clock.now_ms()))


class Watched:
    """A watch over a scene's desk, whose settings ask for `margin` from here on."""

    def __init__(self, scene: Scene, margin: MarginMode, home: Path) -> None:
        self.status, self.said = Status("paper", "scene", {}), Said()
        settings = Settings(home=home, strategy=StrategySettings(margin_mode=margin), serve={"lease": False})
        scene.desk.reconciler = Reconciler(scene.desk.executor, settings)
        self.parts = make_guard_parts(settings, SceneClock(scene), scene.desk.executor, self.status, self.said)
        self.supervisor = self.parts.supervisor
        self.watch = Watch(self.parts)
        self.cycle = Cycle(cast(Parts, self.parts), self.watch, Reporter(self.parts))
