"""Features that were published for a whole range, read online as known at the replay's clock.

The ordinary job has computed them once. A read at an instant sees the rows that were created by then and no other, the
newest of each entity: what an online store holds to which each of these rows was written when it was created.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from feature_repo.catalog import CREATED_TIME, EVENT_TIME, View, find_service, find_view
from feature_repo.offline_files import make_schema, scan_view
from ingestion.report import IngestReport
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.timeline import Clock

_NOTHING_FETCHED = "published"
"""Snapshot id of a report about features that were there before."""


def report_nothing(since: datetime, until: datetime) -> IngestReport:
    """Return the report of an hour in which nothing was fetched or computed: what is published is there."""
    return IngestReport(
        since=since,
        until=until,
        snapshot_id=_NOTHING_FETCHED,
        raw=(),
        checks_passed=0,
        checks_failed=0,
        quarantined=(),
        views=(),
        left_out=(),
        failures=(),
        stage_seconds={},
        stage_cpu_seconds={},
    )


class PublishedData:
    """Published features of [since, until] by closes; nothing is fetched or computed.

    Reads raise DataError where the files are damaged.
    """

    def __init__(self, settings: Settings, clock: Clock, since: datetime, until: datetime) -> None:
        self._layout = Layout.of(settings)
        self._clock = clock
        self._ttl = settings.features.ttl
        self._since, self._until = since - self._ttl, until
        self._views: dict[str, _Published] = {}

    async def run(self, since: datetime, until: datetime, *, live: bool) -> IngestReport:
        """Return a report without anything."""
        return report_nothing(since, until)

    def work_ahead(self, close: datetime) -> list[str]:
        """Do nothing: no later hour is computed."""
        return []

    def read_online(self, service_name: str, entities: Sequence[str], *, at: datetime) -> pl.DataFrame:
        """Return one row per entity as known at `at`, but never later than the clock's instant.

        Columns and nulls are those of `feature_store.read_online`: a row whose TTL is over counts as not stored.
        """
        service = find_service(service_name)
        if service.view not in self._views:
            view = find_view(service.view)
            self._views[service.view] = _Published(self._layout, view, self._since, self._until)
        known = self._views[service.view].read(min(at, self._clock.now()), self._ttl)
        return _arrange(known, find_view(service.view), service.features, entities)


class _Published:
    """Rows of one view in memory, by event time."""

    def __init__(self, layout: Layout, view: View, since: datetime, until: datetime) -> None:
        self._entity = view.entity
        own = pl.col(EVENT_TIME).is_between(since, until)
        self._rows = scan_view(layout, view).filter(own).sort(EVENT_TIME, CREATED_TIME).collect()
        self._events: list[datetime] = self._rows[EVENT_TIME].to_list()

    def read(self, at: datetime, ttl: timedelta) -> pl.DataFrame:
        """Return the newest row of each entity that was created by `at` and is no older than `ttl` then."""
        first, last = bisect_left(self._events, at - ttl), bisect_right(self._events, at)
        known = self._rows.slice(first, last - first).filter(pl.col(CREATED_TIME) <= at)
        return known.unique(self._entity, keep="last", maintain_order=True)


def _arrange(known: pl.DataFrame, view: View, features: Sequence[str], entities: Sequence[str]) -> pl.DataFrame:
    columns = [view.entity, EVENT_TIME, CREATED_TIME, *features]
    asked = pl.DataFrame({view.entity: list(entities)}, schema={view.entity: make_schema(view)[view.entity]})
    return asked.join(known.select(columns), on=view.entity, how="left", maintain_order="left").select(columns)
