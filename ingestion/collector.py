"""From a source to the staging lake: only what is missing, unit by unit, as many instruments at once as it allows.

Staging is a lake of its own. What was fetched but not judged yet survives a kill there, and is not fetched again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from feature_repo.knowledge_time import live_known_at
from feature_repo.raw_datasets import DATASETS
from ingestion.lake import Lake
from ingestion.lake.spans import Span, subtract, union
from ingestion.report import InstrumentFailure
from ingestion.sources.protocol import NotServedError, Source
from ingestion.targets import Target
from pairity.errors import DataError, LakeCorruptError, UnknownNameError, VenueError
from pairity.progress import Progress
from pairity.timeline import DAY, Clock

STAGING = "staging"
"""Folder of the staging lake below the data directory."""
# A row without a length (a settlement, a sample) is complete at its own instant; spans are half-open.
_INSTANT_ITSELF = timedelta(milliseconds=1)
# A stand-in that was collected within so many days before the range is collected again.
_REMEMBERED = 31 * DAY


@dataclass(frozen=True, slots=True)
class Collector:
    """Fetches what neither `lake` nor `staging` has, and notes as fetched what the source will not change any more.

    `arrivals` stamps live rows: they are known from their arrival, not from their close. None is for history, for
    which snapshots are not taken. `recheck` fetches everything again: what the source has changed since becomes a
    correction.
    """

    source: Source
    lake: Lake
    staging: Lake
    arrivals: Clock | None = None
    recheck: bool = False

    async def collect(
        self, assets: Sequence[str], targets: Sequence[Target], now: datetime, progress: Progress
    ) -> tuple[InstrumentFailure, ...]:
        """Stage all missing rows of `targets`; return the failures, ordered as `assets`.

        `now` is the source's time. A failure of the source ends one target of one instrument, or the instrument where
        the target is required; every other error ends the run. UnknownNameError for a dataset that the source lacks.
        """
        require_datasets(self.source, [name for target in targets for name in target.spans])
        progress.stage(f"collect from {self.source.name}", len(assets) * len(targets))
        turn = asyncio.Semaphore(self.source.concurrency)

        async def collect_in_turn(asset: str) -> list[InstrumentFailure]:
            async with turn:
                return await self._collect_asset(asset, targets, now, progress)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(collect_in_turn(asset)) for asset in assets]
        except ExceptionGroup as errors:  # such as a corrupt lake: the first one tells the story
            raise errors.exceptions[0] from None
        return tuple(failure for task in tasks for failure in task.result())

    def missing(self, dataset: str, asset: str, since: datetime, until: datetime) -> tuple[Span, ...]:
        """Return the parts of [since, until) that were neither ingested nor staged yet; all of it when rechecking."""
        if self.recheck:
            return union([(since, until)])
        return subtract((since, until), self._covered(dataset, asset, since, until))

    def _covered(self, dataset: str, asset: str, since: datetime, until: datetime) -> tuple[Span, ...]:
        coverages = (place.coverage(dataset, asset, since, until) for place in (self.lake, self.staging))
        return union(span for coverage in coverages for span in coverage)

    async def _collect_asset(
        self, asset: str, targets: Sequence[Target], now: datetime, progress: Progress
    ) -> list[InstrumentFailure]:
        failures: list[InstrumentFailure] = []
        for done, target in enumerate(targets, 1):
            try:
                await self._collect_target(asset, target, now, progress)
            except NotServedError:
                failures.append(InstrumentFailure(asset, "the venue does not serve it", target.name, served=False))
            except LakeCorruptError:  # is ours, not the source's
                raise
            except (VenueError, DataError) as error:
                progress.say(f"{asset} {target.name}: {error.what}")
                failures.append(InstrumentFailure(asset, str(error), target.name))
                if target.required:
                    progress.advance(len(targets) - done + 1, note=asset)
                    break
            progress.advance(note=f"{asset} {target.name}")
        return failures

    async def _collect_target(self, asset: str, target: Target, now: datetime, progress: Progress) -> None:
        """Collect the first dataset that is served; NotServedError (VenueError if it is required) where none is."""
        for dataset in self._choices(asset, target):
            since, until = target.spans[dataset]
            try:
                await self._collect_dataset(asset, dataset, since, until, now)
            except NotServedError:
                progress.say(f"{asset}: {self.source.name} does not serve {dataset}")
            else:
                return
        if target.required:
            names = " nor ".join(target.spans)
            raise VenueError(f"{self.source.name} has neither {names} of {asset}", "leave it out of the universe")
        raise NotServedError(f"{self.source.name} does not serve {target.name} of {asset}")

    def _choices(self, asset: str, target: Target) -> Sequence[str]:
        """Return the datasets to try, in order: a stand-in that was taken before is taken on."""
        names = list(target.spans)
        for place, name in enumerate(names[1:], 1):
            since, until = target.spans[name]
            if self._covered(name, asset, since - _REMEMBERED, until):
                return names[place:]
        return names

    async def _collect_dataset(self, asset: str, dataset: str, since: datetime, until: datetime, now: datetime) -> None:
        if dataset in self.source.snapshots:
            if self.arrivals is not None:
                self._stage(asset, dataset, await self.source.snapshot(dataset, asset), ())
            return
        for gap in self.missing(dataset, asset, since, until):
            for unit in self.source.units(dataset, *gap):
                rows = await self.source.fetch(dataset, asset, *unit)
                if rows is not None:
                    settled = settled_part(dataset, rows, unit, now - self.source.settles_after)
                    self._stage(asset, dataset, rows, settled)

    def _stage(self, asset: str, dataset: str, rows: pl.DataFrame, covered: tuple[Span, ...]) -> None:
        if self.arrivals is not None:
            rows = rows.with_columns(live_known_at(self.arrivals.now()))
        self.staging.write(dataset, asset, rows, covered=covered)


def require_datasets(source: Source, names: Sequence[str]) -> None:
    """Raise UnknownNameError for the first of `names` that the source does not have."""
    known = (*source.datasets, *source.snapshots)
    for name in names:
        if name not in known:
            raise UnknownNameError(f"dataset of {source.name}", name, known)


def settled_part(dataset: str, rows: pl.DataFrame, unit: Span, settled_until: datetime) -> tuple[Span, ...]:
    """Return the part of `unit` that will not change any more: up to `settled_until`, or to the newest of its rows.

    A source gives rows in their order: below one that is there, a hole stays a hole. Above it, a hole may still be
    filled while it is young.
    """
    since, until = unit
    kind = DATASETS[dataset]
    settled = min(until, settled_until)
    newest = rows[kind.time].max()
    if isinstance(newest, datetime):
        settled = max(settled, min(until, newest + max(kind.known_after, _INSTANT_ITSELF)))
    return union([(since, settled)])
