"""Meters for one decision of the trading process: time per step, and how often what is expensive is done.

The product knows nothing of them: they are put around its functions by name when a measurement begins. A name that is
not there is listed instead of measured, and its time counts for the step that surrounds it.
"""

from __future__ import annotations

import functools
import gc
import inspect
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

DECISION = "serving.cycle:Cycle.run"
STAGE = "ingestion.report:Stopwatch.stage"
STEPS = (
    ("reconcile", "serving.reconcile:Reconciler.run"),
    ("compute", "feature_repo.chunks:Chunk.advance"),
    ("judge", "ingestion.feature_admission:FeatureAdmission.accept"),
    ("judge", "ingestion.feature_admission:FeatureAdmission.admit"),
    ("publish", "ingestion.publishing:stamp_corrections"),
    ("publish", "feature_repo.offline_files:publish"),
    ("publish", "feature_repo.offline_files:publish_new"),
    ("online write", "feature_repo.feature_store:write_online"),
    ("read", "feature_repo.feature_store:read_online"),
    ("score", "serving.models.scoring:Scorer.score"),
    ("decide", "serving.decision:make_decision"),
    ("journal", "serving.journal:Journal.record_decision"),
    ("carry out", "serving.cycle:Cycle._carry_out"),
)
PLACE = "serving.execution.okx:OkxVenue.place"
LOOK = "serving.watch:Watch.look"
STATE = "serving.journal:Journal.restore_state"
OTHER = "other"
ALL = "all"
COLLECTS, LAZY, WRITES, VALIDATIONS = "Polars collects", "of them lazy queries", "file writes", "validations"
ORDERS, HELD = "orders sent", "positions held before"
COUNTS = (COLLECTS, LAZY, WRITES, VALIDATIONS, ORDERS, HELD)
_WRITING = ("w", "a", "x", "+")
_NATIVE_WRITERS = ("write_parquet", "write_csv", "write_ipc", "write_ndjson", "write_json")


@dataclass(slots=True)
class Spent:
    """Seconds of processor (all threads of the process) and of the wall's clock."""

    cpu_s: float = 0.0
    wall_s: float = 0.0


@dataclass(slots=True)
class DecisionMeasures:
    """What one decision took: seconds per step (its own, without the steps inside it), and counts.

    `to_order` is what passed from its beginning, when its bar is there, to the request of its first order; None where
    it sent none. `collections` are the seconds of each run of the garbage collector meanwhile, with its generation.
    """

    steps: dict[str, Spent] = field(default_factory=lambda: defaultdict(Spent))
    counts: Counter[str] = field(default_factory=Counter)
    to_order: Spent | None = None
    collections: list[tuple[int, float]] = field(default_factory=list)


class Meter:
    """Meter of all decisions of one process; steps may lie inside each other."""

    def __init__(self) -> None:
        self.decisions: list[DecisionMeasures] = []
        self.looks: list[Spent] = []
        """Looks of the watch between decisions."""
        self.missing: list[str] = []
        self.on_decision: Callable[[], None] = lambda: None
        """Called after every decision, outside of what is measured."""
        self._now: DecisionMeasures | None = None
        self._inside: list[Spent] = []
        self._begun = Spent()
        self._collecting_since = 0.0

    @contextmanager
    def decision(self) -> Iterator[None]:
        """Measure one decision: everything that no step takes is `other`."""
        self._now = DecisionMeasures()
        begun = self._begun = _read_clocks()
        try:
            with self.step(OTHER):
                yield
        finally:
            self._now.steps[ALL] = _since(begun)
            self.decisions.append(self._now)
            self._now = None
        self.on_decision()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Add the block's time to a step of the decision, less what steps inside of it take."""
        if self._now is None:
            yield
            return
        inner = Spent()
        self._inside.append(inner)
        cpu_s, wall_s = time.process_time(), time.perf_counter()
        try:
            yield
        finally:
            cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
            if self._inside.pop() is not inner:
                raise AssertionError(f"step {name} ended before a step inside of it: they overlap")
            spent = self._now.steps[name]
            spent.cpu_s += cpu_s - inner.cpu_s
            spent.wall_s += wall_s - inner.wall_s
            if self._inside:
                self._inside[-1].cpu_s += cpu_s
                self._inside[-1].wall_s += wall_s

    def count(self, name: str, number: int = 1) -> None:
        """Count one of `COUNTS`, while a decision is measured."""
        if self._now is not None:
            self._now.counts[name] += number

    @contextmanager
    def order(self) -> Iterator[None]:
        """Note the request of an order: the first of a decision ends its way from the bar."""
        self.count(ORDERS)
        if self._now is not None and self._now.to_order is None:
            self._now.to_order = _since(self._begun)
        yield

    @contextmanager
    def look(self) -> Iterator[None]:
        """Measure a look of the watch, unless a decision looks."""
        begun, between = _read_clocks(), self._now is None
        try:
            yield
        finally:
            if between:
                self.looks.append(_since(begun))

    def hear_collector(self, phase: str, about: dict[str, int]) -> None:
        """Note a run of the garbage collector (a function for `gc.callbacks`), while a decision is measured."""
        if phase == "start":
            self._collecting_since = time.perf_counter()
        elif self._now is not None:
            self._now.collections.append((about["generation"], time.perf_counter() - self._collecting_since))


def _read_clocks() -> Spent:
    return Spent(time.process_time(), time.perf_counter())


def _since(begun: Spent) -> Spent:
    now = _read_clocks()
    return Spent(now.cpu_s - begun.cpu_s, now.wall_s - begun.wall_s)


def attach_meter() -> Meter:
    """Put a meter around the functions of the product in this process, for good."""
    meter = Meter()
    _wrap(meter, DECISION, lambda run: _surround(run, meter.decision))
    for name, where in STEPS:
        _wrap(meter, where, lambda function, name=name: _surround(function, lambda: meter.step(name)))
    _wrap(meter, STAGE, lambda stage: _measure_stage(stage, meter))
    _wrap(meter, PLACE, lambda place: _surround(place, meter.order))
    _wrap(meter, LOOK, lambda look: _surround(look, meter.look))
    _wrap(meter, STATE, lambda restore: _count_held(restore, meter))
    gc.callbacks.append(meter.hear_collector)
    _count_collects(meter)
    _count_writes(meter)
    _count_validations(meter)
    return meter


def _measure_stage(stage: Callable[..., Any], meter: Meter) -> Callable[..., Any]:
    """Make every stage of a stopwatch a step of its name."""

    @contextmanager
    def measured(watch: object, name: str) -> Iterator[None]:
        with meter.step(name), stage(watch, name):
            yield

    return measured


def _count_held(restore: Callable[..., Any], meter: Meter) -> Callable[..., Any]:
    """Count the positions with which a decision begins."""

    @functools.wraps(restore)
    def counted(*args: Any, **kwargs: Any) -> Any:
        state = restore(*args, **kwargs)
        meter.count(HELD, len(state.positions))
        return state

    return counted


def _surround(function: Callable[..., Any], around: Callable[[], Any]) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            with around():
                return await function(*args, **kwargs)

        return awaited

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        with around():
            return function(*args, **kwargs)

    return called


def _wrap(meter: Meter, where: str, wrapper: Callable[[Any], Any]) -> None:
    """Replace a function (`module:name` or `module:Class.name`) wherever it was imported to."""
    module, _, path = where.partition(":")
    try:
        owner: Any = import_module(module)
        *classes, name = path.split(".")
        for part in classes:
            owner = getattr(owner, part)
        original = getattr(owner, name)
    except (ImportError, AttributeError):
        meter.missing.append(where)
        return
    wrapped = wrapper(original)
    setattr(owner, name, wrapped)
    for loaded in list(sys.modules.values()):
        # Only our own modules: reading the names of others may import them.
        if classes or not getattr(loaded, "__file__", None) or "site-packages" in str(loaded.__file__):
            continue
        for alias, value in list(vars(loaded).items()):
            if value is original:
                setattr(loaded, alias, wrapped)


def _count_collects(meter: Meter) -> None:
    """Count queries that are carried out: lazy ones, and those that most operations on eager frames are inside."""
    import polars as pl

    for owner, method, names in (
        (pl.LazyFrame, "collect", (COLLECTS, LAZY)),
        (pl, "collect_all", (COLLECTS, LAZY)),
        (pl.LazyFrame, "_collect_eager", (COLLECTS,)),
    ):
        setattr(owner, method, _count_calls(getattr(owner, method), meter, *names))


def _count_writes(meter: Meter) -> None:
    """Count files that are opened for writing by Python, and those that Polars opens by itself; databases apart."""
    import polars as pl

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[1], str) and any(sign in arguments[1] for sign in _WRITING):
            meter.count(WRITES)

    sys.addaudithook(hear)
    for method in _NATIVE_WRITERS:
        write = getattr(pl.DataFrame, method)

        @functools.wraps(write)
        def counted(frame: Any, target: Any = None, *args: Any, write: Any = write, **kwargs: Any) -> Any:
            if target is not None and not hasattr(target, "write"):
                meter.count(WRITES)
            return write(frame, target, *args, **kwargs)

        setattr(pl.DataFrame, method, counted)


def _count_validations(meter: Meter) -> None:
    """Count runs of Great Expectations over one batch, whatever starts them."""
    from validation.expectations import open_context

    open_context()
    _wrap(
        meter,
        "great_expectations.validator.v1_validator:Validator._validate_expectation_configs",
        lambda validate: _count_calls(validate, meter, VALIDATIONS),
    )


def _count_calls(function: Callable[..., Any], meter: Meter, *names: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def counted(*args: Any, **kwargs: Any) -> Any:
        for name in names:
            meter.count(name)
        return function(*args, **kwargs)

    return counted
