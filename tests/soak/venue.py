"""The paper exchange inside the driver's event loop: real HTTP, one time for everybody, and a kill at any request.

Time is the exchange's own and moves only by requests (a few hundredths of a second each), by sleeps of the process and
by the driver, so a chapter is the same every time it is played.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal

from aiohttp import web

from pairity.timeline import from_ms, to_ms
from paper_exchange.account.account import Account
from paper_exchange.account.settlement import settle_until
from paper_exchange.clock import VirtualClock
from paper_exchange.events.scripted_market import ScriptedMarket
from paper_exchange.faults.catalogue import FaultPlan
from paper_exchange.http.auth import Credentials
from paper_exchange.http.late_sight import LateSight
from paper_exchange.http.server import make_app
from paper_exchange.http.sight import Sight
from paper_exchange.run import listen
from tests.soak.market import T0, WanderingMarket
from tests.soak.protection_meter import ProtectionMeter

BALANCE = Decimal(10_000)


class SharedClock:
    """The venue's time, as a trading process' clock and as its seconds: whoever sleeps moves it."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def now(self) -> datetime:
        return from_ms(self._venue.clock.now_ms())

    async def sleep_until(self, instant: datetime) -> None:
        self._venue.move_to(to_ms(instant) + 1)
        await asyncio.sleep(0)

    async def sleep(self, seconds: float) -> None:
        self._venue.move_to(self._venue.clock.now_ms() + max(1, round(seconds * 1000)))
        await asyncio.sleep(0)

    def monotonic(self) -> float:
        return self._venue.clock.now_ms() / 1000


class Venue:
    """One paper exchange and its account; `unkind` fills by the book, and lists lag by up to `lag_ms`."""

    def __init__(self, seed: int, hours: int, *, unkind: bool, lag_ms: int) -> None:
        self.market = ScriptedMarket(WanderingMarket(seed, hours))
        self.clock = VirtualClock("stepped", T0 + 60_000)
        self.faults = FaultPlan()
        self.account = Account(self.market, self.clock, BALANCE, unkind=unkind, seed=seed)
        self.meter = ProtectionMeter(self.account, self.market, self.faults)
        self.url = ""
        self.requests = 0
        self.last: deque[str] = deque(maxlen=60)
        """Newest requests, for the report of a failure."""
        self.victim: asyncio.Task[None] | None = None
        self._kill_at: tuple[int, bool] | None = None
        self._draw = random.Random(seed)
        self._unkind_seed = seed if unkind else None
        self._sight = LateSight(seed, lag_ms, clock_s=lambda: self.clock.now_ms() / 1000) if lag_ms else Sight()

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        """Serve while the block runs."""
        app = make_app(
            self.market,
            self.clock,
            self.account,
            Credentials(),
            rate_limits=False,
            faults=self.faults,
            unkind_seed=self._unkind_seed,
            sight=self._sight,
        )

        @web.middleware
        async def count(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            return await self._pass(request, handler)

        app.middlewares.insert(0, count)
        async with listen(app, 0, shutdown_s=0.05) as port:
            self.url = f"http://127.0.0.1:{port}"
            yield

    def move_to(self, at_ms: int) -> None:
        """Let time pass, and everything happen that it brings; stops are measured minute by minute."""
        while self.clock.now_ms() < at_ms:
            self.clock.advance_to(min(at_ms, self.clock.now_ms() + 15_000))
            settle_until(self.account, self.clock.now_ms())
            self.meter.look()

    def kill_after(self, requests: int, *, answered: bool) -> None:
        """Kill the process at its n-th request from now: before the venue sees it, or before its answer arrives."""
        self._kill_at = (self.requests + requests, answered)

    def spare(self) -> None:
        """Forget a kill that did not come about."""
        self._kill_at = None

    async def _pass(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        self.requests += 1
        self.last.append(f"{self.clock.now_ms() - T0:>9} {request.method} {request.path_qs[:160]}")
        self.move_to(self.clock.now_ms() + self._draw.randint(10, 90))
        if self._kill_at is None or self._kill_at[0] != self.requests or self.victim is None:
            return await handler(request)
        answered, self._kill_at = self._kill_at[1], None
        self.last.append("          KILLED" + (" after this request" if answered else " before this request"))
        answer = await handler(request) if answered else web.Response(status=503)
        self.victim.cancel()
        return answer
