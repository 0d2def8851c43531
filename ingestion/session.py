"""One process's ingestion: client, lakes and feature store are opened once and serve every further bar."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING

import polars as pl

from feature_repo.raw_datasets import DATASETS
from ingestion.admission import Gate
from ingestion.collect import Collector
from ingestion.lake import Lake
from ingestion.publishing import Publisher, left_out_pairs
from ingestion.report import IngestReport, InstrumentFailure, RawRows
from ingestion.sources.okx import OkxSource, require_listed
from pairity.errors import ConfigError, TimeRangeError
from pairity.layout import Layout
from pairity.progress import Progress, SilentProgress
from pairity.settings import Settings
from pairity.timeline import MINUTE, Clock, check_range, last_closed
from venue.okx_client import aclose, make_client, server_time

if TYPE_CHECKING:
    from ccxt.async_support import okx
    from feast import FeatureStore

STAGING = "staging"


@dataclass
class _Stopwatch:
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begun


class IngestSession:
    """Runs the pipeline as often as asked: `async with IngestSession(settings, clock) as session: session.run(…)`.

    `clock` stamps arrivals; a paper exchange's clock must be given where its time is virtual.
    """

    def __init__(self, settings: Settings, clock: Clock, *, progress: Progress | None = None) -> None:
        self.settings = settings
        self.clock = clock
        self.lake = Lake(Layout.of(settings))
        self._staging = Lake(Layout.of(settings), folder=STAGING, durable=False)
        self._progress: Progress = progress or SilentProgress()
        self._client: okx | None = None
        self._store: FeatureStore | None = None

    async def __aenter__(self) -> IngestSession:
        """Nothing is opened before it is needed."""
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
    ) -> IngestReport:
        """Make raw data and features complete for [since, until), closed bars only; what happened.

        `until` is clipped to the last closed minute of the venue's time. `live`: rows are known from their arrival, and
        an instrument that the venue does not list is a failure of its own instead of an error. `recheck`: what is
        stored is asked for again; rows that the venue has changed become corrections, known from now on. Raises
        TimeRangeError, UnknownNameError, VenueError (before anything was collected) and LakeCorruptError.
        """
        check_range(since, until)
        self._require_home_venue()
        watch = _Stopwatch()
        assets = tuple(instruments or self.settings.universe.assets)
        source = self._source()
        with watch.stage("connect"):
            venue_now = await server_time(source.client)
            until = _clipped(since, until, venue_now)
            tradable, failures = await self._contracts(source, assets, live=live)
        with self.lake.writing():
            self._staging.recover()
            collector = Collector(
                source,
                self.lake,
                self._staging,
                self.clock,
                self.settings.ingest.concurrency,
                live=live,
                recheck=recheck,
                datasets=self.settings.ingest.datasets,
            )
            with watch.stage("collect"):
                failures += await collector.collect(tradable, since, until, venue_now, self._progress)
            gate = Gate(self.settings, max(self.clock.now(), venue_now) if live else venue_now)
            with watch.stage("validate"):
                new_rows = gate.judge_raw(self._staging, self.lake)
            with watch.stage("open feature store"):
                store, is_new = self._feature_store()
            publisher = Publisher(self.settings, self.lake, gate, store)
            with watch.stage("features"):
                publisher.publish_due(until, gate.now, self._progress, online_is_new=is_new)
            return self._report(since, until, assets, failures, new_rows, gate, publisher, watch)

    def _require_home_venue(self) -> None:
        if self.settings.features.venue != self.lake.venue:
            raise ConfigError(
                f"features.venue is {self.settings.features.venue!r}, but this collects and trades {self.lake.venue!r}",
                "use a data directory of its own for another venue, with `pairity collect` and `pairity features`",
            )

    def _source(self) -> OkxSource:
        if self._client is None:
            self._client = make_client(self.settings, signed=False)
        return OkxSource(self._client, self.settings.exchange.max_retries, self.settings.ingest.page_size)

    def _feature_store(self) -> tuple[FeatureStore, bool]:
        """The store, and whether its definitions were registered just now."""
        if self._store is not None:
            return self._store, False
        from feature_repo.feature_store import apply_definitions, open_store

        self._store = open_store(self.settings)
        return self._store, apply_definitions(self.settings, self._store)

    async def _contracts(
        self, source: OkxSource, assets: Sequence[str], *, live: bool
    ) -> tuple[tuple[str, ...], tuple[InstrumentFailure, ...]]:
        """Store the contracts; the assets that can be collected, and those that cannot be traded at present."""
        from feature_repo.contract_specs import write_contracts

        listings = await source.listings(assets)
        if not live and len(listings) < len(assets):
            require_listed(assets, listings, await source.listed_assets())
        write_contracts(Layout.of(self.settings), (listing.spec for listing in listings.values()))
        failures = [InstrumentFailure(asset, "the venue does not list it") for asset in assets if asset not in listings]
        failures += [
            InstrumentFailure(asset, f"the venue does not trade it now (state {listing.state})")
            for asset, listing in listings.items()
            if listing.state != "live"
        ]
        return tuple(asset for asset in assets if asset in listings), tuple(failures)

    def _report(
        self,
        since: datetime,
        until: datetime,
        assets: Sequence[str],
        failures: tuple[InstrumentFailure, ...],
        new_rows: dict[tuple[str, str], int],
        gate: Gate,
        publisher: Publisher,
        watch: _Stopwatch,
    ) -> IngestReport:
        reasons = {failure.asset: failure.reason for failure in failures if failure.dataset == "candles"}
        reasons |= {item.key.partition("/")[0]: "quarantined" for item in gate.quarantined if item.stage in DATASETS}
        return IngestReport(
            since=since,
            until=until,
            snapshot_id=self.lake.snapshot_id(),
            raw=self._raw_rows(since, until, assets, new_rows),
            checks_passed=gate.checks_passed,
            checks_failed=gate.checks_failed,
            quarantined=tuple(gate.quarantined),
            views=publisher.rows(),
            left_out=left_out_pairs(self.settings, self.lake, reasons),
            failures=failures,
            stage_seconds=dict(watch.seconds),
        )

    def _raw_rows(
        self, since: datetime, until: datetime, assets: Sequence[str], new_rows: dict[tuple[str, str], int]
    ) -> tuple[RawRows, ...]:
        counted: dict[tuple[str, str], int] = {}
        for name in DATASETS:
            rows = self.lake.scan(name, assets, since, until).group_by("asset").agg(pl.len()).collect()
            counted |= {(name, asset): count for asset, count in rows.iter_rows()}
        keys = [(name, asset) for asset in assets for name in DATASETS]
        return tuple(
            RawRows(asset, name, counted.get((name, asset), 0), new_rows.get((name, asset), 0))
            for name, asset in keys
            if (name, asset) in counted or (name, asset) in new_rows
        )


def _clipped(since: datetime, until: datetime, venue_now: datetime) -> datetime:
    """`until`, but not beyond the venue's last closed minute."""
    closed = last_closed(venue_now, MINUTE)
    if since >= closed:
        raise TimeRangeError(
            f"since {since.isoformat()} is not before the venue's last closed bar, {closed.isoformat()}",
            "give --since an earlier time",
        )
    return min(until, closed)
