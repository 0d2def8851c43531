"""A made-up market of hours, played by a paper exchange and stored as books see it: a scene for a trading process."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl
import requests

from feature_repo.catalog import (
    ASSET_BOOKS,
    ASSET_HOURLY,
    CREATED_TIME,
    EVENT_TIME,
    PAIR_BOOKS,
    PAIR_SPREADS,
    find_view,
)
from feature_repo.contract_specs import write_contracts
from feature_repo.offline_files import make_schema, publish
from feature_repo.transforms.asset_books import compute_asset_books
from feature_repo.transforms.pair_books import compute_pair_books
from feature_repo.transforms.pair_spreads import compute_pair_spreads
from pairity.books.families import BOOK_FAMILIES
from pairity.books.fits import BookFit
from pairity.books.limits import BookLimits, limit_book
from pairity.books.margin import with_margin
from pairity.books.present import MeasureBook
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.timeline import HOUR, Clock, to_ms
from pairity.universe import inst_id, pairs_of
from pairity_cli.replay.expected import make_quotes
from paper_exchange.account.account import Account
from paper_exchange.clock import VirtualClock
from paper_exchange.market.market import Bar, Funding, Instrument
from serving.execution.pace import Pace
from serving.journal import Journal
from serving.process import serve
from serving.replay.published_data import PublishedData
from serving.replay.stand_ins import StandIns, VirtualWaiting
from serving.report import ServeReport
from tests.paper_exchange.exchange_server import inject, serving
from tests.paper_exchange.paper_keys import KEYS
from tests.training.books.markets import START, make_market, make_panel, make_specs
from training.books.account import BookCosts
from training.books.engine import BookRun, BookTerms, run_book
from training.books.history_features import FeatureHistory
from training.books.plan import plan_book
from training.books.present import measure_book

HOUR_MS = 3_600_000
FIRST_ROW = 2_183
"""Row of the first midnight at which names are old enough."""
FIRST = START + FIRST_ROW * HOUR
DAY = timedelta(days=1)
NAMES = 8
EQUITY = 100_000
LIMITS = with_margin(BookLimits(), 1)
"""Of a process with default settings."""
MARKET = make_market(5, names=NAMES, hours=2_500)
SPECS = make_specs(MARKET)
END = START + 2_500 * HOUR
BARS, BAR_COLUMNS = ("open", "high", "low", "close", "volume"), ("open", "high", "low", "close", "volume_base")


class PlayedMarket:
    """`paper_exchange`'s market over the lists of a made-up one; mark and index prices are the last ones."""

    label = "made up"

    def __init__(self) -> None:
        self._first_ms = to_ms(START) - HOUR_MS
        self.start_ms = self._first_ms
        self.end_ms = self._first_ms + HOUR_MS * len(MARKET["close"]["N00"])
        self.instruments = {
            spec.instrument: Instrument(
                inst_id=spec.instrument,
                ct_val=spec.ct_val,
                lot_sz=spec.lot_sz,
                min_sz=spec.min_sz,
                tick_sz=spec.tick_sz,
                max_leverage=spec.max_leverage,
                max_limit_sz=Decimal(10**9),
                max_market_sz=Decimal(10**9),
                list_ms=self._first_ms - 24 * HOUR_MS,
            )
            for spec in SPECS.values()
        }

    def bar_ms(self, _inst_id: str) -> int:
        return HOUR_MS

    def bars(self, name: str, since_ms: int, until_ms: int, _kind: str = "last") -> list[Bar]:
        first = max(0, -((self._first_ms - since_ms) // HOUR_MS))
        rows = range(first, min(len(MARKET["close"]["N00"]), -((self._first_ms - until_ms) // HOUR_MS)))
        return [bar for row in rows if (bar := self._bar(name, row)) is not None]

    def bar_at(self, name: str, at_ms: int, _kind: str = "last") -> Bar | None:
        row = min((at_ms - self._first_ms) // HOUR_MS, len(MARKET["close"]["N00"]) - 1)
        while row >= 0 and (bar := self._bar(name, row)) is None:
            row -= 1
        return bar if row >= 0 else None

    def funding(self, name: str, since_ms: int, until_ms: int) -> list[Funding]:
        own = MARKET["funding"][name.removesuffix("-USDT-SWAP")]
        times = ((self._first_ms + (row + 1) * HOUR_MS, rate) for row, rate in sorted(own.items()))
        return [Funding(at, rate) for at, rate in times if since_ms <= at < until_ms]

    def open_interest(self, _inst_id: str, _at_ms: int) -> None:
        return None

    def _bar(self, inst: str, row: int) -> Bar | None:
        name = inst.removesuffix("-USDT-SWAP")
        opened, close = MARKET["open"][name][row], MARKET["close"][name][row]
        if opened is None:
            return None
        high, low = max(opened, close), min(opened, close)
        return Bar(self._first_ms + row * HOUR_MS, opened, high, low, close, MARKET["volume"][name][row])


@dataclass
class BookScene:
    """One home, one exchange, and trading processes one after another."""

    home: Path
    url: str
    account: Account
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        """Settings of the process: the book, on this exchange, within no limit that a backtest does not know."""
        changes: dict[str, Any] = {
            "strategy": {"book": "trend_carry_book"},
            "books": {"disaster_stop": 0.9},
            "serve": {"port": 0, "lease": False},
            "universe": {"assets": tuple(MARKET["close"]), "pair_assets": ("N00", "N01")},
            **self.options,
        }
        return Settings(
            home=self.home,
            exchange={"url": self.url, "control_url": f"{self.url}/control", "rate_limit": False, **KEYS},
            limits={"day_loss": 1, "drawdown": 1, "orders_per_hour": 1000, "rejects_per_hour": 1000},
            logs={"level": "warning"},
            **changes,
        )

    @property
    def journal_path(self) -> Path:
        """Where the journal is."""
        return Layout.of(self.settings).journal

    def prepare(self) -> None:
        """Store contracts and features."""
        self.home.mkdir(0o700, parents=True, exist_ok=True)
        write_contracts(Layout.of(self.settings), list(SPECS.values()))
        publish_market(Layout.of(self.settings))

    def trade(self, cycles: int, *, measure: MeasureBook = measure_book, **stand_ins: Any) -> ServeReport:
        """Run one process for so many cycles."""
        parts = StandIns(
            # Lists of an unkind exchange lag by the wall's clock.
            make_pace=_make_real_pace if self.account.unkind else VirtualWaiting().make_pace,
            **{"open_data": open_published, **stand_ins},
        )
        job = serve(
            self.settings,
            live=False,
            cycles=cycles,
            progress=Silence(),
            on_ready=lambda _url: None,
            stand_ins=parts,
            measure_book=measure,
        )
        return asyncio.run(job)

    def inject(self, kind: str, path: str, count: int = 1, **params: Any) -> None:
        """Let a fault of the exchange wait."""
        inject(self.url, kind, path, count, **params)

    def advance(self, instant: datetime) -> None:
        """Step the exchange to an instant, while no process trades."""
        requests.post(f"{self.url}/control/advance", json={"to": to_ms(instant)}, timeout=60).raise_for_status()

    def read(self) -> Journal:
        """Open the journal to look things up."""
        return Journal.read(self.journal_path)

    def list_held(self) -> dict[str, Decimal]:
        """Return what the venue holds, by name."""
        return {one.inst_id.removesuffix("-USDT-SWAP"): one.size for one in self.account.positions.values()}


def _make_real_pace(_settings: Any) -> Pace:
    return Pace(poll_s=0.05, settle_s=1.0)


class Silence:
    """Progress that nobody hears."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def stage(self, name: str, total: int = 0) -> None:
        pass

    def advance(self, steps: int = 1, note: str = "") -> None:
        pass

    def say(self, line: str) -> None:
        self.lines.append(line)


def open_published(settings: Settings, clock: Clock) -> PublishedData:
    """Open what `publish_market` published."""
    return PublishedData(settings, clock, FIRST - DAY, END)


def publish_market(layout: Layout) -> None:
    """Publish the features of the made-up market from a day before the first decision on."""
    for view, rows in make_features().items():
        publish(layout, find_view(view), rows)


def publish_funding(layout: Layout) -> None:
    """Put the settlements of the made-up market from a day before the first decision on into the lake."""
    time = pl.Datetime("us", "UTC")
    for name, own in MARKET["funding"].items():
        rows = [(START + row * HOUR, rate) for row, rate in sorted(own.items()) if START + row * HOUR > FIRST - DAY]
        frame = pl.DataFrame(rows, schema={"funding_time": time, "funding_rate": pl.Float64}, orient="row")
        for (month,), part in frame.group_by(pl.col("funding_time").dt.strftime("%Y-%m")):
            path = layout.lake / f"funding/venue=okx/instrument={inst_id(name)}/month={month}/part.parquet"
            path.parent.mkdir(parents=True)
            part.with_columns(pl.col("funding_time").alias("known_at")).write_parquet(path)


@lru_cache(maxsize=1)
def make_features() -> dict[str, pl.DataFrame]:
    """Return by view the rows that the store's own transforms give, known a millisecond after their closes."""
    lag, time = timedelta(milliseconds=1), pl.Datetime("us", "UTC")
    bars = [
        (name, START + row * HOUR, *(MARKET[kind][name][row] for kind in BARS))
        for name in MARKET["close"]
        for row in range(len(MARKET["close"][name]))
        if MARKET["close"][name][row] is not None
    ]
    hours = pl.DataFrame(
        bars, schema={"asset": pl.String, EVENT_TIME: time, **dict.fromkeys(BAR_COLUMNS, pl.Float64)}, orient="row"
    ).with_columns((pl.col(EVENT_TIME) + lag).alias(CREATED_TIME))
    paid = [
        (name, START + row * HOUR, rate, START + row * HOUR + lag)
        for name, own in MARKET["funding"].items()
        for row, rate in sorted(own.items())
    ]
    columns = {"asset": pl.String, "funding_time": time, "funding_rate": pl.Float64, "known_at": time}
    funding = pl.DataFrame(paid, schema=columns, orient="row")
    pairs, after = pairs_of(tuple(MARKET["close"])), FIRST - DAY
    unknown = [name for name in ASSET_HOURLY.feature_names if name not in BAR_COLUMNS]
    own = hours.with_columns(pl.lit(None).alias(name) for name in unknown).filter(pl.col(EVENT_TIME) > after)
    return {
        ASSET_HOURLY.name: own.select(ASSET_HOURLY.columns).cast(dict(make_schema(ASSET_HOURLY))),
        ASSET_BOOKS.name: compute_asset_books(hours.lazy(), funding.lazy(), after=after).collect(),
        PAIR_BOOKS.name: compute_pair_books(hours.lazy(), pairs, after=after).collect(),
        PAIR_SPREADS.name: compute_pair_spreads(hours.lazy(), pairs, after=after).collect(),
    }


@contextlib.contextmanager
def book_scene(home: Path, *, unkind: bool = False, **options: Any):
    """A scene whose exchange stands a minute before the close of the first decision."""
    market = PlayedMarket()
    clock = VirtualClock("stepped", to_ms(FIRST - timedelta(minutes=1)))
    account = Account(market, clock, Decimal(EQUITY), unkind=unkind, seed=1)
    with serving(market, clock, account=account, unkind_seed=1 if unkind else None) as url:
        scene = BookScene(home, url, account, options)
        scene.prepare()
        yield scene


def backtest(
    last: datetime,
    *,
    realised: float | None = None,
    limits: BookLimits = LIMITS,
    family: str = "trend_carry_book",
    fit: BookFit | None = None,
) -> BookRun:
    """Backtest the book from the first decision to that at `last`, at the exchange's quotes and mark prices.

    `realised` is the volatility that the limits are found at, `fit` what the book learnt.
    """
    panel = make_panel(MARKET, until=(last - START) // HOUR + 3)
    marks = {
        name: {
            START + row * HOUR: MARKET["open"][name][row + 1]
            for row in range(len(opens) - 1)
            if MARKET["open"][name][row + 1] is not None
        }
        for name, opens in MARKET["open"].items()
    }
    costs = BookCosts(5.0, 0.0, quotes=make_quotes(SPECS))
    terms = BookTerms(float(EQUITY), costs, marks=marks, limits=limits)
    history, book = FeatureHistory(panel), BOOK_FAMILIES[family]
    plan = plan_book(history, book, frozenset(SPECS), first=FIRST_ROW, costs=BookCosts(5.0, 1.0), fit=fit)
    limited = [limit_book(one.target.weights, terms.limits, realised) for one in plan]
    plan = tuple(
        replace(one, weights=weights, steps=steps) for one, (weights, steps) in zip(plan, limited, strict=True)
    )
    return run_book(history, book, terms, SPECS, first=FIRST_ROW, plan=plan)
