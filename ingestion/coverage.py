"""What is stored in the lake and as features: rows, ranges, holes, age, size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Literal

import polars as pl

from feature_repo.catalog import CREATED_TIME, EVENT_TIME, VIEWS
from feature_repo.offline_files import locate_view, scan_view
from feature_repo.raw_datasets import DATASETS, RawDataset
from ingestion.lake import Lake
from ingestion.lake.spans import Span, subtract, union
from pairity.layout import Layout
from pairity.timeline import floor_to
from pairity.universe import inst_id


@dataclass(frozen=True, slots=True)
class Gap:
    """Neighbouring bars of a dataset that are missing: between an instrument's first and last one, or at an end."""

    dataset: str
    asset: str
    first: datetime
    """Open time of the first missing bar."""
    until: datetime
    """Open time of the first stored bar after the gap; at the end of the range, its end."""
    bars: int
    requested: bool
    """Whether all of it was requested of the source, which did not have it; False: not requested yet."""
    edge: Literal["before", "after"] | None = None
    """Whether it lies before the instrument's first bar, or after its last one."""


@dataclass(frozen=True, slots=True)
class StoredSummary:
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


def find_gaps(lake: Lake, assets: Sequence[str], datasets: Sequence[str]) -> tuple[Gap, ...]:
    """Return all gaps of datasets that lie on a grid, by dataset, asset and time."""
    gaps = []
    for name in datasets:
        kind = DATASETS[name]
        if kind.every is None:
            continue
        for asset in assets:
            times = _times(lake, kind, asset)
            gaps += [_gap(lake, kind, asset, before, after) for before, after in _steps(times, kind.every)]
    return tuple(gaps)


def find_edges(
    lake: Lake,
    assets: Sequence[str],
    datasets: Sequence[str],
    since: datetime | None = None,
    until: datetime | None = None,
    listed: Mapping[str, datetime] = MappingProxyType({}),
) -> tuple[Gap, ...]:
    """Return what lacks at the ends of [since, until), by dataset and asset: before the first and after the last bar.

    None: from the first, to the last instant that was asked for or stored of any of `assets`; one without any bar is
    left out then, and lacks all of a range that is given. Nothing lacks before an instrument was `listed`.
    """
    edges = []
    for name in datasets:
        kind = DATASETS[name]
        if kind.every is None:
            continue
        known = {asset: _extent(lake, kind, asset) for asset in assets}
        begins = [begin for begin, *_ in known.values() if begin is not None]
        ends = [end for _, end, *_ in known.values() if end is not None]
        if not begins and (since is None or until is None):
            continue
        begin = floor_to(since if since is not None else min(begins), kind.every)
        end = floor_to(until if until is not None else max(ends), kind.every)
        for asset in assets:
            _, _, first, after = known[asset]
            opens = max(begin, floor_to(listed.get(asset, begin), kind.every))
            if first is None or after is None:
                sides: list[tuple[datetime, datetime, Literal["before", "after"]]] = []
                if since is not None and until is not None:
                    sides = [(opens, end, "before")]
            else:
                sides = [(opens, min(first, end), "before"), (max(after, opens), end, "after")]
            edges += [_gap(lake, kind, asset, a - kind.every, b, edge) for a, b, edge in sides if a < b]
    return tuple(edges)


def _extent(
    lake: Lake, kind: RawDataset, asset: str
) -> tuple[datetime | None, datetime | None, datetime | None, datetime | None]:
    """Return from when, until when rows were asked for or are stored, the first row's time and the last one's end."""
    assert kind.every is not None
    own = [part for part in lake.partitions() if part.dataset == kind.name and part.instrument == inst_id(asset)]
    manifests = [lake.manifest(part) for part in own]
    spans = [span for manifest in manifests for span in manifest.coverage]
    firsts = [manifest.first for manifest in manifests if manifest.first is not None]
    afters = [manifest.last + kind.every for manifest in manifests if manifest.last is not None]
    begin = min([*firsts, *(since for since, _ in spans)], default=None)
    end = max([*afters, *(until for _, until in spans)], default=None)
    return begin, end, min(firsts, default=None), max(afters, default=None)


def summarize(layout: Layout, lake: Lake, now: datetime) -> tuple[StoredSummary, ...]:
    """Return a summary of every dataset and view with rows, raw ones first."""
    raw = [_summarize_raw(lake, kind, now) for kind in DATASETS.values()]
    views = [_summarize_view(layout, name, now) for name in VIEWS]
    return tuple(item for item in (*raw, *views) if item.rows)


def count_rows(
    lake: Lake, datasets: Iterable[str], assets: Sequence[str], since: datetime, until: datetime
) -> dict[tuple[str, str], int]:
    """Return how many rows of [since, until) are stored, by (dataset, asset); nothing where there are none."""
    parts = [
        lake.scan(name, assets, since, until)
        .group_by("asset")
        .agg(pl.len())
        .select(pl.lit(name).alias("dataset"), pl.all())
        for name in datasets
    ]
    return {(name, asset): count for name, asset, count in pl.concat(parts).collect().iter_rows()}


def _times(lake: Lake, kind: RawDataset, asset: str) -> pl.Series:
    own = [part for part in lake.partitions() if part.dataset == kind.name and part.instrument == inst_id(asset)]
    if not own:
        return pl.Series(dtype=pl.Datetime("us", "UTC"))
    rows = lake.scan(kind.name, [asset], own[0].month, own[-1].end)
    return rows.select(kind.time).collect().to_series()


def _steps(times: pl.Series, every: timedelta) -> list[Span]:
    """Return (last bar before, first bar after) of each gap."""
    frame = pl.DataFrame({"at": times}).with_columns(pl.col("at").shift(1).alias("before"))
    return [(before, at) for at, before in frame.filter(pl.col("at") - pl.col("before") > every).iter_rows()]


def _gap(
    lake: Lake,
    kind: RawDataset,
    asset: str,
    before: datetime,
    after: datetime,
    edge: Literal["before", "after"] | None = None,
) -> Gap:
    assert kind.every is not None
    first = before + kind.every
    covered = union(lake.coverage(kind.name, asset, first, after))
    return Gap(
        dataset=kind.name,
        asset=asset,
        first=first,
        until=after,
        bars=(after - first) // kind.every,
        requested=not subtract((first, after), covered),
        edge=edge,
    )


def _summarize_raw(lake: Lake, kind: RawDataset, now: datetime) -> StoredSummary:
    parts = [part for part in lake.partitions() if part.dataset == kind.name]
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
    if kind.every is not None:
        expected = sum((lasts[name] - firsts[name]) // kind.every + 1 for name in firsts)
    last = max(lasts.values(), default=None)
    stored = lake.list_files(kind.name)
    return StoredSummary(
        name=kind.name,
        kind="raw",
        entities=len(firsts),
        rows=total,
        corrections=sum(manifest.superseded for _, manifest in filled),
        first=min(firsts.values(), default=None),
        last=last,
        complete=total / expected if expected else None,
        age=None if last is None else now - last - kind.known_after,
        size_bytes=sum(path.stat().st_size for path in stored),
        files=len(stored),
    )


def _summarize_view(layout: Layout, name: str, now: datetime) -> StoredSummary:
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
    stored = list(locate_view(layout, view).rglob("*.parquet"))
    return StoredSummary(
        name=name,
        kind="features",
        entities=table.height,
        rows=count,
        corrections=versions - count,
        first=first,
        last=last,
        complete=count / expected if expected else None,
        age=None if last is None else now - last,
        size_bytes=sum(path.stat().st_size for path in stored),
        files=len(stored),
    )
