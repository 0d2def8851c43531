"""The pipeline over one range: contracts → collect → admit → features → online. Whole, or one end of it alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING

from feature_repo.feature_compaction import compact_features
from feature_repo.raw_datasets import DATASETS
from ingestion.admission_record import AdmissionRecord
from ingestion.collector import Collector, require_datasets
from ingestion.contracts import store_contracts
from ingestion.coverage import count_rows
from ingestion.feature_admission import FeatureAdmission
from ingestion.files_read import FilesRead
from ingestion.known_from import Choice, KnownFrom
from ingestion.lacking import find_lacking
from ingestion.lake import Lake
from ingestion.lake.spans import Span
from ingestion.listing_times import note_listing_times, read_listing_times
from ingestion.published import publishing
from ingestion.publishing import Publisher
from ingestion.raw_admission import Admitted
from ingestion.report import CollectReport, FeaturesReport, IngestReport, RawRows, Stopwatch
from ingestion.resuming import admit_all_staged, admit_left_behind
from ingestion.rows_kept import GivenRows
from ingestion.sources.okx import OkxSource
from ingestion.sources.protocol import LocalSource, Source
from ingestion.sources.remarks import Remarking
from ingestion.staging import Staging
from ingestion.targets import Target, clip_to_closed, targets_of_ingest
from ingestion.withheld import quarantine_venue
from pairity.errors import ConfigError, DataError, MissingDataError
from pairity.layout import Layout
from pairity.number_formats import format_count
from pairity.progress import Progress, SilentProgress
from pairity.settings import Settings
from pairity.timeline import DAY, Clock, check_range, month_key, month_start
from venue.okx_client import aclose, make_client, server_time

if TYPE_CHECKING:
    from ccxt.async_support import okx

KEPT_COMMITS, FOLDED_COMMITS = 26, 24
"""A live process lets the commits of the last hours wait, as far as rules on raw rows look back (a day and more), and
folds so many older ones at once into the month files."""


class Pipeline:
    """The pipeline of the traded venue: client, lakes and feature store are opened once and serve every further bar.

    `async with Pipeline(settings, clock) as pipeline: await pipeline.run(…)`. `clock` stamps arrivals; where a paper
    exchange's time is virtual, give its clock.
    """

    def __init__(self, settings: Settings, clock: Clock, *, progress: Progress | None = None) -> None:
        self.settings = settings
        self.clock = clock
        self.lake = Lake(Layout.of(settings))
        self._progress: Progress = progress or SilentProgress()
        self._client: okx | None = None
        self._publisher: Publisher | None = None

    async def __aenter__(self) -> Pipeline:
        """Return the pipeline; nothing is opened before it is needed."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await aclose(self._client)
            self._client = None

    async def run(
        self,
        since: datetime,
        until: datetime,
        *,
        instruments: Sequence[str] | None = None,
        live: bool = False,
        recheck: bool = False,
        known_from: KnownFrom = "now",
    ) -> IngestReport:
        """Make raw data and features complete for [since, until), closed bars only; return what happened.

        `until` is clipped to the last closed minute of the venue's time. `live`: rows are known from their arrival. An
        instrument that the venue does not list is a failure of its own. `recheck`: what is stored is fetched again; see
        `collect_history`, also for `known_from`. Raises TimeRangeError, UnknownNameError
        where the venue lists none of them, VenueError (before anything was collected) and LakeCorruptError.
        """
        check_range(since, until)
        self._require_home_venue()
        watch = Stopwatch()
        assets = tuple(instruments or self.settings.universe.assets)
        source = self._source(live=live and not recheck)
        with watch.stage("connect"):
            venue_now = await server_time(source.client)
            until = clip_to_closed(since, until, venue_now)
            tradable, failures = await store_contracts(Layout.of(self.settings), source, assets, venue_now, live=live)
        # The trading process waits for no store: what it collects is published by the next job in its directory
        work = publishing(self.lake, self.settings, alone=live, say=self._progress.say)
        with work as outcome:
            lake_before = self.lake.version
            # An hour is asked again after a kill; a longer range must not be.
            staging = Staging(
                Layout.of(self.settings),
                persistent=not live or until - since > DAY,
                choice=Choice(known_from, only_asked=True) if recheck else None,
                source=source.name,
            )
            for line in staging.recover():
                self._progress.say(line)
            record = AdmissionRecord(
                settings=self.settings, now=max(self.clock.now(), venue_now) if live else venue_now
            )
            resumed = bool(staging.datasets())
            before = Admitted() if live else admit_left_behind(staging, self.lake, record, self._progress)
            arrivals = self.clock if live else None
            collector = Collector(source=source, lake=self.lake, staging=staging, arrivals=arrivals, recheck=recheck)
            with watch.stage("collect"):
                targets = targets_of_ingest(self.settings.ingest.collected, since, until)
                failures += await collector.collect(tradable, targets, venue_now, self._progress)
            with watch.stage("validate"):
                admitted = admit_all_staged(staging, self.lake, record, before, resumed=resumed)
            with watch.stage("open feature store"):
                publisher, is_new = self._open_publisher(alone=live)
            with watch.stage("features"):
                publisher.publish_due(
                    FeatureAdmission(record),
                    until,
                    record.now,
                    self._progress,
                    lake_before=lake_before,
                    changed_at=admitted.changed_at,
                    online_is_new=is_new,
                )
            if not live:  # a batch run has the time; a live process folds when nothing waits for it
                self.lake.compact()
            reasons = {failure.asset: failure.reason for failure in failures if failure.dataset == "candles"}
            items = (item for item in record.quarantined if item.stage in DATASETS)
            reasons |= {item.key.partition("/")[0]: "quarantined" for item in items}
            report = IngestReport(
                since=since,
                until=until,
                snapshot_id=self.lake.snapshot_id(),
                raw=self._raw_rows(since, until, assets, admitted.new_rows, live=live),
                checks_passed=record.checks_passed,
                checks_failed=record.checks_failed,
                quarantined=tuple(record.quarantined),
                views=publisher.count_rows(),
                left_out=publisher.list_left_out_pairs(reasons),
                failures=failures,
                stage_seconds=dict(watch.seconds),
                stage_cpu_seconds=dict(watch.cpu_seconds),
            )
        if outcome.features_are_due:
            publish_features(self.settings, until, record.now, self._progress)
            report = replace(report, snapshot_id=self.lake.snapshot_id())
        return report

    def work_ahead(self, close: datetime) -> list[str]:
        """Do what would delay a later hour; call it after the hour that closed at `close`, when nothing else is due.

        Many pending segments of the lake are folded into month files, and once a day the small files of features into
        larger ones. Where `close` ends a month, the chunk of the next
        one is computed up to there. Each takes seconds where there are many instruments. Returns what could not be done
        (another process writes, the disk is full) and why: it is tried again later, and no trading depends on it.
        """
        problems = []
        try:
            if self.lake.pending >= KEPT_COMMITS + FOLDED_COMMITS:
                with self.lake.writing():
                    self.lake.compact(keep=KEPT_COMMITS)
        except (DataError, OSError) as error:
            problems.append(f"the lake's segments are not folded into month files yet: {error}")
        try:
            if close.hour == 0:
                with self.lake.writing():
                    compact_features(Layout.of(self.settings))
        except (DataError, OSError) as error:
            problems.append(f"the small files of features are not folded into larger ones: {error}")
        try:
            if close == month_start(close) and self._publisher is not None:
                record = AdmissionRecord(settings=self.settings, now=self.clock.now())
                self._publisher.prepare_month(FeatureAdmission(record), close)
        except (DataError, OSError) as error:
            problems.append(f"the features of {month_key(close)} are not prepared: {error}")
        return problems

    def _require_home_venue(self) -> None:
        if self.settings.features.venue != self.lake.venue:
            raise ConfigError(
                f"features.venue is {self.settings.features.venue!r}, but this collects and trades {self.lake.venue!r}",
                "use a data directory of its own for another venue, with `pairity collect` and `pairity features`",
            )

    def _source(self, *, live: bool) -> OkxSource:
        if self._client is None:
            self._client = make_client(self.settings, signed=False)
        return (OkxSource.live if live else OkxSource.of)(self._client, self.settings)

    def _open_publisher(self, *, alone: bool) -> tuple[Publisher, bool]:
        """Return the publisher, and whether the store's definitions were registered just now."""
        if self._publisher is not None:
            if self._publisher.alone is not alone:  # one of its own: a month keeps to what it was begun with
                store = self._publisher.store
                self._publisher = Publisher(settings=self.settings, lake=self.lake, store=store, alone=alone)
            return self._publisher, False
        from feature_repo.feature_store import apply_definitions, open_store

        store = open_store(self.settings)
        self._publisher = Publisher(settings=self.settings, lake=self.lake, store=store, alone=alone)
        return self._publisher, apply_definitions(self.settings, store)

    def _raw_rows(
        self,
        since: datetime,
        until: datetime,
        assets: Sequence[str],
        new_rows: dict[tuple[str, str], int],
        *,
        live: bool,
    ) -> tuple[RawRows, ...]:
        # A live hour does not read its rows again to count them.
        stored = new_rows if live else count_rows(self.lake, DATASETS, assets, since, until)
        return tuple(
            RawRows(asset, name, stored.get((name, asset), 0), new_rows.get((name, asset), 0))
            for asset in assets
            for name in DATASETS
            if (name, asset) in stored or (name, asset) in new_rows
        )


async def ingest(
    settings: Settings,
    since: datetime,
    until: datetime,
    *,
    clock: Clock,
    instruments: Sequence[str] | None = None,
    live: bool = False,
    recheck: bool = False,
    known_from: KnownFrom = "now",
    progress: Progress | None = None,
) -> IngestReport:
    """Run the whole pipeline once (see `Pipeline.run`); a process that runs it often keeps a `Pipeline`.

    `instruments` are short names, by default the whole universe.
    """
    async with Pipeline(settings, clock, progress=progress) as pipeline:
        return await pipeline.run(
            since, until, instruments=instruments, live=live, recheck=recheck, known_from=known_from
        )


async def collect_history(
    settings: Settings,
    source: Source,
    assets: Sequence[str],
    datasets: Sequence[str],
    since: datetime,
    until: datetime,
    now: datetime,
    progress: Progress,
    *,
    recheck: bool = False,
    known_from: KnownFrom = "now",
) -> CollectReport:
    """Collect and admit alone: make `datasets` of `assets` complete for [since, until) as far as the source has them.

    A second run fetches only what is missing, and what local files hold that have changed since. `recheck` fetches all
    of it again: what the source has corrected since is known from now on, and so is what it has published since in
    ranges that were asked for before. With `known_from="then"` rows that were not stored keep the time that their
    source gives them, also in place of withheld ones; it is for history that nobody traded on. The choice is noted
    (`read_backfills`). `now` is the instant of the verdict; nothing may lie after it. Raises TimeRangeError, and
    UnknownNameError for a dataset that the source does not have.
    """
    check_range(since, until)
    require_datasets(source, datasets)
    layout = Layout.of(settings)
    lake = Lake(layout, venue=source.venue)
    choice = Choice(known_from, only_asked=True) if recheck else None
    staging = Staging(layout, venue=source.venue, choice=choice, source=source.name)
    record = AdmissionRecord(settings=settings, now=now)
    span = (since, min(until, now))
    targets = [Target.of(name, span) for name in datasets]
    with publishing(lake, settings, say=progress.say):
        for line in staging.recover():
            progress.say(line)
        files, read_before = _find_unchanged(layout, source, datasets, assets)
        resumed = bool(staging.datasets())
        before = admit_left_behind(staging, lake, record, progress)
        given = GivenRows.of(layout, source.venue)
        collector = Collector(
            source=source,
            lake=lake,
            staging=staging,
            recheck=recheck,
            read_before=read_before,
            heed=partial(given.note, source.root) if isinstance(source, LocalSource) else None,
        )
        failures = list(await collector.collect(assets, targets, now, progress))
        progress.stage("validate", 1)
        new_rows = admit_all_staged(staging, lake, record, before, resumed=resumed).new_rows
        lake.compact()
        # Last: what is noted as read is in the lake.
        note_listing_times(layout, source.venue, collector.listed)
        if files is not None:
            failed = {(failure.dataset, failure.asset) for failure in failures}
            for key in ((name, asset) for name in datasets for asset in assets):
                if key not in failed:
                    files.note(*key, span)
            files.save()
        given.save()
        progress.advance()
    stored = count_rows(lake, datasets, assets, since, until)
    rows = [
        RawRows(asset, name, stored.get((name, asset), 0), new_rows.get((name, asset), 0))
        for asset in assets
        for name in datasets
    ]
    failures += find_lacking(source, rows, failures, read_listing_times(layout, source.venue), span[1])
    return CollectReport(
        venue=source.venue,
        rows=tuple(rows),
        quarantined=tuple(record.quarantined),
        failures=tuple(failures),
        snapshot_id=lake.snapshot_id(),
        listed=dict(collector.listed),
        remarks=source.remarks.list() if isinstance(source, Remarking) else (),
        kept=given.list_kept(lake),
        unreadable_record=given.path if given.unreadable else None,
    )


def _find_unchanged(
    layout: Layout, source: Source, datasets: Sequence[str], assets: Sequence[str]
) -> tuple[FilesRead | None, dict[tuple[str, str], tuple[Span, ...]] | None]:
    """Return what is noted of local files, and what need not be read of them again; None for other sources."""
    if not isinstance(source, LocalSource):
        return None, None
    # What a killed run had staged may come from files that have changed since: their rows would contradict each other.
    staging = Staging(layout, venue=source.venue)
    for dataset in staging.datasets():
        for month in staging.months(dataset):
            staging.clear(dataset, month)
    files = FilesRead.of(layout, source.venue)
    return files, {(name, asset): files.find_unchanged(source, name, asset) for name in datasets for asset in assets}


def _explain_emptiness(record: AdmissionRecord, lake: Lake) -> MissingDataError:
    """Return what to say of a venue of which the lake has nothing: nothing came, or all of it is withheld."""
    venue, what = quarantine_venue(lake), f"the lake {lake.root} holds nothing of venue {lake.venue!r}"
    held = [item for name in DATASETS for item in record.quarantine.list_items(name, venue=venue, state="held")]
    if not held:
        return MissingDataError(what, "collect it first, or set features.venue to a venue that is there")
    rows = ", ".join(
        f"{format_count(sum(item.rows for item in held if item.dataset == name), 'row')} of {name}"
        for name in sorted({item.dataset for item in held})
    )
    return MissingDataError(f"{what}: {rows} are withheld", "look at them: `pairity quarantine list`")


def publish_features(settings: Settings, until: datetime, now: datetime, progress: Progress) -> FeaturesReport:
    """Compute and publish alone: features of the lake's months whose inputs changed, up to `until`, online too.

    MissingDataError where the lake holds nothing of `features.venue`.
    """
    from feature_repo.feature_store import apply_definitions, open_store

    lake = Lake(Layout.of(settings), venue=settings.features.venue)
    with publishing(lake, settings, say=progress.say) as outcome:
        record = AdmissionRecord(settings=settings, now=now)
        if not lake.contents():
            raise _explain_emptiness(record, lake)
        store = open_store(settings)
        publisher = Publisher(settings=settings, lake=lake, store=store)
        apply_definitions(settings, store)
        # All views, also where no month is due: an online store that is behind its files is brought up to them
        publisher.publish_due(FeatureAdmission(record), until, now, progress, online_is_new=True)
        report = FeaturesReport(publisher.count_rows(), tuple(record.quarantined), publisher.list_left_out_pairs({}))
    # Others were faster: features of what is there now
    return publish_features(settings, until, now, progress) if outcome.features_are_due else report
