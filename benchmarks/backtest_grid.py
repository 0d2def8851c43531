"""The reference grid of 27 points over two years, against an event loop in exact decimals and against vectorbt.

The event loop (`tests/oracles/decimal_backtest.py`) shares with the engine only the decision function; it runs one
point over a short stretch and is scaled up. vectorbt decides nothing: it is handed the engine's own fills of all points
and keeps the books, without funding, which it does not know.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from benchmarks import grid_market
from benchmarks.case import Case
from benchmarks.isolated_process import Alone, Job
from pairity.digest import digest_bytes
from pairity.settings import StrategySettings
from tests.oracles.decimal_backtest import backtest
from tests.oracles.vectorbt_books import Orders, orders_of, simulated
from training.backtest.engine import run
from training.backtest.grid import Grid, GridPoint, Question, run_grid
from training.backtest.policies import Strategy
from training.backtest.records import BacktestResult

ROUNDS = 3
ORACLE_HOURS = 1_000
POINTS = Grid().points()
_MIDDLE = POINTS[len(POINTS) // 2]


def grid(file: str, workers: int) -> Job:
    asked = _stored(file)

    def job() -> str:
        found = run_grid(asked, workers=workers)
        return digest_bytes(found.returns.tobytes() + repr(found.metrics).encode())

    return job


def event_loop(file: str) -> Job:
    asked, strategy = _stored(file), _settings(_MIDDLE)
    return lambda: str(backtest(asked.history, asked.scores, strategy, asked.decision_lag, asked.terms).cash)


def vectorbt(file: str) -> Job:
    stored = np.load(file)
    orders = Orders(**{name: stored[name] for name in stored.files if stored[name].ndim},
                    trials=int(stored["trials"]), initial=float(stored["initial"]))  # fmt: skip
    simulated(orders)  # compiles
    return lambda: digest_bytes(simulated(orders).tobytes())


def inputs(hours: int) -> Job:
    """Not the grid: history and scores from frames, which all points share."""
    made = grid_market.frames(hours)

    def job() -> str:
        return str(len(grid_market.put_together(made).scores))

    return job


def cases(scratch: Path, *, small: bool = False) -> Iterator[Case]:
    hours = grid_market.SMALL_HOURS if small else grid_market.HOURS
    stretch = min(hours, ORACLE_HOURS)
    orders = scratch / "orders.npz"
    asked = grid_market.question(hours)
    short, whole, bare = (
        _store(scratch / name, question)
        for name, question in (
            ("short", grid_market.question(stretch)), ("whole", asked), ("bare", _without_funding(asked)),
        )
    )  # fmt: skip
    loop, other = Alone(__name__, "event_loop", (short,)), Alone(__name__, "vectorbt", (str(orders),))
    one, two = (Alone(__name__, "grid", (whole, workers)) for workers in (1, 2))
    unfunded = Alone(__name__, "grid", (bare, 1))
    prepared = Alone(__name__, "inputs", (hours,))
    scale = len(POINTS) * hours / stretch
    size = f"grid of {len(POINTS)} points × {hours:,} hours × 45 pairs ({grid_market.source()})"
    peer = f"event loop in exact decimals, one point × {stretch:,} hours, times {scale:.0f}"

    def scaled() -> float:
        return loop.seconds() * scale

    def same_bits() -> str:
        assert one.answer == two.answer, "the number of workers changed a bit"
        return (
            "grid, one worker and two: the same bits; before it, "
            f"history and scores from frames take {prepared.seconds():.1f} s; peak memory: {prepared.memory()}"
        )

    yield Case(
        f"{size}, one worker", _never, peer, _never, lambda: _same_as_the_loop(short), ROUNDS, ROUNDS,
        peer_seconds=scaled, ours_seconds=one.seconds,
        note=lambda: f"peak memory, grid with one worker: {one.memory()}; event loop: {loop.memory()}",
    )  # fmt: skip
    yield Case(
        f"{size}, one worker", _never, "the same with two workers", _never, lambda: None, ROUNDS, ROUNDS,
        peer_seconds=two.seconds, ours_seconds=one.seconds,
        note=lambda: f"peak memory, grid with two workers: {two.memory()}; {same_bits()}",
    )  # fmt: skip
    yield Case(
        f"{size}, one worker, no funding: decides and simulates", _never,
        f"vectorbt {version('vectorbt')} Portfolio.from_orders (numba), value at every hour: only simulates the "
        "orders that it is given", _never, lambda: _same_as_vectorbt(bare, orders), ROUNDS, ROUNDS,
        peer_seconds=other.seconds, ours_seconds=unfunded.seconds,
        note=lambda: f"peak memory, vectorbt: {other.memory()}; its equity of all {len(POINTS)} points is ours at "
                     "every hour to 1e-9",
    )  # fmt: skip


def _never() -> None:
    raise AssertionError("runs in a process of its own")


def _settings(point: GridPoint) -> StrategySettings:
    return StrategySettings(
        z_entry=point.z_entry, probability_min=point.probability_min, correlation_max=point.correlation_max
    )


def _trial(asked: Question, point: GridPoint) -> BacktestResult:
    return run(asked.history, asked.scores, Strategy(_settings(point)), asked.terms,
               decision_lag=asked.decision_lag, train_end=None)  # fmt: skip


def _without_funding(asked: Question) -> Question:
    return replace(asked, history=replace(asked.history, settlements={}))


def _store(file: Path, asked: Question) -> str:
    file.write_bytes(pickle.dumps(asked))
    return str(file)


def _stored(file: str) -> Question:
    asked: Question = pickle.loads(Path(file).read_bytes())
    return asked


def _same_as_the_loop(file: str) -> None:
    asked = _stored(file)
    found = _trial(asked, _MIDDLE)
    books = backtest(asked.history, asked.scores, _settings(_MIDDLE), asked.decision_lag, asked.terms)
    assert found.trades.height == len(books.trades) > 20
    np.testing.assert_allclose(found.equity["equity"].to_numpy(), [float(v) for v in books.equity], rtol=1e-9)


def _same_as_vectorbt(question: str, file: Path) -> None:
    """Also leaves the orders where the peer will find them."""
    asked = _stored(question)
    trials = [_trial(asked, point) for point in POINTS]
    orders = orders_of(trials, asked.history, asked.terms)
    ours = np.column_stack([trial.equity["equity"].to_numpy() for trial in trials])
    np.testing.assert_allclose(simulated(orders), ours, rtol=1e-9)
    np.savez(file, **{name: getattr(orders, name) for name in Orders.__dataclass_fields__})
    print(f"{sum(trial.trades.height for trial in trials):,} trades, {len(orders.size):,} rows for vectorbt")
