"""History from a source into the lake: fetch what is missing, unit by unit; judge; publish what passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from feature_repo.raw_datasets import DATASETS
from ingestion.admission import Gate
from ingestion.lake import Lake
from ingestion.lake.spans import Span, subtract, union
from ingestion.report import InstrumentFailure, QuarantinedPartition, RawRows
from ingestion.session import STAGING
from ingestion.sources.protocol import Source
from pairity.errors import DataError, UnknownNameError, VenueError
from pairity.layout import Layout
from pairity.progress import Progress
from pairity.settings import Settings
from pairity.timeline import DAY, check_range

_SETTLED_AFTER = 2 * DAY
"""A hole that is younger than this may still be filled by the source: it does not count as fetched."""


@dataclass(frozen=True, slots=True)
class CollectReport:
    """What one run brought. `rows`: of the range, and how many of them are new, per asset and dataset."""

    venue: str
    rows: tuple[RawRows, ...]
    quarantined: tuple[QuarantinedPartition, ...]
    failures: tuple[InstrumentFailure, ...]
    snapshot_id: str

    @property
    def ok(self) -> bool:
        """Nothing failed and nothing was quarantined."""
        return not self.failures and not self.quarantined


def collect(
    settings: Settings,
    source: Source,
    assets: Sequence[str],
    datasets: Sequence[str],
    since: datetime,
    until: datetime,
    now: datetime,
    progress: Progress,
) -> CollectReport:
    """Make `datasets` of `assets` complete for [since, until) as far as the source has them; what happened.

    A second run fetches only what is missing. What fails ends one dataset of one asset, not the others. `now` is the
    instant of the verdict; nothing may lie after it. UnknownNameError for a dataset that the source does not give.
    """
    check_range(since, until)
    for name in datasets:
        if name not in source.datasets:
            raise UnknownNameError(f"dataset of {source.name}", name, source.datasets)
    layout = Layout.of(settings)
    lake = Lake(layout, venue=source.venue)
    staging = Lake(layout, folder=STAGING, durable=False, venue=source.venue)
    work = [(asset, name) for asset in assets for name in datasets]
    progress.stage(f"collect from {source.name}", len(work))
    failures = []
    with lake.writing():
        staging.recover()
        for asset, name in work:
            try:
                _stage_missing(source, lake, staging, name, asset, (since, min(until, now)), now)
            except (VenueError, DataError) as error:
                progress.say(f"{asset} {name}: {error.what}")
                failures.append(InstrumentFailure(asset, f"{name}: {error}"))
            progress.advance(note=f"{asset} {name}")
        gate = Gate(settings, now)
        progress.stage("validate", 1)
        new = gate.judge_raw(staging, lake)
        progress.advance()
    rows = []
    for asset, name in work:
        held = lake.scan(name, [asset], since, until).select(pl.len()).collect().item()
        rows.append(RawRows(asset, name, held, new.get((name, asset), 0)))
        if not held and not any(failure.asset == asset for failure in failures):
            failures.append(InstrumentFailure(asset, f"{source.name} has no {name} of it in this range"))
    return CollectReport(source.venue, tuple(rows), tuple(gate.quarantined), tuple(failures), lake.snapshot_id())


def _stage_missing(source: Source, lake: Lake, staging: Lake, name: str, asset: str, span: Span, now: datetime) -> None:
    held = union(part for place in (lake, staging) for part in place.coverage(name, asset, *span))
    for gap in subtract(span, held):
        for unit in source.units(name, *gap):
            rows = source.fetch(name, asset, *unit)
            if rows is not None:
                staging.write(name, asset, rows, covered=_settled(name, rows, unit, now))


def _settled(name: str, rows: pl.DataFrame, unit: Span, now: datetime) -> tuple[Span, ...]:
    """The part of the unit that will not change any more: until two days ago, or up to its newest row."""
    since, until = unit
    dataset = DATASETS[name]
    settled = min(until, now - _SETTLED_AFTER)
    newest = rows[dataset.time].max()
    if isinstance(newest, datetime):
        settled = max(settled, min(until, newest + dataset.known_after))
    return union([(since, settled)]) if settled > since else ()
