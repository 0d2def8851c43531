"""A grid of strategy settings over one market history and one set of scores: what the choice among them is worth.

Every point is a trial, whatever it earned: the statistics of overfitting need all of them, not the best one.
"""

from __future__ import annotations

import gc
import pickle
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import product
from multiprocessing import get_context
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import ValidationError

from pairity.child_environment import only_allowed_variables
from pairity.errors import ConfigError
from pairity.settings import Settings, StrategySettings
from training.backtest.engine import refuse_seen_period, refuse_seen_scores, run_backtest
from training.backtest.performance import measure_performance
from training.backtest.policies import Strategy
from training.backtest.records import HourScores, MarketHistory, Terms
from training.tasks import run_cases

MOST_POINTS = 2000
Value = float | int | bool | str
Floats = NDArray[np.float64]


class Point(Protocol):
    """One trial of any grid."""

    def changes(self) -> Mapping[str, Value]:
        """Return the settings of the strategy in which the trial differs."""
        ...


class TrialGrid(Protocol):
    """Trials that are run together; they differ in the same settings."""

    def list_points(self) -> Sequence[Point]:
        """Return every trial; ConfigError where they cannot be run."""
        ...


@dataclass(frozen=True, slots=True)
class GridPoint:
    """One trial: the values of the settings in which trials differ."""

    z_entry: float
    probability_min: float
    correlation_max: float

    def changes(self) -> dict[str, Value]:
        """Return the settings of this trial."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Grid:
    """All combinations of three settings; the defaults are the reference grid of 27 points."""

    z_entry: tuple[float, ...] = (0.8, 1.0, 1.2)
    probability_min: tuple[float, ...] = (0.4, 0.5, 0.6)
    correlation_max: tuple[float, ...] = (0.75, 0.85, 0.95)

    def list_points(self) -> list[GridPoint]:
        """Return every combination, the last setting varying fastest.

        Raises what `check_points` raises.
        """
        points = [GridPoint(*values) for values in product(self.z_entry, self.probability_min, self.correlation_max)]
        check_points(len(points), len(set(points)))
        return points


def check_points(count: int, different: int) -> None:
    """Raise ConfigError for a grid without a point, with repeated ones, and with more than MOST_POINTS."""
    if not count or different < count:
        raise ConfigError(
            f"the grid has {count} points, {different} of them different",
            "give each setting at least one value, and each value once: a repeat would count as a trial",
        )
    if count > MOST_POINTS:
        raise ConfigError(f"the grid has {count} points; at most {MOST_POINTS} are run at once", "choose fewer values")


@dataclass(frozen=True, slots=True)
class GridResult:
    """Results of all trials, in the order of `Grid.list_points`."""

    points: tuple[Point, ...]
    metrics: tuple[dict[str, float | None], ...]
    """Per trial, the keys of `measure_performance`."""
    returns: Floats
    """Hours × trials: fractional change of equity in each hour; the first hour starts from the initial equity."""

    def table(self) -> pl.DataFrame:
        """Return one row per trial: its settings and its metrics (null where one is not defined)."""
        rows = [{**point.changes(), **values} for point, values in zip(self.points, self.metrics, strict=True)]
        kinds = {name: pl.String() if isinstance(value, str) else pl.Float64() for name, value in rows[0].items()}
        return pl.DataFrame(rows, schema=kinds, strict=False)


@dataclass(frozen=True, slots=True)
class GridInputs:
    """What all trials share. `train_end`: see `engine.run_backtest`."""

    history: MarketHistory
    scores: Mapping[datetime, HourScores]
    settings: StrategySettings
    terms: Terms
    decision_lag: timedelta
    train_end: datetime | None


def run_grid(
    inputs: GridInputs, grid: TrialGrid | None = None, *, workers: int = 1, settings: Settings | None = None
) -> GridResult:
    """Backtest every point of `grid` (default: the reference grid) on the same market history and scores.

    `settings` are those of the job: in the cluster profile Dask's workers run the trials. `workers` above 1 spreads
    them over that many processes of this machine, each with its own copy of the inputs. Copying two years of 45 pairs
    costs as much as a dozen trials, so that it pays for large grids and idle cores only (benchmarks/results-train.md).
    The result is the same to the last bit. ConfigError for a grid or a point that cannot be run, TimeRangeError for a
    period that the model has seen.
    """
    points = (grid or Grid()).list_points()
    for point in points:
        _set_point(inputs.settings, point)
    refuse_seen_period(inputs.history.hours, inputs.train_end)
    refuse_seen_scores(inputs.history.hours, inputs.scores)
    if workers > 1:
        trials = _run_in_processes(inputs, points, workers)
    elif settings is not None:
        trials = list(run_cases(settings, "trial", _run_case, ((point,) for point in points), shared=(inputs,)))
    else:
        trials = [_run_trial(inputs, point) for point in points]
    return GridResult(
        points=tuple(points),
        metrics=tuple(metrics for metrics, _ in trials),
        returns=np.column_stack([returns for _, returns in trials]),
    )


def _set_point(settings: StrategySettings, point: Point) -> StrategySettings:
    try:
        return StrategySettings.model_validate(settings.model_dump() | dict(point.changes()))
    except ValidationError as error:
        what = "; ".join(item["msg"] for item in error.errors(include_url=False))
        raise ConfigError(
            f"grid point {_show(point)} cannot be run: {what}", "take the value out of the grid"
        ) from None


def _show(point: Point) -> str:
    return ", ".join(f"{name}={value}" for name, value in point.changes().items())


def _run_trial(inputs: GridInputs, point: Point) -> tuple[dict[str, float | None], Floats]:
    result = run_backtest(
        inputs.history,
        inputs.scores,
        Strategy(_set_point(inputs.settings, point)),
        inputs.terms,
        decision_lag=inputs.decision_lag,
        train_end=inputs.train_end,
    )
    equity = np.concatenate([[result.initial_equity], result.equity["equity"].to_numpy()])
    return measure_performance(result), equity[1:] / equity[:-1] - 1.0


def _run_case(_settings: Settings, inputs: GridInputs, point: Point) -> tuple[dict[str, float | None], Floats]:
    return _run_trial(inputs, point)


_SHARED: list[GridInputs] = []
"""Inputs of this worker process, sent to it once."""


def _run_in_processes(
    inputs: GridInputs, points: Sequence[Point], workers: int
) -> list[tuple[dict[str, float | None], Floats]]:
    # Spawned, not forked: polars and BLAS hold threads that a fork would lose.
    with (
        only_allowed_variables(),
        ProcessPoolExecutor(
            max_workers=min(workers, len(points)),
            mp_context=get_context("spawn"),
            initializer=_receive_inputs,
            initargs=(pickle.dumps(inputs, pickle.HIGHEST_PROTOCOL),),  # once, not per worker
        ) as pool,
    ):
        return list(pool.map(_run_shared_trial, points))


def _receive_inputs(sent: bytes) -> None:
    """Unpack the inputs in a worker process, out of the garbage collector's sight."""
    # A million records that live as long as the process: walking over them again and again would only cost time.
    gc.disable()
    _SHARED.append(pickle.loads(sent))
    gc.freeze()
    gc.enable()


def _run_shared_trial(point: Point) -> tuple[dict[str, float | None], Floats]:
    return _run_trial(_SHARED[0], point)
