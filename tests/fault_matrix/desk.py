"""A trading process for the matrix: real client, executor, watch and cycle over an exchange in another process.

Nothing waits for real: every wait steps the exchange's clock, so that seconds of execution are seconds of the venue.
"""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

from pairity.layout import Layout
from pairity.margin import MarginMode
from pairity.settings import Settings, StrategySettings
from pairity.strategy.types import Action, Decision, Entry, Exit, ExitReason, LegOrder, Side, StrategyState
from pairity.trading_settings import ServeSettings
from pairity.universe import ContractSpec, Pair
from serving.control.queue import Request, RequestQueue
from serving.cycle import Cycle
from serving.execution.executor import Executor
from serving.execution.okx import OkxVenue
from serving.execution.orders import OrderDesk
from serving.execution.pace import Pace
from serving.journal import DecisionRecord, Journal, decision_id
from serving.journal.event_records import Wish
from serving.parts import Parts
from serving.report import Reporter
from serving.status import Status
from serving.watch import Watch
from tests.paper_exchange.paper_keys import exchange_at
from tests.paper_exchange.signed_requests import ask
from tests.serving.guarding import Said, make_guard_parts
from tests.serving.killed_trader import PLAIN_RULE
from tests.serving.trading import RUN
from venue.clock import SteppedClock
from venue.okx_client import aclose, make_client

BTC = "BTC-USDT-SWAP"
SIZE = Decimal("0.05")


class Desk:
    """One process, its position in BTC, and what a person sees of the account."""

    def __init__(
        self, url: str, home: Path, clock: SteppedClock, client: Any, *, late: bool, margin: MarginMode
    ) -> None:
        self.margin = margin
        self.url, self.clock, self._home, self._late = url, clock, home, late
        self._last = read_last(url)
        settings = Settings(
            home=home,
            exchange=exchange_at(url, control_url=f"{url}/control", timeout_s=0.8),
            serve=ServeSettings(watch_stepped=True),
            strategy=StrategySettings(margin_mode=margin),
        )
        self.journal = Journal.open(home / "journal.db")
        self.journal.record_run(RUN)
        pace = Pace(sleep=self.sleep, monotonic=lambda: clock.now().timestamp())
        venue = OkxVenue(client, retries=2, sleep=self.sleep)
        contracts = {asset: read_contract(url, asset) for asset in ("BTC", "ETH")}
        self.executor = Executor(OrderDesk(venue, self.journal, clock, pace), contracts, leverage=1)
        self.status, self.said = Status("paper", "matrix", {}), Said()
        parts = make_guard_parts(settings, clock, self.executor, self.status, self.said)
        self.supervisor = parts.supervisor
        self.watch = Watch(parts)
        self.cycle = Cycle(cast(Parts, parts), self.watch, Reporter(parts))

    async def sleep(self, seconds: float) -> None:
        """Let the venue's time pass, and the wall's where lists lag by it (`late`): they never lag for a minute."""
        if self._late:
            await asyncio.sleep(min(seconds, 0.4))
        await self.clock.sleep_until(self.clock.now() + timedelta(seconds=max(seconds, 0.001)))

    async def look(self) -> None:
        """Sleep until the watch is due, and look."""
        due = self.watch.due()
        assert due is not None
        await self.clock.sleep_until(max(due, self.clock.now() + timedelta(seconds=1)))
        await self.watch.look()

    async def decide(self, *, leave: bool = False) -> None:
        """Decide to enter, or to leave what is open, and carry that out as the cycle does."""
        await self.sleep(1)  # no two decisions at one instant
        at = self.clock.now()
        refused = self.supervisor.explain_refusal()
        exits = tuple(
            Exit(record.position.position_id, ExitReason.Z_CROSS) for record in self.journal.open_positions() if leave
        )
        entries = () if leave or refused else (_make_entry(f"BTC__ETH@{at:%H%M%S%f}", self._last, self.margin),)
        action = Action.CLOSE if leave else Action.OPEN if entries else Action.HOLD
        outcome = Decision(action, "drill", (), exits, entries, StrategyState(10_000.0))
        record = DecisionRecord(
            decision_id(self.journal.scope, at), RUN.run_id, at, at, "s", "m", "1", "h" * 64, outcome
        )
        self.journal.record_decision(record, [])
        await self.cycle.resume()

    def say_alone(self) -> None:
        """Say as a person that no other process trades here any more; the next look takes it up."""
        request = Request(wish=Wish.RESUME, at=self.clock.now(), reason="nobody else is there any more")
        RequestQueue(Layout(self._home)).put(request)

    def see_positions(self) -> dict[tuple[str, str], Decimal]:
        """Return what the venue holds, by instrument and margin mode, signed."""
        rows = self.ask("GET", "account/positions")
        return {(row["instId"], row["mgnMode"]): Decimal(row["pos"]) for row in rows if Decimal(row["pos"])}

    def see_stops(self) -> list[dict[str, str]]:
        """Return the stops that rest."""
        return cast(list[dict[str, str]], self.ask("GET", "trade/orders-algo-pending", ordType="conditional,oco"))

    def ask(self, method: str, path: str, **parameters: str) -> Any:
        """Return the rows that a person's request gets."""
        answer = ask(self.url, method, path, parameters)
        assert answer["code"] == "0", answer
        return answer["data"]


@asynccontextmanager
async def open_desk(url: str, home: Path, *, late: bool, margin: MarginMode = MarginMode.CROSS) -> AsyncIterator[Desk]:
    """Open a desk on a journal of its own and close it with the block."""
    home.mkdir(mode=0o700)
    client = make_client(Settings(exchange=exchange_at(url, control_url=f"{url}/control", timeout_s=0.8)), signed=True)
    clock = await SteppedClock.connect(f"{url}/control")
    # The processes of earlier cells traded on the same account: a person says that they are gone.
    queue = RequestQueue(Layout(home))
    queue.put(Request(wish=Wish.RESUME, at=clock.now(), reason="the cells before are over"))
    desk = Desk(url, home, clock, client, late=late, margin=margin)
    try:
        yield desk
    finally:
        await aclose(client)
        desk.journal.close()


def read_last(url: str) -> float:
    """Return the last price of BTC."""
    return float(_get(f"{url}/api/v5/market/ticker?instId={BTC}")[0]["last"])


def read_contract(url: str, asset: str) -> ContractSpec:
    """Return a contract as the exchange lists it."""
    (row,) = _get(f"{url}/api/v5/public/instruments?instType=SWAP&instId={asset}-USDT-SWAP")
    numbers = (Decimal(row[name]) for name in ("ctVal", "lotSz", "minSz", "tickSz", "lever", "maxMktSz", "maxStopSz"))
    return ContractSpec(f"{asset}-USDT-SWAP", *numbers)


def _get(url: str) -> list[dict[str, str]]:
    with urllib.request.urlopen(url, timeout=30) as answer:
        rows: list[dict[str, str]] = json.load(answer)["data"]
        return rows


def _make_entry(name: str, last: float, margin: MarginMode) -> Entry:
    leg = LegOrder("BTC", Side.SELL, SIZE, last, PLAIN_RULE)
    return Entry(name, Pair("BTC", "ETH"), -1, 1.5, 0.7, 1.05, (leg,), margin_mode=margin)
