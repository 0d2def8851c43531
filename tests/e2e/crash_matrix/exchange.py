"""A paper exchange that can be in the same state again and again: each copy is a process of its own, reached over HTTP.

The state (market, clock, account) lives in the process that runs the matrix. A copy is a fork of it, serves until it is
ended, and takes what happened to it along. `serve_here` lets something happen to the state itself.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pairity.timeline import from_ms, to_ms
from paper_exchange.account.account import Account
from paper_exchange.clock import VirtualClock
from paper_exchange.faults.catalogue import FaultPlan
from paper_exchange.http.auth import Credentials
from paper_exchange.http.server import make_app
from paper_exchange.market.synthetic import SyntheticMarket
from paper_exchange.run import listen
from paper_exchange.ws.hub import add_streams
from tests.paper_exchange.exchange_server import serving

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class FaultOrder:
    """A fault that an exchange begins with: kind, path and count as `/control/faults` takes them."""

    kind: str
    path: str
    count: int
    params: dict[str, Any]


class ExchangeState:
    """State of the exchange between two phases."""

    def __init__(self, seed: int = 7) -> None:
        self._market = SyntheticMarket(seed, to_ms(START), history_days=2)
        self._clock = VirtualClock("stepped", to_ms(START))
        self._account = Account(self._market, self._clock, Decimal(10_000), seed=seed)

    @property
    def now(self) -> datetime:
        """The instant at which it stands."""
        return from_ms(self._clock.now_ms())

    @contextmanager
    def serve_here(self, *faults: FaultOrder) -> Iterator[str]:
        """Serve this very state while the block runs: what happens to it stays."""
        with serving(self._market, self._clock, account=self._account, faults=_plan(faults)) as url:
            yield url

    @contextmanager
    def serve_copy(self, *faults: FaultOrder) -> Iterator[str]:
        """Serve a copy in a process of its own while the block runs."""
        heard, said = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                asyncio.run(self._serve(said, _plan(faults)))
            finally:
                os._exit(1)
        os.close(said)
        try:
            yield f"http://127.0.0.1:{int(os.read(heard, 16))}"
        finally:
            os.close(heard)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)

    async def _serve(self, said: int, faults: FaultPlan) -> None:
        app = make_app(
            self._market,
            self._clock,
            self._account,
            Credentials(),
            control=True,
            rate_limits=False,
            faults=faults,
            add_streams=add_streams,
        )
        async with listen(app, 0) as port:
            os.write(said, str(port).encode())
            await asyncio.Event().wait()


def _plan(faults: tuple[FaultOrder, ...]) -> FaultPlan:
    plan = FaultPlan()
    for fault in faults:
        plan.add(fault.kind, fault.path, fault.count, fault.params)
    return plan
