"""A synthetic paper exchange on a stepped clock, and settings that point to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pairity.settings import ExchangeSettings, FeatureSettings, IngestSettings, Settings, UniverseSettings
from pairity.timeline import from_ms, to_ms
from paper_exchange.clock import VirtualClock
from paper_exchange.faults.catalogue import FaultPlan
from paper_exchange.market.market import Market
from paper_exchange.market.synthetic import SyntheticMarket
from tests.paper_exchange.exchange_server import serving

ASSETS = ("BTC", "ETH", "SOL")
NOW = datetime(2026, 1, 2, 5, 0, 30, tzinfo=UTC)
UNTIL = NOW.replace(second=0)
SINCE = UNTIL - timedelta(days=6)
HOUR = timedelta(hours=1)


class Venue:
    """The running exchange as tests use it: its URL, its clock (also as the clock of the ingestion), its faults."""

    def __init__(self, url: str, clock: VirtualClock, faults: FaultPlan) -> None:
        self.url, self.virtual, self.faults = url, clock, faults

    def now(self) -> datetime:
        return from_ms(self.virtual.now_ms())

    async def sleep_until(self, instant: datetime) -> None:
        self.step_to(instant)

    def step_to(self, instant: datetime) -> None:
        self.virtual.advance_to(max(self.virtual.now_ms(), to_ms(instant)))

    def settings(self, home: Path, assets: tuple[str, ...] = ASSETS, **ingest: int) -> Settings:
        return Settings(
            home=home,
            exchange=ExchangeSettings(url=self.url, rate_limit=False, max_retries=2),
            universe=UniverseSettings(assets=assets, min_aligned_bars=24),
            ingest=IngestSettings(**ingest),
            features=FeatureSettings(risk_days=2),
        )


def synthetic() -> SyntheticMarket:
    return SyntheticMarket(7, to_ms(NOW), history_days=8, future_days=1)


@contextmanager
def venue(
    market: Market, now: datetime = NOW, *, faults: FaultPlan | None = None, rate_limits: bool = False
) -> Iterator[Venue]:
    clock, faults = VirtualClock("stepped", to_ms(now)), faults or FaultPlan()
    with serving(market, clock, faults=faults, rate_limits=rate_limits) as url:
        yield Venue(url, clock, faults)
