"""The reference grid of 27 points over two years, against an event loop in exact decimals and against vectorbt.

The event loop (`tests/oracles/decimal_backtest.py`) shares with the engine only the decision function; it runs one
point over a short stretch and its time is scaled up. vectorbt decides nothing: it gets the engine's own fills of all
points and keeps the books, without funding, which it does not know.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from benchmarks import grid_inputs
from benchmarks.case import Case
from benchmarks.isolated_process import IsolatedJob, Job
from pairity.digest import digest_bytes
from pairity.settings import StrategySettings
from tests.oracles.decimal_backtest import backtest
from tests.oracles.vectorbt_books import Orders, make_orders, simulate
from training.backtest.engine import run_backtest
from training.backtest.grid import Grid, GridInputs, GridPoint, run_grid
from training.backtest.policies import Strategy
from training.backtest.records import BacktestResult

ROUNDS = 3
ORACLE_HOURS = 1_000
POINTS = Grid().list_points()
_MIDDLE = POINTS[len(POINTS) // 2]


def run_our_grid(file: str, workers: int) -> Job:
    inputs = _load_inputs(file)

    def job() -> str:
        trials = run_grid(inputs, workers=workers)
        return digest_bytes(trials.returns.tobytes() + repr(trials.metrics).encode())

    return job


def run_event_loop(file: str) -> Job:
    inputs, strategy = _load_inputs(file), _set_point(_MIDDLE)
    return lambda: str(backtest(inputs.history, inputs.scores, strategy, inputs.decision_lag, inputs.terms).cash)


def run_vectorbt(file: str) -> Job:
    stored = np.load(file)
    orders = Orders(
        **{name: stored[name] for name in stored.files if stored[name].ndim},
        trials=int(stored["trials"]),
        initial=float(stored["initial"]),
    )
    simulate(orders)  # the first call compiles, which is not timed
    return lambda: digest_bytes(simulate(orders).tobytes())


def assemble_inputs(hours: int) -> Job:
    """Make the job that puts history and scores together from frames; all points of the grid share them."""
    made = grid_inputs.make_frames(hours)

    def job() -> str:
        return str(len(grid_inputs.assemble_grid_inputs(made).scores))

    return job


def cases(scratch: Path, *, small: bool = False) -> Iterator[Case]:
    hours = grid_inputs.SMALL_HOURS if small else grid_inputs.HOURS
    stretch = min(hours, ORACLE_HOURS)
    orders = scratch / "orders.npz"
    inputs = grid_inputs.make_grid_inputs(hours)
    short, whole, bare = (
        store_inputs(scratch / name, stored)
        for name, stored in (
            ("short", grid_inputs.make_grid_inputs(stretch)),
            ("whole", inputs),
            ("bare", remove_funding(inputs)),
        )
    )
    loop, other = (
        IsolatedJob(__name__, "run_event_loop", (short,)),
        IsolatedJob(__name__, "run_vectorbt", (str(orders),)),
    )
    one, two = (IsolatedJob(__name__, "run_our_grid", (whole, workers)) for workers in (1, 2))
    unfunded = IsolatedJob(__name__, "run_our_grid", (bare, 1))
    prepared = IsolatedJob(__name__, "assemble_inputs", (hours,))
    scale = len(POINTS) * hours / stretch
    size = f"grid of {len(POINTS)} points × {hours:,} hours × 45 pairs ({grid_inputs.describe_source()})"
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
        name=f"{size}, one worker",
        ours=_refuse,
        peer=peer,
        theirs=_refuse,
        check=lambda: _check_against_the_loop(short),
        peer_rounds=ROUNDS,
        rounds=ROUNDS,
        peer_seconds=scaled,
        ours_seconds=one.seconds,
        note=lambda: f"peak memory, grid with one worker: {one.memory()}; event loop: {loop.memory()}",
    )
    yield Case(
        name=f"{size}, one worker",
        ours=_refuse,
        peer="the same with two workers",
        theirs=_refuse,
        check=lambda: None,
        peer_rounds=ROUNDS,
        rounds=ROUNDS,
        peer_seconds=two.seconds,
        ours_seconds=one.seconds,
        note=lambda: f"peak memory, grid with two workers: {two.memory()}; {same_bits()}",
    )
    yield Case(
        name=f"{size}, one worker, no funding: decides and simulates",
        ours=_refuse,
        peer=f"vectorbt {version('vectorbt')} Portfolio.from_orders (numba), value at every hour: only simulates the "
        "orders that it is given",
        theirs=_refuse,
        check=lambda: check_against_vectorbt(bare, orders),
        peer_rounds=ROUNDS,
        rounds=ROUNDS,
        peer_seconds=other.seconds,
        ours_seconds=unfunded.seconds,
        note=lambda: (
            f"peak memory, vectorbt: {other.memory()}; its equity of all {len(POINTS)} points is ours at "
            "every hour to 1e-9"
        ),
    )


def _refuse() -> None:
    raise AssertionError("runs in a process of its own")


def _set_point(point: GridPoint) -> StrategySettings:
    return StrategySettings(
        z_entry=point.z_entry, probability_min=point.probability_min, correlation_max=point.correlation_max
    )


def _run_trial(inputs: GridInputs, point: GridPoint) -> BacktestResult:
    return run_backtest(
        inputs.history,
        inputs.scores,
        Strategy(_set_point(point)),
        inputs.terms,
        decision_lag=inputs.decision_lag,
        train_end=None,
    )


def remove_funding(inputs: GridInputs) -> GridInputs:
    return replace(inputs, history=replace(inputs.history, settlements={}))


def store_inputs(file: Path, inputs: GridInputs) -> str:
    file.write_bytes(pickle.dumps(inputs))
    return str(file)


def _load_inputs(file: str) -> GridInputs:
    inputs: GridInputs = pickle.loads(Path(file).read_bytes())
    return inputs


def _check_against_the_loop(file: str) -> None:
    inputs = _load_inputs(file)
    trial = _run_trial(inputs, _MIDDLE)
    books = backtest(inputs.history, inputs.scores, _set_point(_MIDDLE), inputs.decision_lag, inputs.terms)
    assert trial.trades.height == len(books.trades) > 20
    np.testing.assert_allclose(trial.equity["equity"].to_numpy(), [float(v) for v in books.equity], rtol=1e-9)


def check_against_vectorbt(inputs_file: str, file: Path) -> None:
    """Assert that vectorbt's equity is the engine's, and write the orders to `file` for the peer's process."""
    inputs = _load_inputs(inputs_file)
    trials = [_run_trial(inputs, point) for point in POINTS]
    orders = make_orders(trials, inputs.history, inputs.terms)
    ours = np.column_stack([trial.equity["equity"].to_numpy() for trial in trials])
    np.testing.assert_allclose(simulate(orders), ours, rtol=1e-9)
    np.savez(file, **{name: getattr(orders, name) for name in Orders.__dataclass_fields__})
    print(f"{sum(trial.trades.height for trial in trials):,} trades, {len(orders.size):,} rows for vectorbt")
