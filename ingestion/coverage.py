"""What the lake and the features hold: ranges, holes, age, size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from feature_repo.catalog import CREATED_TIME, EVENT_TIME, VIEWS
from feature_repo.offline_files import locate_view, scan_view
from feature_repo.raw_datasets import DATASETS, RawDataset
from ingestion.lake import Lake
from ingestion.lake.spans import Span, subtract, union
from pairity.layout import Layout
from pairity.universe import inst_id


@dataclass(frozen=True, slots=True)
class Gap:
    """Neighbouring bars of a dataset that are not there, between an instrument's first and last one."""

    dataset: str
    asset: str
    first: datetime
    """Open time of the first missing bar."""
    until: datetime
    """Open time of the first bar that is there again."""
    bars: int
    asked: bool
    """The source was asked for all of it, and did not have it; False: nobody asked yet."""


@dataclass(frozen=True, slots=True)
class Held:
    """What is stored of one dataset of the lake, or of one feature view."""

    name: str
    kind: str
    """`raw` or `features`."""
    entities: int
    rows: int
    """Newest versions; `corrections` are further versions of some of them."""
    corrections: int
    first: datetime | None
    last: datetime | None
    complete: float | None
    """Share of the grid between each entity's first and last row; None where rows have no grid."""
    age: timedelta | None
    """From the newest row's time to now."""
    size_bytes: int
    files: int


def gaps(lake: Lake, assets: Sequence[str], datasets: Sequence[str]) -> tuple[Gap, ...]:
    """All holes of datasets that lie on a grid, by dataset, asset and time."""
    found = []
    for name in datasets:
        dataset = DATASETS[name]
        if dataset.every is None:
            continue
        for asset in assets:
            times = _times(lake, dataset, asset)
            found += [_gap(lake, dataset, asset, before, after) for before, after in _steps(times, dataset.every)]
    return tuple(found)


def held(layout: Layout, lake: Lake, now: datetime) -> tuple[Held, ...]:
    """All datasets and views that hold something, raw first."""
    raw = [_raw(lake, dataset, now) for dataset in DATASETS.values()]
    views = [_features(layout, name, now) for name in VIEWS]
    return tuple(item for item in (*raw, *views) if item.rows)


def _times(lake: Lake, dataset: RawDataset, asset: str) -> pl.Series:
    own = [part for part in lake.partitions() if part.dataset == dataset.name and part.instrument == inst_id(asset)]
    if not own:
        return pl.Series(dtype=pl.Datetime("us", "UTC"))
    rows = lake.scan(dataset.name, [asset], own[0].month, own[-1].end)
    return rows.select(dataset.time).collect().to_series()


def _steps(times: pl.Series, every: timedelta) -> list[Span]:
    """(last bar before, first bar after) of each hole."""
    frame = pl.DataFrame({"at": times}).with_columns(pl.col("at").shift(1).alias("before"))
    return [(before, at) for at, before in frame.filter(pl.col("at") - pl.col("before") > every).iter_rows()]


def _gap(lake: Lake, dataset: RawDataset, asset: str, before: datetime, after: datetime) -> Gap:
    assert dataset.every is not None
    first = before + dataset.every
    covered = union(lake.coverage(dataset.name, asset, first, after))
    return Gap(
        dataset.name, asset, first, after, (after - first) // dataset.every, not subtract((first, after), covered)
    )


def _raw(lake: Lake, dataset: RawDataset, now: datetime) -> Held:
    parts = [part for part in lake.partitions() if part.dataset == dataset.name]
    manifests = [(part, lake.manifest(part)) for part in parts]
    filled = [(part, manifest) for part, manifest in manifests if manifest.rows]
    total = sum(manifest.rows - manifest.superseded for _, manifest in filled)
    firsts: dict[str, datetime] = {}
    lasts: dict[str, datetime] = {}
    for part, manifest in filled:
        assert manifest.first is not None
        assert manifest.last is not None
        firsts[part.instrument] = min(manifest.first, firsts.get(part.instrument, manifest.first))
        lasts[part.instrument] = max(manifest.last, lasts.get(part.instrument, manifest.last))
    expected = 0
    if dataset.every is not None:
        expected = sum((lasts[name] - firsts[name]) // dataset.every + 1 for name in firsts)
    last = max(lasts.values(), default=None)
    size, files = _size([part.folder(lake.root) for part, _ in filled])
    return Held(
        dataset.name, "raw", len(firsts), total, sum(manifest.superseded for _, manifest in filled),
        min(firsts.values(), default=None), last, total / expected if expected else None,
        None if last is None else now - last - dataset.known_after, size, files,
    )  # fmt: skip


def _features(layout: Layout, name: str, now: datetime) -> Held:
    view = VIEWS[name]
    rows = scan_view(layout, view).select(view.entity, EVENT_TIME, CREATED_TIME)
    newest = rows.group_by(view.entity, EVENT_TIME).agg(pl.len().alias("versions"))
    spans = newest.group_by(view.entity).agg(
        first=pl.col(EVENT_TIME).min(), last=pl.col(EVENT_TIME).max(), rows=pl.len(), versions=pl.col("versions").sum()
    )
    table = spans.collect()
    count, versions = int(table["rows"].sum()), int(table["versions"].sum())
    expected = sum((last - first) // view.every + 1 for first, last in table.select("first", "last").iter_rows())
    last = table["last"].max()
    assert last is None or isinstance(last, datetime)
    first = table["first"].min()
    assert first is None or isinstance(first, datetime)
    size, files = _size([locate_view(layout, view)])
    return Held(name, "features", table.height, count, versions - count, first, last,
                count / expected if expected else None, None if last is None else now - last, size, files)  # fmt: skip


def _size(folders: Sequence[Path]) -> tuple[int, int]:
    files = [path for folder in folders for path in folder.rglob("*.parquet")]
    return sum(path.stat().st_size for path in files), len(files)
