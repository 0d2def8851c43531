"""Trading processes without models on a paper exchange whose clock runs: loop, watch, journal, ccxt and its stream."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from pairity.errors import MissingDataError
from pairity.settings import Settings
from pairity.strategy.types import Entry
from pairity.trading_settings import ServeSettings
from paper_exchange.account.account import Account
from paper_exchange.clock import VirtualClock
from serving.execution.pace import Pace
from serving.loop import TradingLoop
from serving.parts import GuardParts, Parts
from serving.status import Status
from serving.wakes import show_stream, start_stream
from tests.paper_exchange.exchange_server import serving
from tests.paper_exchange.handmade_market import BTC, ETH, MINUTE_MS, T0, HandmadeMarket, flat
from tests.paper_exchange.paper_keys import exchange_at
from tests.serving.guarding import Said, make_guard_parts
from tests.serving.trading import Desk, opened
from venue.clock import PolledClock
from venue.okx_client import aclose, make_client


@contextmanager
def real_time_venue(unkind_seed: int | None = None) -> Iterator[tuple[str, Account]]:
    """Serve a flat market in real time, with lists that lag behind if unkind; yield its URL and its account."""
    market = HandmadeMarket({BTC: flat(100, 600), ETH: flat(50, 600)})
    # Far from the next hour: no decision falls into a test.
    clock = VirtualClock("real", T0 + 5 * MINUTE_MS)
    unkind = {} if unkind_seed is None else {"unkind": True, "seed": unkind_seed}
    account = Account(market, clock, Decimal(10_000), **unkind)  # type: ignore[arg-type]
    with serving(market, clock, account=account, unkind_seed=unkind_seed) as url:
        yield url, account


class Running:
    """One running process: what it trades with, and what it shows."""

    def __init__(self, desk: Desk, parts: GuardParts, loop: TradingLoop) -> None:
        self.desk, self.parts, self.loop = desk, parts, loop
        self.supervisor = parts.supervisor

    async def listen(self) -> None:
        """Return once the stream is open, and what it said at its beginning was looked at."""
        stream = self.parts.stream
        assert stream is not None
        await until(lambda: stream.describe().state == "open" and not stream.changed.is_set())
        await asyncio.sleep(0.1)

    @property
    def status(self) -> Status:
        if self.parts.stream is not None:
            show_stream(self.parts.stream, self.parts.status)
        return self.parts.status


@asynccontextmanager
async def running(
    url: str, home: Path, *, scope: str = "test", wanted: Entry | None = None, **serve: Any
) -> AsyncIterator[Running]:
    """Run a process that guards: it has no model, so that it opens nothing of itself; `wanted` is open at its start."""
    home.mkdir(mode=0o700, exist_ok=True)
    exchange = exchange_at(url)
    settings = Settings(home=home, exchange=exchange, serve=ServeSettings(**serve))
    client = make_client(settings, signed=True)
    clock = await PolledClock.connect(url, 10)
    desk = Desk(
        home / "journal.db",
        client,
        clock.now,
        Pace(poll_s=0.05, settle_s=0.2),
        scope=scope,
    )
    desk.orders.clock = clock
    status, said = Status("paper", "real time", {}), Said()
    stream = start_stream(settings, status, live=False) if settings.serve.stream else None
    parts = make_guard_parts(settings, clock, desk.executor, status, said, stream=stream)
    listings = await desk.venue.listings()
    for asset, known in parts.contracts.items():
        parts.contracts[asset] = listings[known.instrument].spec
    if wanted is not None:
        await opened(desk, wanted)
    loop = TradingLoop(parts, _open_nothing)
    task = asyncio.create_task(loop.run())
    try:
        yield Running(desk, parts, loop)
    finally:
        loop.stop()
        await asyncio.wait_for(task, 20)
        if parts.stream is not None:
            await parts.stream.close()
        await aclose(client)
        desk.journal.close()


async def _open_nothing() -> Parts:
    raise MissingDataError("there is no model", "train one")


async def until(true: Callable[[], bool], seconds: float = 10.0) -> float:
    """Wait until something is true; return the seconds that it took."""
    begun_s = time.monotonic()
    while not true():
        assert time.monotonic() - begun_s < seconds
        await asyncio.sleep(0.02)
    return time.monotonic() - begun_s
