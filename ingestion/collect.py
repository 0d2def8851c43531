"""From the venue to the staging lake: only what is missing, unit by unit, several instruments at once.

Staging is a lake of its own. What was fetched but not judged yet survives a kill there, and is not fetched again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from feature_repo.knowledge_time import live_known_at
from feature_repo.raw_datasets import DATASETS
from ingestion.lake import Lake
from ingestion.lake.spans import Span, subtract, union
from ingestion.report import InstrumentFailure
from ingestion.sources.okx import BARS, OkxSource
from ingestion.sources.okx_market_data import MARKET_DATA
from pairity.errors import UnknownNameError, VenueError
from pairity.progress import Progress
from pairity.timeline import HOUR, Clock, ceil_to, floor_to

# Lost at most by a kill: this many pages of one instrument.
_UNIT_PAGES = 48
# A hole at the newest end may still be filled by the venue: it counts as fetched only when it is this old.
_SETTLED_AFTER = HOUR
# The instant of a close belongs to the range of settlements: a rate settled at a close is known with that close.
_CLOSE_ITSELF = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Collector:
    """Fetches what neither `lake` nor `staging` has; `live` rows are known from their arrival, not from their close.

    `recheck` asks for everything again: what the venue has changed since becomes a correction.
    """

    source: OkxSource
    lake: Lake
    staging: Lake
    clock: Clock
    concurrency: int
    live: bool
    recheck: bool = False
    datasets: tuple[str, ...] = ("funding",)
    """Collected besides the candles; those without a history (books, liquidations) as snapshots when `live`."""

    async def collect(
        self, assets: Sequence[str], since: datetime, until: datetime, venue_now: datetime, progress: Progress
    ) -> tuple[InstrumentFailure, ...]:
        """Stage all missing bars in [since, until), settlements and samples in [since, until]; the failures, by asset.

        One failure never stops the others: it ends one dataset of one instrument, or the instrument if it has no
        candles. UnknownNameError for a dataset that the source does not have.
        """
        gate = asyncio.Semaphore(self.concurrency)
        progress.stage("collect", len(assets))

        for name in self.datasets:
            if name not in self.source.datasets:
                raise UnknownNameError(f"dataset of {self.source.name}", name, self.source.datasets)
        names = ("candles", *(name for name in self.datasets if name not in BARS))

        async def one(asset: str) -> list[InstrumentFailure]:
            failures: list[InstrumentFailure] = []
            async with gate:
                for name in names:
                    try:
                        served = await self._one(name, asset, since, until, venue_now, progress)
                    except VenueError as error:
                        progress.say(f"{asset} {name}: {error.what}")
                        failures.append(InstrumentFailure(asset, str(error), name))
                        if name == "candles":  # without them nothing else of it is of use
                            break
                        continue
                    if not served:
                        progress.say(f"{asset}: the venue does not serve {name}")
                        failures.append(InstrumentFailure(asset, "the venue does not serve it", name, served=False))
                progress.advance(note=asset)
            return failures

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(asset)) for asset in assets]
        except ExceptionGroup as errors:  # such as a corrupt lake: the first one tells the story
            raise errors.exceptions[0] from None
        return tuple(failure for task in tasks for failure in task.result())

    def missing(self, dataset: str, asset: str, since: datetime, until: datetime) -> tuple[Span, ...]:
        """The parts of [since, until) that were neither ingested nor staged yet; all of it where that is rechecked."""
        if self.recheck:
            return ((since, until),)
        return subtract((since, until), self._covered(dataset, asset, since, until))

    def _covered(self, dataset: str, asset: str, since: datetime, until: datetime) -> tuple[Span, ...]:
        held = (place.coverage(dataset, asset, since, until) for place in (self.lake, self.staging))
        return union(span for spans in held for span in spans)

    async def _candles(
        self, asset: str, since: datetime, until: datetime, venue_now: datetime, progress: Progress
    ) -> None:
        """Minutes; native hours for an instrument of which the venue has no minutes."""
        if self._covered("candles_1h", asset, since - 31 * 24 * HOUR, until):
            await self._hours(asset, since, until, venue_now)
            return
        for unit in _units(self.missing("candles_1m", asset, since, until), "candles_1m", self.source.page_size):
            rows = await self.source.candles("candles_1m", asset, *unit)
            if rows is None:
                progress.say(f"{asset}: the venue has no minutes, taking its own hours")
                await self._hours(asset, since, until, venue_now)
                return
            self._stage("candles_1m", asset, rows, unit, venue_now)

    async def _hours(self, asset: str, since: datetime, until: datetime, venue_now: datetime) -> None:
        first, last = ceil_to(since, HOUR), floor_to(until, HOUR)
        for unit in _units(self.missing("candles_1h", asset, first, last), "candles_1h", self.source.page_size):
            rows = await self.source.candles("candles_1h", asset, *unit)
            if rows is None:
                raise VenueError(f"the venue has neither 1m nor 1h candles of {asset}", "leave it out of the universe")
            self._stage("candles_1h", asset, rows, unit, venue_now)

    async def _one(
        self, name: str, asset: str, since: datetime, until: datetime, venue_now: datetime, progress: Progress
    ) -> bool:
        """Collect one dataset; False where the venue does not serve it for the instrument."""
        if name == "candles":
            await self._candles(asset, since, until, venue_now, progress)
            return True
        if name in MARKET_DATA or name == "funding":
            return await self._history(name, asset, since, until, venue_now)
        if not self.live:
            return True
        rows = await self.source.snapshot(name, asset)
        if rows is not None:
            self._write(name, asset, rows, ())
        return rows is not None

    async def _history(self, name: str, asset: str, since: datetime, until: datetime, venue_now: datetime) -> bool:
        bar = DATASETS[name].known_after
        if bar:
            since, until = ceil_to(since, bar), floor_to(until, bar)
        else:
            until += _CLOSE_ITSELF
        gaps = self.missing(name, asset, since, until) if since < until else ()
        for unit in _units(gaps, name, self.source.page_size):
            rows = await self.source.fetch(name, asset, *unit)
            if rows is None:
                return False
            self._stage(name, asset, rows, unit, venue_now)
        return True

    def _stage(self, dataset: str, asset: str, rows: pl.DataFrame, unit: Span, venue_now: datetime) -> None:
        self._write(dataset, asset, rows, _settled(dataset, rows, unit, venue_now))

    def _write(self, dataset: str, asset: str, rows: pl.DataFrame, covered: tuple[Span, ...]) -> None:
        if self.live:
            rows = rows.with_columns(live_known_at(self.clock.now()))
        self.staging.write(dataset, asset, rows, covered=covered)


def _settled(dataset: str, rows: pl.DataFrame, unit: Span, venue_now: datetime) -> tuple[Span, ...]:
    """The part of `unit` that will not change any more: up to its newest row, or until an hour ago."""
    since, until = unit
    kind = DATASETS[dataset]
    settled = min(until, venue_now - _SETTLED_AFTER)
    if rows.height:
        newest = rows[kind.time].max()
        assert isinstance(newest, datetime)
        settled = max(settled, min(until, newest + max(kind.known_after, _CLOSE_ITSELF)))
    return union([(since, settled)])


def _units(spans: Sequence[Span], dataset: str, page_size: int) -> Iterator[Span]:
    """`spans` cut into pieces that are staged as a whole."""
    length = _UNIT_PAGES * page_size * DATASETS[dataset].known_after
    if not length:  # settlements and samples are few
        yield from spans
        return
    for since, until in spans:
        start = since
        while start < until:
            yield start, min(start + length, until)
            start += length
