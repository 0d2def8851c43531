"""A paper exchange that can be in the same state again and again: each copy is a process of its own, reached over HTTP.

The state (market, clock, account) lives in the process that runs the matrix. A copy is a fork of it, serves until it is
ended, and takes what happened to it along. `serve_here` lets something happen to the state itself.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pairity.timeline import from_ms, to_ms
from paper_exchange.account.account import Account
from paper_exchange.clock import VirtualClock
from paper_exchange.events.schedule import Schedule
from paper_exchange.events.script import parse_event
from paper_exchange.events.scripted_market import ScriptedMarket
from paper_exchange.faults.catalogue import FaultPlan
from paper_exchange.http.auth import Credentials
from paper_exchange.http.server import make_app
from paper_exchange.market.synthetic import SyntheticMarket
from paper_exchange.run import listen
from paper_exchange.wire import Json
from paper_exchange.ws.hub import add_streams
from tests.paper_exchange.exchange_server import serving

START = datetime(2026, 1, 1, tzinfo=UTC)


Script = tuple[Mapping[str, Json], ...]
"""Events as a script of the exchange has them, counted from its start: that of each copy."""


class ExchangeState:
    """State of the exchange between two phases."""

    def __init__(self, seed: int = 7) -> None:
        self._market = ScriptedMarket(SyntheticMarket(seed, to_ms(START), history_days=2))
        self._clock = VirtualClock("stepped", to_ms(START))
        self._account = Account(self._market, self._clock, Decimal(10_000), seed=seed)

    @property
    def now(self) -> datetime:
        """The instant at which it stands."""
        return from_ms(self._clock.now_ms())

    @contextmanager
    def serve_here(self, script: Script = ()) -> Iterator[str]:
        """Serve this very state while the block runs: what happens to it stays."""
        with serving(self._market, self._clock, account=self._account, **self._options(script)) as url:
            yield url

    @contextmanager
    def serve_copy(self, script: Script = ()) -> Iterator[str]:
        """Serve a copy in a process of its own while the block runs."""
        heard, said = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                asyncio.run(self._serve(said, script))
            finally:
                os._exit(1)
        os.close(said)
        try:
            yield f"http://127.0.0.1:{int(os.read(heard, 16))}"
        finally:
            os.close(heard)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)

    def _options(self, script: Script) -> dict[str, Any]:
        faults = FaultPlan()
        events = [parse_event(row, self._market, to_ms(START)) for row in script]
        schedule = Schedule(events, self._market, faults)
        return {"faults": faults, "schedule": schedule}

    async def _serve(self, said: int, script: Script) -> None:
        app = make_app(
            self._market,
            self._clock,
            self._account,
            Credentials(),
            control=True,
            rate_limits=False,
            add_streams=add_streams,
            **self._options(script),
        )
        async with listen(app, 0) as port:
            os.write(said, str(port).encode())
            await asyncio.Event().wait()
