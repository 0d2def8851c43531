"""Coverage as a picture: per dataset or view a row per asset or pair, and cells of equal length over its time.

A cell holds the share of its grid points that are stored. Where a dataset has no grid, the distance that its rows
usually have stands for it, or, where they have none, a cell with any row counts as whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

import polars as pl

from feature_repo.catalog import EVENT_TIME, VIEWS
from feature_repo.offline_files import scan_view
from feature_repo.raw_datasets import DATASETS
from ingestion.lake import Lake
from pairity.layout import Layout
from pairity.timeline import DAY, HOUR
from pairity.universe import short_name

MOST_CELLS = 130
"""Most cells of a row: each is still seen on a telephone."""
_LENGTHS = (
    (HOUR, "1h"),
    (6 * HOUR, "6h"),
    (DAY, "1d"),
    (7 * DAY, "7d"),
    (31 * DAY, "1mo"),
    (92 * DAY, "1q"),
    (366 * DAY, "1y"),
)
_WORDS = {
    "1h": "an hour",
    "6h": "6 hours",
    "1d": "a day",
    "7d": "7 days",
    "1mo": "a month",
    "1q": "a quarter",
    "1y": "a year",
}
_REGULAR = 0.9


@dataclass(frozen=True, slots=True)
class Stretch:
    """Neighbouring cells of the same share, from cell `start`, `cells` of them.

    `share` is 1 where every grid point is stored, 0 where none is, None before the first and after the last row.
    """

    start: int
    cells: int
    share: float | None
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class PictureRow:
    """One asset or pair. `share` is that of its grid points between its first and last row; None without a grid."""

    entity: str
    rows: int
    share: float | None
    stretches: tuple[Stretch, ...]
    withheld: tuple[int, ...]
    """Cells with rows that are withheld."""

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing between first and last row, and nothing withheld."""
        return not self.withheld and all(part.share in (None, 1.0) for part in self.stretches)


@dataclass(frozen=True, slots=True)
class Picture:
    """One dataset or view. `edges` are the limits of the cells, one more than cells; `length` is a cell's in words."""

    name: str
    edges: tuple[datetime, ...]
    length: str
    has_grid: bool
    usual: timedelta | None
    """Distance of its rows where it has no grid, and they come regularly."""
    is_raw: bool
    rows: tuple[PictureRow, ...]


def draw_coverage(
    layout: Layout, lake: Lake, withheld: pl.DataFrame, instruments: Sequence[str] | None = None
) -> tuple[Picture, ...]:
    """Return a picture of each raw dataset of the lake's venue and of each feature view that has rows.

    `withheld`: dataset, asset, time of raw rows in quarantine. `instruments` limits the raw rows; default all.
    """
    pictures = []
    for kind in DATASETS.values():
        parts = [part for part in lake.partitions() if part.dataset == kind.name]
        names = sorted({part.instrument for part in parts if instruments is None or part.instrument in instruments})
        if not names:
            continue
        rows = lake.scan(kind.name, names, min(p.month for p in parts), max(p.end for p in parts))
        times = rows.select(pl.col("asset").alias("entity"), pl.col(kind.time).alias("at"))
        pictures.append(draw_picture(kind.name, times, kind.every, withheld.filter(dataset=kind.name)))
    for name, view in VIEWS.items():
        times = scan_view(layout, view).select(pl.col(view.entity).alias("entity"), pl.col(EVENT_TIME).alias("at"))
        pictures.append(draw_picture(name, times.unique(), view.every, withheld.filter(dataset=name)))
    return tuple(picture for picture in pictures if picture is not None)


def draw_picture(name: str, times: pl.LazyFrame, every: timedelta | None, withheld: pl.DataFrame) -> Picture | None:
    """Return the picture of one dataset or view from its rows (entity, at; each once); None without rows.

    `every` is the distance of its grid, None without one; `withheld` has asset and time of rows in quarantine.
    """
    spans = times.group_by("entity").agg(first=pl.col("at").min(), last=pl.col("at").max(), rows=pl.len()).collect()
    if spans.is_empty():
        return None
    first, last = spans["first"].min(), spans["last"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    usual = _find_usual_distance(times) if every is None else None
    truncation = _choose_length(last - first, every or usual or _find_mean_distance(spans))
    edges = _list_edges(first, last, truncation)
    cells = {edge: place for place, edge in enumerate(edges[:-1])}
    counts: dict[str, dict[int, int]] = {}
    counted = times.group_by("entity", pl.col("at").dt.truncate(truncation)).agg(pl.len()).collect()
    for entity, cell, count in counted.iter_rows():
        counts.setdefault(entity, {})[cells[cell]] = count
    marked: dict[str, set[int]] = {}
    for asset, cell in withheld.select("asset", pl.col("time").dt.truncate(truncation)).iter_rows():
        if cell in cells:
            marked.setdefault(asset, set()).add(cells[cell])
    rows = [
        _draw_row(
            entity=entity,
            span=(begin, end),
            rows=count,
            counts=counts[entity],
            edges=edges,
            every=every,
            usual=usual,
            withheld=marked.get(entity, set()),
        )
        for entity, begin, end, count in spans.sort("entity").iter_rows()
    ]
    return Picture(
        name=name,
        edges=tuple(edges),
        length=_WORDS[truncation],
        has_grid=every is not None,
        usual=usual,
        is_raw=name in DATASETS,
        rows=tuple(rows),
    )


def _draw_row(
    *,
    entity: str,
    span: tuple[datetime, datetime],
    rows: int,
    counts: Mapping[int, int],
    edges: Sequence[datetime],
    every: timedelta | None,
    usual: timedelta | None,
    withheld: set[int],
) -> PictureRow:
    first, last = span
    # Regular rows without a grid drift over the edges of cells: one too few is none missing.
    allowed = 0 if usual is None else 1
    shares = [
        _compute_share(counts.get(place, 0), _count_points(since, until, first, last, every or usual), allowed)
        for place, (since, until) in enumerate(pairwise(edges))
    ]
    stretches: list[Stretch] = []
    for place, share in enumerate(shares):
        if stretches and stretches[-1].share == share:
            before = stretches.pop()
            stretches.append(Stretch(before.start, before.cells + 1, share, before.since, edges[place + 1]))
        else:
            stretches.append(Stretch(place, 1, share, edges[place], edges[place + 1]))
    whole = None if every is None else rows / ((last - first) // every + 1)
    return PictureRow(short_name(entity), rows, whole, tuple(stretches), tuple(sorted(withheld)))


def _count_points(
    since: datetime, until: datetime, first: datetime, last: datetime, every: timedelta | None
) -> int | None:
    """Return how many grid points of [first, last] lie in the cell [since, until): None where the two do not meet.

    Without a grid, one row is enough.
    """
    if until <= first or since > last:
        return None
    if every is None:
        return 1
    begin, end = max(since, first), min(until, last + every)
    # The grid is that of the first row: points at first + k * every.
    skipped = -((first - begin) // every)
    return max(0, -((first - end) // every) - skipped)


def _compute_share(count: int, points: int | None, allowed: int) -> float | None:
    if points is None or points == 0:
        return None
    if count == 0:
        return 0.0 if points > allowed else None
    return 1.0 if count >= points - allowed else count / points


def _find_usual_distance(times: pl.LazyFrame) -> timedelta | None:
    """Return the median distance of neighbouring rows, None where fewer than nine in ten are near it or shorter."""
    steps = times.sort("entity", "at").select(pl.col("at").diff().over("entity").alias("step")).drop_nulls().collect()
    median = steps["step"].median()
    if not isinstance(median, timedelta) or not median:
        return None
    near = steps["step"].is_between(median * 0.25, median * 1.1).mean()
    return median if isinstance(near, float) and near >= _REGULAR else None


def _find_mean_distance(spans: pl.DataFrame) -> timedelta:
    """Return the mean distance of rows of the sparsest entity that has several."""
    distances = [(last - first) / (rows - 1) for _, first, last, rows in spans.iter_rows() if rows > 1]
    return max(distances, default=HOUR)


def _choose_length(span: timedelta, every: timedelta) -> str:
    """Return the shortest length of cells that does not make too many of them, nor leaves one without a grid point."""
    for length, truncation in _LENGTHS:
        if span / length < MOST_CELLS - 2 and length >= every:
            return truncation
    return _LENGTHS[-1][1]


def _list_edges(first: datetime, last: datetime, truncation: str) -> list[datetime]:
    ends = pl.Series([first, last], dtype=pl.Datetime("us", "UTC")).dt.truncate(truncation)
    edges: list[datetime] = pl.datetime_range(
        ends[0], pl.select(pl.lit(ends[1]).dt.offset_by(truncation)).item(), truncation, eager=True
    ).to_list()
    return edges
