"""From a source to staging: only what is missing, unit by unit, as many instruments at once as the source allows."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ingestion.containment import describe_unit
from ingestion.intake import Heed, HourIntake, Intake, UnitIntake
from ingestion.lake import Lake
from ingestion.lake.spans import Span, clip, subtract, union
from ingestion.report import InstrumentFailure
from ingestion.sources.protocol import BatchSource, LocalSource, NotServedError, Source
from ingestion.staging import Staging
from ingestion.targets import Target
from pairity.errors import (
    ConfigError,
    CredentialsError,
    DataError,
    LakeCorruptError,
    UnknownNameError,
    VenueAnswerError,
    VenueError,
    VenueRejectedError,
)
from pairity.progress import Progress
from pairity.timeline import DAY, Clock

# A stand-in that was collected within so many days before the range is collected again.
_REMEMBERED = 31 * DAY
# After so many bad units in a row the rest of a dataset is left for the next run: the source is out of order.
_MOST_IN_A_ROW = 12
# More assets than these are counted, not named.
_MOST_NAMED = 12
# What is wrong with one unit, and says nothing about the next one.
_OF_ONE_UNIT = (VenueAnswerError, VenueRejectedError, DataError)


@dataclass(frozen=True, slots=True)
class Collector:
    """Fetches what neither `lake` nor `staging` has, and notes as fetched what the source will not change any more.

    `arrivals` stamps live rows: they are known from their arrival, not from their close. None is for history, for
    which snapshots are not taken. `recheck` fetches everything again: what the source has changed since becomes a
    correction.
    """

    source: Source
    lake: Lake
    staging: Staging
    arrivals: Clock | None = None
    recheck: bool = False
    read_before: Mapping[tuple[str, str], tuple[Span, ...]] | None = None
    """Of local files: the ranges, by dataset and asset, that were read of them as they are now. All else is missing."""
    heed: Heed | None = None
    """Is told what was answered of each unit of history that was answered whole."""
    unserved: dict[str, list[str]] = field(default_factory=dict)
    """Of which assets the source does not serve a dataset, by dataset."""
    listed: dict[str, datetime] = field(default_factory=dict)
    """When instruments were listed, as far as the source said so while it was asked."""

    async def collect(
        self, assets: Sequence[str], targets: Sequence[Target], now: datetime, progress: Progress
    ) -> tuple[InstrumentFailure, ...]:
        """Stage all missing rows of `targets`; return the failures, ordered as `assets`.

        `now` is the source's time. A bad unit of history is a failure and is stepped over. A source that does not
        answer ends one target of one instrument, or the instrument where the target is required. Errors of our own
        disk and lake end the run. UnknownNameError for a dataset that the source lacks; the first ConfigError where
        there is one for every target of every instrument: then nothing could be asked at all.
        """
        require_datasets(self.source, [name for target in targets for name in target.spans])
        progress.stage(f"collect from {self.source.name}", len(assets) * len(targets))
        turn, intake = asyncio.Semaphore(self.source.concurrency), self._intake(now - self.source.settles_after)
        misused: list[ConfigError] = []

        async def collect_in_turn(asset: str) -> list[InstrumentFailure]:
            async with turn:
                return await self._collect_asset(asset, targets, intake, progress, misused)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(collect_in_turn(asset)) for asset in assets]
        except ExceptionGroup as errors:  # such as a corrupt lake: the first one tells the story
            raise errors.exceptions[0] from None
        if self.unserved:
            progress.say(f"{self.source.name} does not serve {_describe_unserved(self.unserved, assets)}")
        if misused and len(misused) == len(assets) * len(targets):
            raise misused[0]
        failures = [failure for task in tasks for failure in task.result()]
        unread = intake.finish()
        for failure in unread:
            progress.say(f"{failure.asset} {failure.dataset}: {failure.reason}")
        return tuple(sorted(failures + unread, key=lambda failure: assets.index(failure.asset)))

    def missing(self, dataset: str, asset: str, since: datetime, until: datetime) -> tuple[Span, ...]:
        """Return the parts of [since, until) that were neither ingested nor staged yet; all of it when rechecking."""
        if self.recheck:
            return union([(since, until)])
        return subtract((since, until), self._covered(dataset, asset, since, until))

    def _intake(self, settled_until: datetime) -> Intake:
        # What is kept in memory need not be stored unit by unit: see `HourIntake`.
        if self.arrivals is not None and not self.staging.persistent and isinstance(self.source, BatchSource):
            return HourIntake(self.source, self.staging, self.arrivals, settled_until)
        return UnitIntake(
            source=self.source,
            staging=self.staging,
            arrivals=self.arrivals,
            settled_until=settled_until,
            listed=self.listed,
            heed=self.heed,
        )

    def _covered(self, dataset: str, asset: str, since: datetime, until: datetime) -> tuple[Span, ...]:
        coverages = (place.coverage(dataset, asset, since, until) for place in (self.lake, self.staging))
        covered = union(span for coverage in coverages for span in coverage)
        if self.read_before is None:
            return covered
        return union(part for span in self.read_before.get((dataset, asset), ()) for part in clip(covered, *span))

    async def _collect_asset(
        self,
        asset: str,
        targets: Sequence[Target],
        intake: Intake,
        progress: Progress,
        misused: list[ConfigError],
    ) -> list[InstrumentFailure]:
        failures: list[InstrumentFailure] = []
        for done, target in enumerate(targets, 1):
            reasons: Sequence[str] = ()
            try:
                reasons = await self._collect_twice(asset, target, intake, progress)
            except NotServedError as error:
                reason = error.what if isinstance(self.source, LocalSource) else "the venue does not serve it"
                failures.append(InstrumentFailure(asset, reason, target.name, served=False))
            except LakeCorruptError:  # is ours, not the source's
                raise
            except (VenueError, DataError, ConfigError) as error:
                progress.say(f"{asset} {target.name}: {error.what}")
                reasons = [str(error)]
                if isinstance(error, ConfigError):
                    misused += [error] * (len(targets) - done + 1 if target.required else 1)
            failures += [InstrumentFailure(asset, reason, target.name) for reason in reasons]
            if reasons and target.required:
                progress.advance(len(targets) - done + 1, note=asset)
                break
            progress.advance(note=f"{asset} {target.name}")
        return failures

    async def _collect_twice(self, asset: str, target: Target, intake: Intake, progress: Progress) -> list[str]:
        """Collect a target, live rows once more after an odd answer: one answer is not the venue's word for an hour."""
        try:
            return await self._collect_target(asset, target, intake, progress)
        except (CredentialsError, VenueAnswerError, VenueRejectedError) as error:
            if self.arrivals is None:
                raise
            progress.say(f"{asset} {target.name}: asked again after {error.what}")
            return await self._collect_target(asset, target, intake, progress)

    async def _collect_target(self, asset: str, target: Target, intake: Intake, progress: Progress) -> list[str]:
        """Collect the first dataset that is served; NotServedError (VenueError if it is required) where none is."""
        said = ""
        for dataset in self._choices(asset, target):
            try:
                return await self._collect_dataset(asset, target, dataset, intake, progress)
            except NotServedError as error:
                said = error.what
                self.unserved.setdefault(dataset, []).append(asset)
        if target.required:
            names = " nor ".join(target.spans)
            raise VenueError(f"{self.source.name} has neither {names} of {asset}", "leave it out of the universe")
        raise NotServedError(said)

    def _choices(self, asset: str, target: Target) -> Sequence[str]:
        """Return the datasets to try, in order: a stand-in that was taken before is taken on."""
        names = list(target.spans)
        for place, name in enumerate(names[1:], 1):
            since, until = target.spans[name]
            if self._covered(name, asset, since - _REMEMBERED, until):
                return names[place:]
        return names

    async def _collect_dataset(
        self, asset: str, target: Target, dataset: str, intake: Intake, progress: Progress
    ) -> list[str]:
        """Take what is missing unit by unit; return what was wrong with single units, which are stepped over."""
        if dataset in self.source.snapshots:
            return [] if self.arrivals is None else list(await intake.take(target, dataset, asset, None))
        reasons: list[str] = []
        in_a_row = 0
        for gap in self.missing(dataset, asset, *target.spans[dataset]):
            for unit in self.source.units(dataset, *gap):
                try:
                    reasons += await intake.take(target, dataset, asset, unit)
                    in_a_row = 0
                except LakeCorruptError:
                    raise
                except _OF_ONE_UNIT as error:
                    in_a_row += 1
                    # A live hour is one unit, and is asked again.
                    if self.arrivals is not None:
                        raise
                    progress.say(f"{asset} {dataset}: {error.what}")
                    remedy = f"\n  → {error.remedy}" if error.remedy else ""
                    reasons.append(f"{error.what} (asked for {describe_unit(unit)}){remedy}")
                    if in_a_row == _MOST_IN_A_ROW:
                        return [*reasons, f"left after {in_a_row} bad units in a row: the next run asks for the rest"]
        return reasons


def _describe_unserved(unserved: Mapping[str, Sequence[str]], assets: Sequence[str]) -> str:
    """Return how many pairs of dataset and asset a source does not serve, and which, on one line.

    >>> _describe_unserved({"funding": ["ETH", "BTC"], "index_1h": ["BTC", "ETH"], "mark_1h": ["BTC"]}, ["BTC", "ETH"])
    '5 of what was asked for: funding, index_1h of BTC, ETH; mark_1h of BTC'
    """
    by_assets: dict[tuple[str, ...], list[str]] = {}
    for dataset, lacking in sorted(unserved.items()):
        by_assets.setdefault(tuple(asset for asset in assets if asset in lacking), []).append(dataset)
    parts = (f"{', '.join(names)} of {_name_some(of)}" for of, names in by_assets.items())
    return f"{sum(map(len, unserved.values()))} of what was asked for: {'; '.join(parts)}"


def _name_some(assets: Sequence[str]) -> str:
    more = len(assets) - _MOST_NAMED
    return ", ".join(assets[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def require_datasets(source: Source, names: Sequence[str]) -> None:
    """Raise UnknownNameError for the first of `names` that the source does not have."""
    known = (*source.datasets, *source.snapshots)
    for name in names:
        if name not in known:
            raise UnknownNameError(f"dataset of {source.name}", name, known)
