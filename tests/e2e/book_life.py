"""A book through the process over days of recorded hours, and the backtest of the same hours beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl

from feature_repo.contract_specs import read_contracts, write_contracts
from pairity.books.families import BOOK_FAMILIES, BookFamily
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.timeline import HOUR, to_ms
from pairity.universe import inst_id, short_name
from pairity_cli.replay.expected import make_quotes
from serving.journal import BookRecord, Intent
from serving.journal.reading import ReadingJournal
from tests.e2e.account_checks import client_of
from tests.e2e.running import ROOT, Place, Running, paper_exchange
from training.books.engine import BookRun, run_book
from training.books.stored_market import load_market, make_book_terms

FAMILY = "trend_carry_book"
EQUITY = 100_000
FEE_BPS = "5"
ASSETS = (
    *("BTC", "ETH", "SOL", "XRP", "BNB", "DOGE", "ADA", "AVAX", "BCH", "DOT", "FIL"),
    *("LINK", "LTC", "ONDO", "OP", "PEPE", "SUI", "TIA", "TON", "TRX", "WIF", "WLD"),
)


def make_place(home: Path, assets: tuple[str, ...] = ASSETS, family: str = FAMILY, **extra: str) -> Place:
    """Return a data directory whose process trades the book, with stops that are out of the way."""
    chosen = BOOK_FAMILIES[family]
    settings = {
        "PAIRITY_UNIVERSE__ASSETS": json.dumps(assets),
        # Pairs of all names cost time where the family needs none.
        "PAIRITY_UNIVERSE__PAIR_ASSETS": json.dumps(assets if chosen.needs_pairs else assets[:2]),
        "PAIRITY_STRATEGY__BOOK": family,
        "PAIRITY_BOOKS__DISASTER_STOP": "0.95",
        "PAIRITY_COSTS__TAKER_FEE_BPS": FEE_BPS,
        "PAIRITY_COSTS__INITIAL_EQUITY_USDT": str(EQUITY),
        # What a backtest does not know must not end the book of a hundred days.
        "PAIRITY_LIMITS__DAY_LOSS": "1",
        "PAIRITY_LIMITS__DRAWDOWN": "1",
        "PAIRITY_LIMITS__PRICE_DEVIATION": "10",
        "PAIRITY_LIMITS__FUNDING_RATE": "1",
        "PAIRITY_LIMITS__ORDERS_PER_HOUR": "1000",
        "PAIRITY_LIMITS__REJECTS_PER_HOUR": "1000",
        "PAIRITY_SERVE__INTERVAL_MINUTES": str(60 * chosen.every_hours),
        "PAIRITY_SERVE__LEASE": "false",
        "PAIRITY_LOGS__LEVEL": "warning",
        "PAIRITY_EXCHANGE__TIMEOUT_S": "120",
    }
    return Place(home, settings | extra)


def family_of(place: Place) -> BookFamily:
    """Return the family that a place trades."""
    return BOOK_FAMILIES[settings_of(place).strategy.book or FAMILY]


def settings_of(place: Place) -> Settings:
    """Return the settings that the commands of a place run with."""
    before, own = dict(os.environ), place.environment()
    os.environ.clear()
    os.environ.update(own)
    try:
        return Settings()
    finally:
        os.environ.clear()
        os.environ.update(before)


def cut(recordings: Path, folder: Path, assets: tuple[str, ...], since: datetime, until: datetime) -> Path:
    """Write the recorded hours, marks and funding of `assets` in a span to a folder of their own, and return it."""
    span = pl.col("ts").is_between(to_ms(since), to_ms(until), closed="left")
    for name in ("1h", "mark_1h", "funding"):
        (folder / name).mkdir(parents=True)
        for asset in assets:
            path = recordings / name / f"{asset}-USDT.parquet"
            if path.exists():
                rows = pl.read_parquet(path).filter(span)
                if rows.height:
                    rows.write_parquet(folder / name / path.name)
    return folder


def collect(place: Place, folder: Path, since: datetime, until: datetime) -> None:
    """Store what a folder holds, and compute its features."""
    span = ("--since", since.isoformat(), "--until", until.isoformat())
    datasets = ("--datasets", "candles_1h,funding,mark_1h")
    for command in (
        ("collect", "--source", "parquet-folder", "--folder", str(folder), "--venue", "okx", *span, *datasets),
        ("features",),
    ):
        done = place.run(*command, timeout_s=3000)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@dataclass
class Trader:
    """The trading processes of one place, one after another, on one exchange."""

    place: Place
    exchange: Running

    def run(self, cycles: int, kill_at: int | None = None, timeout_s: float = 7000) -> subprocess.CompletedProcess[str]:
        """Run one process for so many cycles, or until it is killed."""
        self.place.home.mkdir(0o700, parents=True, exist_ok=True)
        arguments = [str(cycles), *([] if kill_at is None else [str(kill_at)])]
        own = {"PAIRITY_EXCHANGE__URL": self.exchange.url, "PAIRITY_EXCHANGE__CONTROL_URL": self.exchange.control}
        return subprocess.run(
            [sys.executable, "-m", "tests.e2e.book_trader", *arguments],
            cwd=ROOT,
            text=True,
            capture_output=True,
            env=self.place.environment() | own | {"PAIRITY_DOTENV": "ignore"},
            timeout=timeout_s,
            check=False,
        )


def playing(recordings: Path, start: datetime, *options: str):
    """Run a paper exchange over the recorded hours, its clock a minute before the first decision's close."""
    begin = start - timedelta(minutes=1)
    return paper_exchange(
        *("--market", "recorded", "--data", str(recordings / "1h"), "--start", f"{begin:%Y-%m-%dT%H:%M:%SZ}"),
        *("--balance", str(EQUITY), *options),
    )


def store_contracts(place: Place, exchange: Running) -> None:
    """Store the contracts as the exchange lists them."""
    import asyncio

    from serving.execution.okx import OkxVenue
    from venue.okx_client import aclose, make_client

    settings = settings_of(place)
    own = settings.exchange.model_copy(update={"url": exchange.url, "control_url": exchange.control})

    async def read():
        client = make_client(settings.model_copy(update={"exchange": own}), signed=True)
        try:
            return await OkxVenue(client, retries=1).listings()
        finally:
            await aclose(client)

    listings = asyncio.run(read())
    wanted = {inst_id(asset) for asset in settings.universe.assets}
    write_contracts(Layout.of(settings), [row.spec for name, row in listings.items() if name in wanted])


def backtest(place: Place, recordings: Path, first: datetime, last: datetime) -> BookRun:
    """Backtest the decisions from `first` to `last`, at the exchange's quotes and mark prices."""
    settings = settings_of(place)
    stored = load_market(settings, last + timedelta(hours=2), last + 2 * HOUR)
    panel = stored.history.panel
    contracts = read_contracts(Layout.of(settings))
    terms = make_book_terms(settings)
    terms = replace(
        terms,
        costs=replace(terms.costs, slippage_bps=0.0, impact=0.0, quotes=make_quotes(contracts)),
        marks={name: read_marks(recordings, name) for name in panel.names},
    )
    start = (first - panel.start) // HOUR
    return run_book(stored.history, family_of(place), terms, contracts, first=start)


def read_marks(recordings: Path, name: str) -> dict[datetime, float]:
    """Return the exchange's mark price at each full hour: the mark's open, the last price's where there is no mark."""
    found: dict[datetime, float] = {}
    for folder in ("1h", "mark_1h"):
        path = recordings / folder / f"{name}-USDT.parquet"
        if path.exists():
            rows = pl.read_parquet(path).select(pl.from_epoch("ts", "ms").dt.replace_time_zone("UTC"), "open")
            found |= dict(rows.iter_rows())
    return found


def read_books(place: Place) -> tuple[list[BookRecord], list, dict[str, Decimal]]:
    """Return the decisions, the executions and what is held, as the journal has them."""
    journal = ReadingJournal.connect(Layout.of(settings_of(place)).journal)
    try:
        return journal.books.all(), journal.fills(), journal.books.count_held()
    finally:
        journal.close()


def read_orders(place: Place) -> list[Intent]:
    """Return the orders of all rebalances, oldest first."""
    journal = ReadingJournal.connect(Layout.of(settings_of(place)).journal)
    try:
        return journal.books.orders()
    finally:
        journal.close()


@dataclass(frozen=True)
class Compared:
    """What a process and the backtest of the same hours have in common, and where they differ most."""

    decisions: int
    fills: int
    equity_gap: float
    fee_gap: float
    funding_gap: float
    fees: float
    funding: float
    equity: float
    differences: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{self.decisions} decisions, {self.fills} executions, equity {self.equity:,.2f} USDT "
            f"(largest gap {self.equity_gap:.2e}), fees {self.fees:,.2f} (gap {self.fee_gap:.2e}), "
            f"funding paid {self.funding:,.2f} (gap {self.funding_gap:.2e}), {len(self.differences)} differences"
        )


def compare(place: Place, exchange: Running, run: BookRun, first: datetime, last: datetime) -> Compared:
    """Compare decisions, contracts, equity at each decision's close, fees and funding."""
    books, fills, held = read_books(place)
    by_close = {one.close: one for one in books}
    equity = dict(run.result.equity.select("time", "equity").iter_rows())
    funding = dict(run.result.equity.select("time", "funding").iter_rows())
    found: list[str] = []
    gap = 0.0
    checked = 0
    for decision, row in zip(run.decisions, run.result.decisions["time"], strict=True):
        if not first <= row <= last:
            continue
        checked += 1
        own = by_close.get(row)
        if own is None:
            found.append(f"{row}: no decision of the process")
            continue
        gap = max(gap, abs(own.equity_usdt - equity[row]))
        ours = {one.name: (one.held, one.contracts) for one in own.names if one.held or one.contracts}
        theirs = {one.name: (one.held, one.wanted) for one in decision.names if one.held or one.wanted}
        found += [
            f"{row} {name}: {ours.get(name)} by the process, {theirs.get(name)} by the backtest"
            for name in sorted({*ours, *theirs})
            if ours.get(name) != theirs.get(name)
        ]
    wanted = {inst_id(one.name): one.wanted for one in run.decisions[-1].names if one.wanted}
    if run.result.decisions["time"][-1] == last and held != wanted:
        found.append(f"held in the end {held}, by the backtest {wanted}")
    client = client_of(exchange.url)
    there = {p["instId"]: Decimal(p["pos"]) for p in client.private_get_account_positions()["data"] if float(p["pos"])}
    if there != held:
        found.append(f"the venue holds {there}, the journal {held}")
    own_fills = run.fills.filter(pl.col("at_open"))
    fees, expected_fees = -float(sum(fill.fee_usdt for fill in fills)), float(own_fills["fee"].sum())
    paid = -sum(float(bill["pnl"]) for bill in read_funding(client, to_ms(first), to_ms(last) + 60_000))
    expected = funding[last] - funding.get(first - HOUR, 0.0)
    return Compared(
        decisions=checked,
        fills=len(fills),
        equity_gap=gap,
        fee_gap=abs(fees - expected_fees),
        funding_gap=abs(paid - expected),
        fees=fees,
        funding=paid,
        equity=equity[last],
        differences=tuple(found),
    )


def read_funding(client, since_ms: int, until_ms: int) -> list[dict]:
    """Return the venue's bills of funding in a span."""
    rows: dict[str, dict] = {}
    after = None
    while True:
        wanted = {"type": "8", "begin": str(since_ms), "end": str(until_ms), "limit": "100"}
        page = client.private_get_account_bills_archive(wanted | ({"after": after} if after else {}))["data"]
        new = [row for row in page if row["billId"] not in rows]
        if not new:
            return list(rows.values())
        rows |= {row["billId"]: row for row in new}
        after = page[-1]["billId"]


def count_far_from_target(place: Place, contracts) -> list[str]:
    """Return the names whose contracts after a rebalance are not the target's, by more than one lot."""
    books, fills, _ = read_books(place)
    far = []
    for number, book in enumerate(books):
        until = books[number + 1].close if number + 1 < len(books) else book.close + timedelta(days=400)
        held: dict[str, Decimal] = {}
        for fill in fills:
            if fill.at < until:
                name = short_name(fill.instrument)
                held[name] = held.get(name, Decimal(0)) + fill.side.sign * fill.contracts
        for one in book.names:
            spec = contracts[one.name]
            # What is traded is brought to its target: whole lots of weight × equity at the decision's close.
            exact = Decimal(repr(one.target * book.equity_usdt)) / (Decimal(repr(one.price or 1.0)) * spec.ct_val)
            traded = one.held != one.contracts or one.cause in ("enters", "leaves", "changes side", "beyond the band")
            if traded and abs(held.get(one.name, Decimal(0)) - exact) > spec.lot_sz:
                far.append(f"{book.close} {one.name}: {held.get(one.name)} held, {exact:.4f} wanted")
    return far
