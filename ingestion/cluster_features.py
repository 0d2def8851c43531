"""A month's features on a Dask cluster: minutes and microstructure by instruments, pairs by their base asset.

What is computed apart does not depend on the rest, so that the parts together are what one machine computes, bit for
bit. Workers read raw minutes from the lake; all else is sent to them. Nothing is written there: judging and publishing
stay with the process that runs the job, so that a part that Dask runs twice is in the result once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from pathlib import Path

import polars as pl

from feature_repo.catalog import (
    ASSET_HOURLY,
    ASSET_MICROSTRUCTURE,
    EVENT_TIME,
    PAIR_BOOKS,
    PAIR_HOURLY,
    PAIR_SPREADS,
    VIEWS,
)
from feature_repo.chunks import Engine
from feature_repo.cluster_workers import Workers, connect_workers
from feature_repo.raw_datasets import DATASETS
from feature_repo.transforms.chunk_memory import ChunkMemory
from feature_repo.transforms.early_hours import EarlyHours
from feature_repo.transforms.hours import summarise_hours
from feature_repo.transforms.view_transforms import TRANSFORMS, Inputs
from ingestion.lake import Lake
from ingestion.withheld import WithheldRows, make_reader
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.timeline import month_key
from pairity.universe import Pair

_MOST_TASKS = 64
"""Tasks into which the instruments of a view are divided at most: a task costs some hundredths of a second, whatever
it computes."""
_OF_PAIRS = frozenset({PAIR_HOURLY.name, PAIR_BOOKS.name, PAIR_SPREADS.name})


def choose_engine(settings: Settings, withheld: WithheldRows) -> Engine | None:
    """Return what computes the parts of a month: Dask's workers in the cluster profile, else nothing but this process.

    `withheld` is what the workers must not use of the lake's rows.
    """
    if settings.profile != "cluster":
        return None
    return ClusterEngine(settings.model_copy(update={"home": settings.root}), withheld)


@dataclass(frozen=True)
class ClusterEngine:
    """Engine of the cluster profile. Errors as `Workers`."""

    settings: Settings
    withheld: WithheldRows

    def summarise(self, since: datetime, until: datetime) -> pl.DataFrame:
        """Return the statistics of the hours of all minutes in [since, until), one task for some instruments."""
        workers = self._connect()
        if self.settings.cluster.lake is not None:  # what is planned is fetched: workers need no object store then
            self._open_lake().scan("candles_1m", self.settings.universe.assets, since, until)
        tasks = [
            workers.submit(f"minutes-{own[0]}-{month_key(until)}", summarise_minutes, *self._only(own), since, until)
            for own in _divide(sorted(self.settings.universe.assets))
        ]
        return pl.concat(workers.gather(tasks))

    def compute(self, name: str, inputs: Inputs) -> pl.DataFrame:
        """Return the rows of a view; those of views that need all assets at once are computed here."""
        hourly = inputs.memory.views.get(ASSET_HOURLY.name)
        if hourly is None or hourly.is_empty() or name not in {ASSET_MICROSTRUCTURE.name, *_OF_PAIRS}:
            return TRANSFORMS[name](inputs).collect()
        workers = self._connect()
        tasks = (_submit_pairs if name in _OF_PAIRS else _submit_assets)(workers, name, inputs, hourly)
        if not tasks:  # no pair has both of its assets
            return TRANSFORMS[name](inputs).collect()
        return pl.concat(workers.gather(tasks)).sort(VIEWS[name].entity, EVENT_TIME)

    def _open_lake(self) -> Lake:
        return Lake(Layout.of(self.settings), venue=self.settings.features.venue)

    def _connect(self) -> Workers:
        assert self.settings.cluster.scheduler is not None
        return connect_workers(self.settings.cluster.scheduler)

    def _only(self, assets: Sequence[str]) -> tuple[Settings, WithheldRows]:
        universe = self.settings.universe.model_copy(update={"assets": tuple(assets), "pair_assets": None})
        instants = self.withheld.instants.filter(pl.col("asset").is_in(assets))
        withheld = replace(self.withheld, instants=instants, released=())
        return self.settings.model_copy(update={"universe": universe}), withheld


def summarise_minutes(settings: Settings, withheld: WithheldRows, since: datetime, until: datetime) -> pl.DataFrame:
    """Return the statistics of the hours of the minutes in [since, until) of the settings' assets, read from the lake.

    Runs on a worker.
    """
    lake = _OPENED.find(Layout.of(settings), settings.features.venue)
    return summarise_hours(make_reader(settings, lake, withheld)("candles_1m", since, until)).collect()


class _OpenedLake(threading.local):
    """The lake that the tasks of one thread read, kept open: its index lists the months of all instruments.

    A lake object is for one thread at a time, and looks at each scan for what others have written since.
    """

    _key: tuple[Path, str] | None = None
    _lake: Lake | None = None

    def find(self, layout: Layout, venue: str) -> Lake:
        """Return the lake of a home and venue; the one before is forgotten."""
        if self._lake is None or self._key != (layout.root, venue):
            self._key, self._lake = (layout.root, venue), Lake(layout, venue=venue)
        return self._lake


_OPENED = _OpenedLake()


def compute_assets(name: str, inputs: Inputs) -> pl.DataFrame:
    """Return the rows of a view for inputs that hold all it needs. Runs on a worker."""
    return TRANSFORMS[name](inputs).collect()


def compute_pairs(name: str, inputs: Inputs, *own: tuple[pl.DataFrame, pl.DataFrame | None]) -> pl.DataFrame:
    """Return the rows of `inputs.pairs`. Runs on a worker.

    `own`: the accepted hours of each asset, in ascending order of their names, and those before the chunk's start (None
    where they are not needed).
    """
    early = [before for _, before in own if before is not None]
    memory = ChunkMemory(
        views={ASSET_HOURLY.name: pl.concat([hours for hours, _ in own])},
        early=EarlyHours(pl.concat(early), DATASETS["funding"].empty_of_assets()) if early else None,
    )
    return TRANSFORMS[name](replace(inputs, memory=memory)).collect()


def _submit_assets(workers: Workers, name: str, inputs: Inputs, hourly: pl.DataFrame) -> list[object]:
    # Reads the raw rows into the memory from which a live process goes on; the rows themselves are not computed here
    TRANSFORMS[name](inputs)
    summaries = inputs.hours.collect()
    tasks = []
    for assets in _divide(hourly["asset"].unique().sort().to_list()):
        own = pl.col("asset").is_in(assets)
        memory = ChunkMemory(
            raw={kind: rows.filter(own) for kind, rows in inputs.memory.raw.items()},
            views={ASSET_HOURLY.name: hourly.filter(own)},
        )
        part = replace(inputs, read=_read_nothing, memory=memory, summaries=summaries.filter(own))
        tasks.append(workers.submit(f"{name}-{assets[0]}-{month_key(inputs.month)}", compute_assets, name, part))
    return tasks


def _submit_pairs(workers: Workers, name: str, inputs: Inputs, hourly: pl.DataFrame) -> list[object]:
    month, early = month_key(inputs.month), inputs.memory.early
    own = {
        asset: workers.keep(
            f"hours-{asset}-{month}",
            (
                hourly.filter(pl.col("asset") == asset),
                None if early is None else early.hours.filter(pl.col("asset") == asset),
            ),
        )
        for asset in hourly["asset"].unique().sort()
    }
    bare = replace(inputs, read=_read_nothing, memory=ChunkMemory(), summaries=None)
    return [
        workers.submit(
            f"{name}-{base}-{month}",
            compute_pairs,
            name,
            replace(bare, pairs=pairs),
            *(part for asset, part in own.items() if asset in {asset for pair in pairs for asset in pair.assets}),
        )
        for base, pairs in _by_base(inputs.settings.universe.pairs if inputs.pairs is None else inputs.pairs)
        if base in own
    ]


def _divide(assets: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield the instruments in their order, in so many parts at most, each of nearly the same size."""
    parts = min(len(assets), _MOST_TASKS)
    for part in range(parts):
        yield assets[part * len(assets) // parts : (part + 1) * len(assets) // parts]


def _by_base(pairs: Sequence[Pair]) -> Iterator[tuple[str, tuple[Pair, ...]]]:
    for base, own in groupby(pairs, key=lambda pair: pair.base):
        yield base, tuple(own)


def _read_nothing(dataset: str, _since: datetime, _until: datetime) -> pl.LazyFrame:
    return DATASETS[dataset].empty_of_assets().lazy()
