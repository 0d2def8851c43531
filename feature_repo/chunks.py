"""Anchored computation: one calendar month of features at a time, always from the same starting point.

A chunk starts at the month's first instant minus the common lookback, in backfill and live alike; slow views have the
hours of a longer one besides (`EarlyHours`), from an anchor just as fixed. `compute_views` does the whole of it. A live
process keeps its `Chunk` and continues it by each hour that closes: only that hour is computed, from what its windows
need, and its rows have the bits that the whole chunk will give them in a later backfill.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

import polars as pl

from feature_repo.catalog import CREATED_TIME, EVENT_TIME, PAIR_HOURLY, VIEWS, View
from feature_repo.catalog import find_view as declared
from feature_repo.catalog.policies import LONG_LOOKBACK, LOOKBACK
from feature_repo.knowledge_time import inputs_known_at
from feature_repo.raw_datasets import DATASETS, instant
from feature_repo.transforms.chunk_memory import TICK, ChunkMemory, append
from feature_repo.transforms.early_hours import EarlyHours
from feature_repo.transforms.view_transforms import CARRIED, MAX_REACH, TRANSFORMS, Inputs, NewAssetError, ReadRaw
from pairity.errors import ConfigError, TimeRangeError
from pairity.settings import Settings
from pairity.timeline import DAY, HOUR, floor_to, format_instant, month_start, next_month
from pairity.universe import Pair

Accept = Callable[[View, pl.DataFrame], pl.DataFrame]
_USED = frozenset(source for view in VIEWS.values() for source in view.inputs if source in VIEWS)
"""Views that others are computed from."""
_OF_PAIRS = frozenset(name for name, view in VIEWS.items() if view.entity == PAIR_HOURLY.entity)
REMEMBERED = 2 * DAY
"""How far back a chunk can be taken without computing it anew: late rows and corrections come within hours."""


class Engine(Protocol):
    """Where the parts of a month are computed that do not need each other; without one, all of it here."""

    def summarise(self, since: datetime, until: datetime) -> pl.DataFrame:
        """Return the statistics of the hours of all minutes in [since, until), as `summarise_hours` gives them."""

    def compute(self, name: str, inputs: Inputs) -> pl.DataFrame:
        """Return the rows of a view, as its transform gives them for these inputs."""


class Chunk:
    """The features of one month so far. `month` is its first instant; `end` the last hour that was computed, or None.

    TimeRangeError where `month` is no month's first instant; ConfigError where a window is longer than the lookback:
    its values would depend on where the chunk begins. UnknownNameError for a view that does not exist.
    """

    def __init__(
        self,
        month: datetime,
        settings: Settings,
        views: Sequence[str] | None = None,
        *,
        engine: Engine | None = None,
    ) -> None:
        if month != month_start(month):
            raise TimeRangeError(
                f"a chunk cannot start at {format_instant(month)}", "start it at a month's first instant, UTC"
            )
        _check_windows(settings)
        self.month = month
        self.settings = settings
        self.end: datetime | None = None
        self.since: datetime | None = None
        """The hour after which the rows of the last call lie; None: from the month's beginning on."""
        self._wanted = tuple(VIEWS) if views is None else tuple(declared(name).name for name in views)
        self._memory = ChunkMemory()
        self._engine = engine

    def advance(
        self,
        read: ReadRaw,
        until: datetime,
        *,
        changed_at: datetime | None = None,
        accept: Accept | None = None,
        with_pairs: bool = True,
    ) -> dict[str, pl.DataFrame]:
        """Continue to the last full hour at `until` or the month's end; return the rows of the views that are new.

        Rows have month < event_timestamp: one at the first instant of a month closes the last hour of the month before.
        `changed_at` is the earliest instant at which a raw row is complete that came, changed or went since the last
        call: the hours from it on are computed again; None where nothing did. `accept` returns the rows of a view that
        other views may be computed from; default all. The first call computes everything since the anchor.
        `with_pairs=False` leaves the pairs to `compute_pairs`.
        """
        end = min(floor_to(until, HOUR), next_month(self.month))
        after = self._take_back(changed_at)
        if after is not None and end < after:
            self._memory, after = ChunkMemory(), None
        try:
            rows = self._compute(read, after, end, accept, with_pairs=with_pairs)
        except NewAssetError:
            self._memory, after = ChunkMemory(), None
            rows = self._compute(read, after, end, accept, with_pairs=with_pairs)
        self.end, self.since = end, after
        since = self.month if after is None else max(self.month, after)
        return {name: rows[name].filter(pl.col(EVENT_TIME) > instant(since)) for name in self._wanted if name in rows}

    def compute_pairs(self, pairs: Sequence[Pair], *, accept: Accept | None = None) -> dict[str, pl.DataFrame]:
        """Return the rows of `pairs` for the hours of the last `advance`, as it would have returned them.

        Pairs grow with the square of the assets: a month of tens of thousands does not fit into memory at once.
        """
        assert self.end is not None
        inputs = replace(self._inputs(_read_nothing, self.since, self.end, pairs), renewed=set(self._memory.raw))
        computed = {name: self._run(name, inputs) for name in self._wanted if name in _OF_PAIRS}
        return {name: rows if accept is None else accept(VIEWS[name], rows) for name, rows in computed.items()}

    def _take_back(self, changed_at: datetime | None) -> datetime | None:
        """Return the hour from which to go on; None from the anchor."""
        if self.end is None or changed_at is None or changed_at > self.end:
            return self.end
        last_good = floor_to(changed_at - TICK, HOUR)
        if last_good < max(self.month, self.end - REMEMBERED):
            self._memory = ChunkMemory()
            return None
        self._memory.rewind(last_good)
        return last_good

    def _run(self, name: str, inputs: Inputs) -> pl.DataFrame:
        # Hours that go on a month are few: they are computed where they are
        if self._engine is None or inputs.after is not None:
            return TRANSFORMS[name](inputs).collect()
        return self._engine.compute(name, inputs)

    def _inputs(
        self, read: ReadRaw, after: datetime | None, end: datetime, pairs: Sequence[Pair] | None = None
    ) -> Inputs:
        return Inputs(
            read=read,
            memory=self._memory,
            settings=self.settings,
            start=self.month - LOOKBACK,
            month=self.month,
            end=end,
            after=after,
            pairs=pairs,
            summaries=None if after is not None or pairs is not None else self._summarise(end),
        )

    def _summarise(self, end: datetime) -> pl.DataFrame | None:
        if self._engine is None:
            return None
        minutes = DATASETS["candles_1m"]
        return self._engine.summarise(self.month - LOOKBACK, end - minutes.known_after + TICK)

    def _compute(
        self, read: ReadRaw, after: datetime | None, end: datetime, accept: Accept | None, *, with_pairs: bool
    ) -> dict[str, pl.DataFrame]:
        memory, inputs = self._memory, self._inputs(read, after, end)
        computed: dict[str, pl.DataFrame] = {}
        needed = _with_inputs(self._wanted)
        if memory.early is None and any(VIEWS[name].lookback > LOOKBACK for name in needed):
            span = self.month - LONG_LOOKBACK, self.month - LOOKBACK
            memory.early = EarlyHours.of(read, span, MAX_REACH, self.settings.features, accept)
        for name in needed:
            if name in _OF_PAIRS and not with_pairs:
                continue
            rows = _carry(name, self._run(name, inputs), memory, after)
            if name in CARRIED:
                memory.note_created(name, rows, VIEWS[name].entity)
            computed[name] = rows if accept is None else accept(VIEWS[name], rows)
            if name in _USED:
                memory.views[name] = append(memory.views.get(name), computed[name])
        if memory.risk is not None:
            memory.risk = memory.risk.recent(self.settings.features, REMEMBERED)
        return computed


def _read_nothing(dataset: str, _since: datetime, _until: datetime) -> pl.LazyFrame:
    raise AssertionError(f"pairs are computed from what their assets needed, and no asset needed {dataset}")


def compute_views(
    read: ReadRaw,
    month: datetime,
    until: datetime,
    settings: Settings,
    views: Sequence[str] | None = None,
    *,
    accept: Accept | None = None,
) -> dict[str, pl.DataFrame]:
    """Return the rows of `views` (default all) with month < event_timestamp <= min(until, next month).

    Computed from the anchor; see `Chunk` for arguments and errors.
    """
    return Chunk(month, settings, views).advance(read, until, accept=accept)


def _carry(name: str, rows: pl.DataFrame, memory: ChunkMemory, after: datetime | None) -> pl.DataFrame:
    """Return new `rows` known no earlier than the rows before them (see `CARRIED`)."""
    if name not in CARRIED or after is None or rows.is_empty():
        return rows
    earlier = memory.created[name]
    if CARRIED[name] == "all":
        latest = pl.lit(earlier[CREATED_TIME].max(), earlier.schema[CREATED_TIME])
        return rows.with_columns(inputs_known_at(CREATED_TIME, latest).alias(CREATED_TIME))
    entity = VIEWS[name].entity
    known = earlier.group_by(entity).agg(pl.col(CREATED_TIME).max().alias("__carried"))
    joined = rows.join(known, on=entity, how="left", maintain_order="left")
    return joined.with_columns(inputs_known_at(CREATED_TIME, "__carried").alias(CREATED_TIME)).drop("__carried")


def _with_inputs(wanted: Sequence[str]) -> list[str]:
    """Return `wanted` and all views that they are computed from, in the order of computation."""
    needed = set(wanted)
    for name in reversed(tuple(VIEWS)):
        if name in needed:
            needed.update(source for source in VIEWS[name].inputs if source in VIEWS)
    return [name for name in VIEWS if name in needed]


def _check_windows(settings: Settings) -> None:
    # One bar more than the window: returns and true ranges need the close before.
    needed = {f"features.{name}": bars + 1 for name, bars in settings.features if name.endswith("_bars")}
    needed["universe.min_aligned_bars"] = settings.universe.min_aligned_bars
    needed["vwap.window_bars"] = settings.vwap.reach_hours
    available = LOOKBACK // HOUR
    for name, bars in needed.items():
        if bars > available:
            raise ConfigError(
                f"setting {name} needs {bars} hourly bars, a chunk has {available} before its month",
                f"set {name} so that it needs at most {available} bars",
            )
