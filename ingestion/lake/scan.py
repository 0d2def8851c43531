"""Lazy reading: the newest known rows of many instruments, from month files and pending commits together.

Pending rows are few and are held in memory; files stay lazy. Between the plan and its execution compaction may put the
pending rows of the plan into the files, and newer rows of some instruments before those of others. A file is therefore
read up to the last row that is known when the plan is made; and where pending rows lie among older ones, each instant
is reduced to its newest row at the end. What remains: a correction of a known instant that is committed and folded
between plan and execution shows already, as after any write into a month file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from feature_repo.raw_datasets import KNOWN_AT, RawDataset, instant
from ingestion.lake.manifest import Manifest
from ingestion.lake.merge import select_newest
from ingestion.lake.partitions import PART, Partition
from ingestion.lake.pending import without_folded
from ingestion.lake.state import LakeState
from pairity.timeline import months_between
from pairity.universe import inst_id, short_name

# Each attempt is lost only if another commit is made and folded during it.
_ATTEMPTS = 5


@dataclass(slots=True)
class _AssetPlan:
    """What is read of one asset: its month files in order, and whether one instant can have several rows."""

    files: list[tuple[Partition, Manifest]] = field(default_factory=list)
    corrected: bool = False


def plan_scan(
    state: LakeState,
    kind: RawDataset,
    instruments: Iterable[str],
    since: datetime,
    until: datetime,
    known_by: datetime | None,
) -> pl.LazyFrame:
    """Return rows with since <= time < until: see `Lake.scan`."""
    assets = sorted({short_name(instrument) for instrument in instruments})
    in_range = pl.col(kind.time).is_between(instant(since), instant(until), closed="left")
    if known_by is not None:
        in_range &= pl.col(KNOWN_AT) <= instant(known_by)
    for _ in range(_ATTEMPTS):
        # In this order: a commit that is folded in between is then seen in the file, and left out here.
        pending = state.pending_rows(kind)
        plans, folded, is_whole = _look_up(state, kind, assets, since, until)
        if is_whole:
            break
        state.refresh()
    near = pending.filter(pl.col("asset").is_in(assets), in_range) if pending.height else pending
    has_files = any(plan.files for plan in plans.values())
    if near.is_empty() and not has_files:
        return kind.empty_of_assets().lazy()
    own = without_folded(kind, near, folded)
    ordered = own.select("asset", *kind.schema).sort("asset", kind.time, KNOWN_AT)
    if not has_files:  # the newest hours: all of it waits
        corrected = any(plan.corrected for plan in plans.values())
        return select_newest(ordered.lazy(), ["asset", kind.time]) if corrected else ordered.lazy()
    # By hand: as_dict=True costs a query per asset.
    parts = ordered.partition_by("asset", maintain_order=True)
    rows_of = dict(zip(ordered["asset"].unique(maintain_order=True).to_list(), parts, strict=ordered.height > 0))
    frames: list[pl.LazyFrame] = []
    for asset, plan in plans.items():
        frames += _read_asset(state, kind, asset, plan, rows_of.get(asset), in_range, until)
    return pl.concat(frames) if frames else kind.empty_of_assets().lazy()


def _look_up(
    state: LakeState, kind: RawDataset, assets: Sequence[str], since: datetime, until: datetime
) -> tuple[dict[str, _AssetPlan], dict[tuple[str, datetime], int], bool]:
    """Return a plan per asset, and up to which commit partitions have been folded while commits still wait.

    Last, whether all commits are whole: False where a file has taken in a commit that is newer than the index.
    """
    newest, is_whole = state.index.newest_commit, True
    plans: dict[str, _AssetPlan] = {}
    folded: dict[tuple[str, datetime], int] = {}
    months = list(months_between(since, until))
    for asset in assets:
        plan = plans[asset] = _AssetPlan()
        for month in months:
            partition = Partition(kind.name, inst_id(asset), month, state.venue)
            pieces = state.index.pieces(partition)
            if not pieces and not overlaps(state.index.base(partition), since, until):
                continue
            base = state.base(partition)
            is_whole &= base.folded <= newest
            waiting = [piece for number, piece in pieces.items() if number > base.folded and piece.rows]
            if len(waiting) < len(pieces):
                folded[asset, month] = base.folded
            if overlaps(base, since, until):
                plan.files.append((partition, base))
                plan.corrected |= base.superseded > 0
            plan.corrected |= any(piece.superseded for piece in waiting)
    return plans, folded, is_whole


def _read_asset(
    state: LakeState,
    kind: RawDataset,
    asset: str,
    plan: _AssetPlan,
    pending: pl.DataFrame | None,
    in_range: pl.Expr,
    until: datetime,
) -> list[pl.LazyFrame]:
    """Return the rows of one asset as frames whose order is that of time."""
    ends = [manifest.last for _, manifest in plan.files if manifest.last is not None]
    mixed = plan.corrected or (pending is not None and bool(ends) and pending[kind.time][0] <= max(ends))
    if mixed and pending is not None:
        ends.append(pending[kind.time][-1])
    frames = []
    for partition, manifest in plan.files:
        rows = read_file(state, kind, asset, partition).filter(in_range)
        end = max(ends) if mixed else manifest.last
        if end is not None and end < until:
            rows = rows.filter(pl.col(kind.time) <= instant(end))
        frames.append(rows)
    if pending is not None:
        frames.append(pending.lazy())
    # Files are sorted and their order is that of the months: without corrections nothing is left to do.
    return [select_newest(pl.concat(frames), ["asset", kind.time])] if mixed and frames else frames


def read_file(state: LakeState, kind: RawDataset, asset: str, partition: Partition) -> pl.LazyFrame:
    """Return, lazily, all rows of a partition's own file: `asset` and the dataset's columns."""
    path = partition.folder(state.root) / PART
    # Files written before a nullable column was added hold null there.
    rows = pl.scan_parquet(path, glob=False, hive_partitioning=False, schema=kind.schema, missing_columns="insert")
    return rows.select(pl.lit(asset).alias("asset"), *kind.schema)


def overlaps(manifest: Manifest, since: datetime, until: datetime) -> bool:
    """Return whether a file can have rows with since <= time < until."""
    return (
        manifest.first is not None and manifest.last is not None and manifest.first < until and manifest.last >= since
    )
