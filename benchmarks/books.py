"""Books of a wide universe: five years of 300 made-up names, decided daily and every eight hours, beside vectorbt.

Each stage runs in a process of its own, which says how long it took and the largest memory it had. vectorbt decides
nothing: it is handed the fills of the engine, and keeps the books without funding, which it does not know.
"""

from __future__ import annotations

import pickle
import sys
import tempfile
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path

import numpy as np

from benchmarks.conditions import describe_machine
from benchmarks.figures import note_figure
from benchmarks.isolated_process import IsolatedJob, Job
from pairity.books.families import BOOK_FAMILIES
from pairity.digest import digest_bytes
from pairity.universe import ContractSpec, inst_id
from tests.oracles.vectorbt_fills import make_rows, simulate_fills
from training.books.account import BookCosts
from training.books.batch import make_targets, simulate_books
from training.books.engine import BookTerms, run_book
from training.books.history_features import FeatureHistory
from training.books.panel import BookPanel
from training.books.placebo import Shuffle, permute_targets
from training.books.plan import PlannedDecision, plan_book

_MODULE = "benchmarks.books"
_START = datetime(2021, 1, 1, 1, tzinfo=UTC)
_FAMILIES = {"trend_book": "daily", "pair_continuation": "every 8 hours"}
_ACCOUNTS = 201
_TERMS = BookTerms(1_000_000.0, BookCosts(5.0, 1.0, 1.0))
WHOLE, SMALL = (300, 5 * 8_760), (30, 4_000)
"""Names and hours."""


def measure_books(small: bool) -> str:
    """Measure every stage and return the table; `small` shows in a minute whether it runs at all."""
    names, hours = SMALL if small else WHOLE
    lines, notes, figures = [], [], []
    with tempfile.TemporaryDirectory() as scratch:
        for family, often in _FAMILIES.items():
            plan, orders = (str(Path(scratch) / f"{family}.{kind}") for kind in ("plan", "npz"))
            own = (family, names, hours, plan)
            stages = (
                ("features and decisions", "plan_targets", own),
                ("engine: one account, exact lots, trades, funding", "run_engine", own),
                (f"{_ACCOUNTS} accounts with weights of their own", "run_batch", own),
                ("engine without funding, its fills stored", "store_orders", (*own, orders)),
                (f"vectorbt {version('vectorbt')} on these fills", "run_vectorbt", (orders,)),
            )
            spent: list[tuple[float, float]] = []
            for title, function, arguments in stages:
                seconds, peak, answer = _measure(f"{family}: {title}", function, arguments)
                lines.append(f"| {family}, {often}: {title} | {seconds:.1f} | {peak:,.0f} | {answer} |")
                spent.append((seconds, peak))
            gap = _compare(orders)
            notes.append(f"- {family}: vectorbt's equity is the engine's at every hour to {gap}.")
            figures.append(_tell(often, spent, gap))
    if not small:
        note_figure("books", "; ".join(figures), met=True)  # a difference has ended the run
    head = (
        f"{names} made-up names, {hours:,} hours. {describe_machine()} Decisions are made "
        "once, and given to what follows."
    )
    table = ["| stage | seconds | peak, MB | result |", "| --- | ---: | ---: | --- |", *lines]
    return "\n".join([head, "", *table, "", *notes]) + "\n"


def _measure(title: str, function: str, arguments: tuple[object, ...]) -> tuple[float, float, str]:
    print(f"{title} …", file=sys.stderr, flush=True)
    job = IsolatedJob(_MODULE, function, arguments)
    seconds, peak = job.seconds(), job.outcomes[-1].peak_mb
    print(f"  {seconds:.1f} s, {peak:,.0f} MB: {job.answer}", file=sys.stderr, flush=True)
    return seconds, peak, job.answer


def _tell(often: str, spent: list[tuple[float, float]], gap: str) -> str:
    """Return the figure of one family from seconds and peaks of its stages."""
    (decided, _), (account, _), (batch, peak), (engine, _), (peer, _) = spent
    return (
        f"{often}: decisions {decided:.0f} s, one account {account:.1f} s, {_ACCOUNTS} accounts {batch:.0f} s and "
        f"{peak:,.0f} MB; without funding {engine:.1f} s where vectorbt takes {peer:.1f} s; equity alike to {gap}"
    )


def make_market(names: int, hours: int) -> tuple[BookPanel, dict[str, ContractSpec]]:
    """Return a made-up market: listings over the first half, a tenth of the names delisted, funding every 8 hours."""
    rng = np.random.default_rng(29)
    common = rng.normal(0, 0.006, (hours, 1))
    moves = common + rng.normal(0, 0.004 + 0.006 * rng.random(names), (hours, names))
    closes = 10.0 ** rng.uniform(-2, 3, names) * np.exp(np.cumsum(moves, axis=0))
    opens = np.concatenate([closes[:1], closes[:-1]]) * np.exp(rng.normal(0, 2e-4, (hours, names)))
    listed = np.where(np.arange(names) < names // 3, 0, rng.integers(0, hours // 2, names))
    gone = np.where(np.arange(names) % 10 == 9, rng.integers(hours // 2, hours, names), hours)
    rows = np.arange(hours)[:, None]
    there = (rows >= listed) & (rows < gone)
    volumes = 1e7 * 10.0 ** rng.uniform(-2, 1, names) / closes * np.exp(rng.normal(0, 0.5, (hours, names)))
    settled = there & ((rows + _START.hour) % 8 == 0)
    labels = tuple(f"N{place:03}" for place in range(names))
    panel = BookPanel(
        start=_START,
        names=labels,
        opens=np.where(there, opens, np.nan),
        highs=np.where(there, np.maximum(opens, closes), np.nan),
        lows=np.where(there, np.minimum(opens, closes), np.nan),
        closes=np.where(there, closes, np.nan),
        volumes=np.where(there, volumes, np.nan),
        late=np.where(there, 0.0, np.nan),
        rates=np.where(settled, rng.normal(1e-4, 2e-4, (hours, names)), np.nan),
        covered=np.where(settled, 8.0, 0.0),
    )
    prices = [float(closes[first, place]) for place, first in enumerate(listed)]
    return panel, {label: _make_contract(label, price) for label, price in zip(labels, prices, strict=True)}


def _make_contract(label: str, price: float) -> ContractSpec:
    lot = Decimal(10) ** -round(float(np.log10(price)))
    return ContractSpec(inst_id(label), Decimal(1), lot, lot, lot / 1000, Decimal(50))


def plan_targets(family: str, names: int, hours: int, file: str) -> Job:
    """Make the job that decides, and stores what is decided for the other stages."""
    panel, specs = make_market(names, hours)

    def job() -> str:
        plan = plan_book(FeatureHistory(panel), BOOK_FAMILIES[family], frozenset(specs), costs=_TERMS.costs)
        Path(file).write_bytes(pickle.dumps(plan))
        return f"{len(plan):,} decisions"

    return job


def run_engine(family: str, names: int, hours: int, file: str) -> Job:
    (panel, specs), plan = make_market(names, hours), _read_plan(file)

    def job() -> str:
        run = run_book(FeatureHistory(panel), BOOK_FAMILIES[family], _TERMS, specs, plan=plan)
        return f"{run.fills.height:,} fills, {run.result.trades.height:,} trades"

    return job


def run_batch(family: str, names: int, hours: int, file: str) -> Job:
    """Make the job that trades the book and its placebos from decisions that were made before."""
    (panel, specs), plan, chosen = make_market(names, hours), _read_plan(file), BOOK_FAMILIES[family]

    def job() -> str:
        dealt = permute_targets(panel, plan, Shuffle.THROUGHOUT, _ACCOUNTS - 1)
        rows = zip(make_targets(panel, plan), dealt, strict=True)
        equity = simulate_books(
            panel,
            plan,
            (np.vstack(both) for both in rows),
            specs,
            [_TERMS.costs] * _ACCOUNTS,
            [_TERMS.initial_equity] * _ACCOUNTS,
            band=chosen.band,
        )
        return f"{equity.size:,} values of equity"

    return job


def store_orders(family: str, names: int, hours: int, decided: str, file: str) -> Job:
    (panel, specs), plan = make_market(names, hours), _read_plan(decided)
    unfunded = BookPanel(
        **{name: getattr(panel, name) for name in panel.__slots__ if name != "rates"},
        rates=np.full_like(panel.rates, np.nan),
    )

    def job() -> str:
        run = run_book(FeatureHistory(unfunded), BOOK_FAMILIES[family], _TERMS, specs, plan=plan)
        closes, size, price, rate, hourly = make_rows(panel, run.fills, 0)
        equity = run.result.equity["equity"].to_numpy()
        np.savez(file, closes=closes, size=size, price=price, rate=rate, hourly=hourly, equity=equity)
        return f"{run.fills.height:,} fills"

    return job


def run_vectorbt(file: str) -> Job:
    few = _load(file)
    hourly = few["hourly"][few["hourly"] < 300]
    # The first call compiles, which is not timed.
    simulate_fills(*(few[name][:300] for name in ("closes", "size", "price", "rate")), hourly, _TERMS.initial_equity)

    def job() -> str:
        rows = [few[name] for name in ("closes", "size", "price", "rate", "hourly")]
        equity = simulate_fills(*rows, _TERMS.initial_equity)
        np.save(f"{file}.npy", equity)
        return f"equity {digest_bytes(equity.tobytes())[:8]}"

    return job


def _read_plan(file: str) -> tuple[PlannedDecision, ...]:
    plan: tuple[PlannedDecision, ...] = pickle.loads(Path(file).read_bytes())
    return plan


def _load(file: str) -> dict[str, np.ndarray]:
    with np.load(file) as stored:
        return {name: stored[name] for name in stored.files}


def _compare(file: str) -> str:
    own, other = _load(file)["equity"], np.load(f"{file}.npy")
    gap = float(np.max(np.abs(other / own - 1.0)))
    assert gap < 1e-8, f"vectorbt's equity differs by {gap}"
    return f"{gap:.0e} of it"
