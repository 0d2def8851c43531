"""One life of a trading process over the real client: what decides is drawn, all else is what serves."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import cast

from pairity.settings import Settings, UniverseSettings
from pairity.timeline import from_ms
from pairity.trading_settings import LimitSettings, ServeSettings
from serving.cycle import Cycle
from serving.execution.executor import Executor
from serving.execution.okx import OkxVenue
from serving.execution.orders import OrderDesk
from serving.execution.pace import Pace
from serving.journal import Journal
from serving.parts import Parts
from serving.report import Reporter
from serving.status import Status
from serving.watch import Watch
from tests.paper_exchange.paper_keys import exchange_at
from tests.serving.guarding import Said, make_guard_parts
from tests.serving.trading import RUN
from tests.soak.market import make_specs
from tests.soak.venue import SharedClock, Venue
from venue.okx_client import aclose, make_client

UNLIMITED = LimitSettings(
    gross_leverage=1e6, day_loss=1, drawdown=1, margin_ratio=1.01, orders_per_hour=10**6, rejects_per_hour=10**6
)
"""A chapter draws more refusals in an hour than a process may go on entering after."""


class Life:
    """A process from its start to its end; the next one opens the same journal."""

    def __init__(self, venue: Venue, home: Path) -> None:
        self.venue = venue
        exchange = exchange_at(venue.url)
        universe = UniverseSettings(assets=tuple(make_specs()))
        settings = Settings(home=home, universe=universe, exchange=exchange, serve=ServeSettings(), limits=UNLIMITED)
        self.clock = SharedClock(venue)
        self._client = make_client(settings, signed=True)
        self.journal = Journal.open(home / "journal.db", scope="soak")
        if self.journal.run(RUN.run_id) is None:
            self.journal.record_run(RUN)
        pace = Pace(poll_s=0.2, sleep=self.clock.sleep, monotonic=self.clock.monotonic)
        self.port = OkxVenue(self._client, retries=2, sleep=self.clock.sleep)
        self.desk = OrderDesk(self.port, self.journal, self.clock, pace)
        contracts = make_specs()
        self.status, self.said = Status("paper", "soak", {}), Said()
        executor = Executor(self.desk, contracts, leverage=1)
        parts = make_guard_parts(settings, self.clock, executor, self.status, self.said)
        self.supervisor = parts.supervisor
        self.watch = Watch(parts)
        # A decision that is in the journal is carried out as after a restart: it needs no model and no features.
        self.cycle = Cycle(cast(Parts, parts), self.watch, Reporter(parts))

    async def look(self) -> None:
        """Sleep until the watch is due, and look."""
        due = self.watch.due()
        assert due is not None
        at_least = from_ms(self.venue.clock.now_ms()) + timedelta(seconds=1)
        await self.clock.sleep_until(max(due, at_least))
        await self.watch.look()

    async def decide(self) -> None:
        """Carry out the newest decision of the journal, as the cycle does."""
        await self.cycle.resume()

    async def aclose(self) -> None:
        """End it: connections and the journal's lock go, as they do with a process."""
        await aclose(self._client)
        self.journal.close()
        await asyncio.sleep(0)
