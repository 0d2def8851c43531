"""A trading process with its API: journal, watch and status over the tiny exchange, and what reads them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from http.client import HTTPConnection
from json import loads
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pairity.errors import JournalError
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.strategy.types import Action, Decision, PairAssessment, StrategyState
from pairity.trading_settings import ServeSettings
from pairity.universe import Pair, pairs_of
from serving.journal import DecisionRecord, FeatureVector, decision_id
from serving.journal.reading import ReadingJournal
from serving.sightings import Sightings
from serving.status import Status
from serving.views.base import Inputs
from serving.web.app import make_app
from serving.web.server import serve_api
from serving.web.sources import Sources
from tests.serving.guarding import Guard
from tests.serving.tiny_okx import TinyOkx
from tests.serving.trading import RUN, T0, entry

ASSETS = ("BTC", "ETH", "SOL")


class ApiScene:
    """One process that has decided, traded and looked; everything in it may be read over HTTP too."""

    def __init__(self, home: Path, **serve: Any) -> None:
        home.chmod(0o700)
        self.guard = Guard(TinyOkx(), home)
        self.settings = Settings(home=home, universe={"assets": ASSETS}, serve=ServeSettings(port=0, **serve))
        self.journal = self.guard.desk.journal
        self.status = self.guard.status
        self.sightings: Sightings = self.guard.parts.sightings
        self.sightings.contracts = self.guard.parts.contracts

    @property
    def now(self) -> datetime:
        return self.guard.parts.clock.now()

    @property
    def sources(self) -> Sources:
        layout = Layout.of(self.settings)
        return Sources(
            status=lambda: self.status,
            journal=lambda: ReadingJournal.connect(layout.journal),
            layout=layout,
            settings=self.settings,
            sightings=lambda: self.sightings,
            now=self.guard.parts.clock.now,
        )

    @contextmanager
    def inputs(self) -> Iterator[Inputs]:
        """The inputs of views, with a journal of their own."""
        journal = ReadingJournal.connect(Layout.of(self.settings).journal)
        try:
            yield Inputs(
                journal=journal,
                status=self.status,
                sightings=self.sightings,
                settings=self.settings,
                layout=Layout.of(self.settings),
                now=self.now,
            )
        finally:
            journal.close()

    def decide(self, bar: datetime, *entries: Any, **scores: Any) -> DecisionRecord:
        """Journal a decision on a bar, with every pair and prices of every asset."""
        if self.journal.run(RUN.run_id) is None:
            self.journal.record_run(RUN)
        record = DecisionRecord(
            decision_id=decision_id("test", bar),
            run_id=RUN.run_id,
            decision_time=bar,
            event_timestamp=bar,
            feature_service="pair_forest_v1",
            model_name="pair_forest",
            model_version=scores.pop("version", "1"),
            model_sha256="m" * 64,
            decision=make_decision(*entries, **scores),
        )
        self.journal.record_decision(record, make_vectors(record))
        return record

    def trade(self, bar: datetime = T0, *, close: str | None = None, price: str | None = None) -> str:
        """Decide on a bar, open a position, look, and close it again for a reason; return its id."""
        self.guard.tiny.now_ms += 1000
        name = f"BTC__SOL@{bar:%Y%m%dT%H%MZ}"
        wanted = replace(entry(), position_id=name)
        record = self.decide(bar, wanted)
        outcome = asyncio.run(self.guard.desk.executor.open(wanted, record))
        assert outcome.position is not None, outcome
        asyncio.run(self.guard.watch.look())
        if close is not None:
            if price is not None:
                self.guard.tiny.prices["BTC-USDT-SWAP"] = Decimal(price)
            asyncio.run(self.guard.desk.executor.close(outcome.position, close, record.decision_id))
            asyncio.run(self.guard.watch.look())
        return name

    def close(self) -> None:
        self.journal.close()


def make_decision(*entries: Any, z: float = 1.7, probability: float = 0.6) -> Decision:
    scores = tuple(
        PairAssessment(
            pair=pair,
            z=z / (number + 1),
            probability=probability,
            divergence_score=abs(z / (number + 1)) * probability,
            rejected=None if number == 0 else "|z| not above 1.0",
            hedge_ratio=0.5,
        )
        for number, pair in enumerate(pairs_of(ASSETS))
    )
    return Decision(Action.OPEN if entries else Action.HOLD, "because", scores, (), entries, StrategyState(1000.0))


def make_vectors(record: DecisionRecord) -> list[FeatureVector]:
    bar = record.event_timestamp
    prices = {"BTC": 80000.0, "ETH": 2000.0, "SOL": 100.0}
    assets = [
        FeatureVector(record.decision_id, "market_state_v1", name, bar, {"close": price, "funding_rate": 0.0001})
        for name, price in prices.items()
    ]
    pairs = [
        FeatureVector(record.decision_id, "pair_forest_v1", pair.pair_id, bar, {"z_score": 1.7, "spread_rsi": None})
        for pair in pairs_of(ASSETS)
    ]
    return [*assets, *pairs]


@contextmanager
def serving(scene: ApiScene, extra_routers: Sequence[Any] = ()) -> Iterator[Client]:
    """The API of a scene, and a client of it; the event loop that started it stands still meanwhile."""
    loop = asyncio.new_event_loop()
    served = serve_api(make_app(scene.sources, extra_routers), scene.settings.serve)
    try:
        yield Client(loop.run_until_complete(served.__aenter__()))
    finally:
        loop.run_until_complete(served.__aexit__(None, None, None))
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def status_sources(status: Status) -> Sources:
    """Sources of a process of which only the status is known."""

    def no_journal() -> ReadingJournal:
        raise JournalError("there is no journal", "none is needed")

    settings = Settings()
    return Sources(status=lambda: status, journal=no_journal, layout=Layout.of(settings), settings=settings)


class Client:
    """A client over plain HTTP."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.host = urlsplit(url).netloc

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers (names in small letters) and body of an answer."""
        connection = HTTPConnection(self.host, timeout=20)
        try:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, headers=sent)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Any:
        """The JSON of an answer below /api/v1 that is 200."""
        status, _, body = self.ask(f"/api/v1/{path}", **headers)
        assert status == 200, (path, status, body)
        return loads(body)


def hours(count: int) -> timedelta:
    return timedelta(hours=count)


PAIR = Pair("BTC", "SOL")
