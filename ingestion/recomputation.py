"""One feature row computed anew from the raw lake, as known at an instant, with the partitions that it came from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from feature_repo.catalog import CREATED_TIME, EVENT_TIME, View
from feature_repo.chunks import compute_views
from feature_repo.raw_datasets import DATASETS
from ingestion.lake import Lake
from ingestion.withheld import WithheldRows
from pairity.digest import digest_parts
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.timeline import month_start, months_between

_STEP = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class RawPart:
    """Raw rows that were read: a dataset of an instrument in a month, and the digest of what the lake has there."""

    dataset: str
    instrument: str
    month: datetime
    content: str


@dataclass(frozen=True, slots=True)
class RecomputedRow:
    """A row as its transform gives it now from what was known then."""

    values: Mapping[str, float | int | str | None]
    """Features of the view by name."""
    created: datetime
    """When it could first be known."""
    parts: tuple[RawPart, ...]

    @property
    def digest(self) -> str:
        """One SHA-256 over all parts that were read: equal while none of them has got another row."""
        return digest_parts(
            (f"{part.dataset}/{part.instrument}/{part.month:%Y-%m}", part.content) for part in self.parts
        )


def recompute_row(
    settings: Settings, view: View, entity: str, event: datetime, known_by: datetime
) -> RecomputedRow | None:
    """Compute the row of `entity` at `event`, as `recompute_rows` does; None where the lake gives no such row."""
    return recompute_rows(settings, view, [entity], event, known_by).get(entity)


def recompute_rows(
    settings: Settings, view: View, entities: Collection[str], event: datetime, known_by: datetime
) -> dict[str, RecomputedRow]:
    """Compute the rows of `entities` at `event` from the rows of the lake that were known by `known_by`.

    The whole month is computed from the anchor, as publishing does; rows that are withheld now are hidden. Entities of
    which the lake gives no such row are left out. Errors are those of reading the lake.
    """
    layout = Layout.of(settings)
    lake = Lake(layout, venue=settings.features.venue)
    withheld = WithheldRows.of(layout, lake)
    ranges: dict[str, tuple[datetime, datetime]] = {}

    def read(name: str, since: datetime, until: datetime) -> pl.LazyFrame:
        first, last = ranges.get(name, (since, until))
        ranges[name] = (min(first, since), max(last, until))
        rows = lake.scan(name, settings.universe.assets, since, until, known_by)
        return withheld.hide(name, withheld.units.express(DATASETS[name], rows), since, until)

    month = month_start(event - _STEP)  # a close at the first instant of a month ends the month before
    rows = compute_views(read, month, event, settings, [view.name])[view.name]
    found = rows.filter(pl.col(view.entity).is_in(list(entities)), pl.col(EVENT_TIME) == event)
    parts = tuple(_list_parts(lake, ranges)) if found.height else ()
    return {
        row[view.entity]: RecomputedRow(
            values={name: row[name] for name in view.feature_names}, created=row[CREATED_TIME], parts=parts
        )
        for row in found.iter_rows(named=True)
    }


def _list_parts(lake: Lake, ranges: Mapping[str, tuple[datetime, datetime]]) -> list[RawPart]:
    months = {name: set(months_between(*range_)) for name, range_ in ranges.items()}
    return [
        RawPart(part.dataset, part.instrument, part.month, content)
        for part, content in sorted(lake.digests().items(), key=lambda item: item[0].relative)
        if part.month in months.get(part.dataset, ())
    ]
