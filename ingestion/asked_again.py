"""The source that is asked again for what a venue's rows lack: the one they came from, or the one that is named."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ingestion.admission_record import AdmissionRecord
from ingestion.collector import Collector
from ingestion.coverage import Gap
from ingestion.known_from import Choice, KnownFrom
from ingestion.lake import Lake
from ingestion.lake.partitions import HOME_VENUE
from ingestion.published import publishing
from ingestion.report import InstrumentFailure, QuarantinedPartition
from ingestion.resuming import admit_all_staged, admit_left_behind
from ingestion.sources.catalog import find_source_name, open_source, refuse_reading
from ingestion.sources.protocol import Source
from ingestion.sources.reading import Reading
from ingestion.staging import Staging
from ingestion.targets import Target
from pairity.layout import Layout
from pairity.progress import Progress
from pairity.settings import Settings


@dataclass(frozen=True, slots=True)
class RepairReport:
    """Result of asking for holes again: rows that came, what failed, and what was quarantined of the answers."""

    new_rows: int
    failures: tuple[InstrumentFailure, ...]
    quarantined: tuple[QuarantinedPartition, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing failed and nothing was quarantined."""
        return not any(failure.served for failure in self.failures) and not self.quarantined


@asynccontextmanager
async def asking_again(
    settings: Settings,
    venue: str,
    name: str | None = None,
    folder: Path | None = None,
    reading: Reading | None = None,
) -> AsyncIterator[Source]:
    """Open the source of a venue's rows, or the one called `name`, and close it at the end.

    `reading` says how its files are read.

    ConfigError where the venue's rows came from files and no source is named, and for a source of another venue.
    """
    name = name or find_source_name(venue)
    if name == HOME_VENUE:
        if reading is not None:
            raise refuse_reading(name)
        from ingestion.sources.okx import OkxSource
        from venue.okx_client import aclose, make_client

        client = make_client(settings, signed=False)
        try:
            yield OkxSource.of(client, settings)
        finally:
            await aclose(client)
        return
    source = open_source(name, settings, folder, None, reading)
    if source.venue != venue:
        source = open_source(name, settings, folder, venue, reading)
    yield source


async def repair_gaps(
    settings: Settings,
    source: Source,
    gaps: Sequence[Gap],
    now: datetime,
    progress: Progress,
    *,
    known_from: KnownFrom = "now",
) -> RepairReport:
    """Ask for each hole of `gaps` by itself and let the answers in; what the source has now enters as new rows.

    They are known from `now` on: nobody had them before. With `known_from="then"` they keep the time that the source
    gives them, for history that nobody traded on. The choice is noted (`read_backfills`), and kept with what was
    fetched until that is admitted, by a later run where this one is killed. A dataset that the source does not give is
    a failure of its instruments.
    """
    layout = Layout.of(settings)
    lake = Lake(layout, venue=source.venue)
    staging = Staging(layout, venue=source.venue, choice=Choice(known_from), source=source.name)
    record = AdmissionRecord(settings=settings, now=now)
    failures: list[InstrumentFailure] = []
    with publishing(lake, settings):
        for line in staging.recover():
            progress.say(line)
        resumed = bool(staging.datasets())
        before = admit_left_behind(staging, lake, record, progress)
        collector = Collector(source=source, lake=lake, staging=staging, recheck=True)
        for asset in sorted({gap.asset for gap in gaps}):
            own = [gap for gap in gaps if gap.asset == asset]
            targets = [Target.of(gap.dataset, (gap.first, gap.until)) for gap in own if gap.dataset in source.datasets]
            failures += await collector.collect((asset,), targets, now, progress)
            failures += [
                InstrumentFailure(asset, f"{source.name} does not give it: name its source with --source", dataset)
                for dataset in sorted({gap.dataset for gap in own} - set(source.datasets))
            ]
        admitted = admit_all_staged(staging, lake, record, before, resumed=resumed)
        lake.compact()
    return RepairReport(sum(admitted.new_rows.values()), tuple(failures), tuple(record.quarantined))
