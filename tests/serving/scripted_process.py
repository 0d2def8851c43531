"""Processes that watch the paper exchange through the real client, while its script plays the situation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pairity.settings import Settings
from pairity.trading_settings import ServeSettings
from serving.execution.limit_entries import LimitTerms
from serving.execution.pace import Pace
from serving.parts import GuardParts
from serving.status import Status
from tests.paper_exchange.paper_keys import exchange_at
from tests.serving.guarding import Said, make_guard_parts
from tests.serving.trading import Desk
from venue.clock import SteppedClock
from venue.okx_client import aclose, make_client


@dataclass(frozen=True)
class Connection:
    """What the processes of one scene share: the client, and the exchange's own clock, which they step."""

    settings: Settings
    client: Any
    clock: SteppedClock

    def start(self, said: Said, limits: LimitTerms | None = None) -> tuple[Desk, GuardParts]:
        """Return the desk and the parts of the next process on the same journal."""
        pace = Pace(poll_s=0.01, settle_s=0.1)
        desk = Desk(self.settings.home / "journal.db", self.client, self.clock.now, pace, limits=limits)
        desk.orders.clock = self.clock
        status = Status("paper", "scripted", {})
        return desk, make_guard_parts(self.settings, self.clock, desk.executor, status, said)


@asynccontextmanager
async def connect(home: Path, url: str, **serve: Any) -> AsyncIterator[Connection]:
    """Connect to the exchange at `url`; journals lie in `home`, and `serve` are settings of the processes."""
    home.chmod(0o700)
    exchange = exchange_at(url, control_url=f"{url}/control")
    settings = Settings(home=home, exchange=exchange, serve=ServeSettings(**serve))
    client = make_client(settings, signed=True)
    try:
        yield Connection(settings, client, await SteppedClock.connect(f"{url}/control"))
    finally:
        await aclose(client)
