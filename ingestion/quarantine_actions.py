"""What can be done about rows in quarantine: a person says that they are right, or the venue is asked again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl

from feature_repo.raw_datasets import DATASETS, INSTANT, KNOWN_AT
from ingestion.admission import Gate
from ingestion.lake import Lake
from ingestion.lake.partitions import HOME_VENUE, Partition
from ingestion.lake.spans import Span, union
from ingestion.sources.okx import BARS, OkxSource
from pairity.errors import ConfigError
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.timeline import Clock, month_start
from pairity.universe import inst_id
from validation.quarantine import QuarantineItem, find_item, record_action
from validation.row_rules import infer_grid
from validation.row_verdicts import BROKEN

if TYPE_CHECKING:
    from ccxt.async_support import okx

_TICK = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Remedy:
    """What came of it: whether the item is closed, how many rows entered the lake, and what to tell."""

    item: QuarantineItem
    closed: bool
    rows: int
    told: str


def release(settings: Settings, id_: str, reason: str, *, now: datetime) -> Remedy:
    """Take the rows of an item as right: they are known from `now` on and not held back for those rules again.

    Feature rows are published by the next ingestion. ConfigError without a reason, for an item that is closed, and
    where one instant has several versions (which one is right cannot be said by releasing both).
    """
    if not reason.strip():
        raise ConfigError("a release needs a reason", "say why the rows are right: --reason TEXT")
    item = _open(settings, id_)
    rows = item.read_rows().drop(BROKEN)
    added = 0
    if item.dataset in DATASETS:
        kind, lake = DATASETS[item.dataset], Lake(Layout.of(settings), venue=item.venue or HOME_VENUE)
        if rows[kind.time].is_duplicated().any():
            raise ConfigError(
                f"{item.id} holds several versions of one instant", f"pairity quarantine repair {item.id}"
            )
        known = rows.with_columns(pl.max_horizontal(KNOWN_AT, pl.lit(now, INSTANT)).cast(INSTANT).alias(KNOWN_AT))
        with lake.writing():
            added = lake.write(item.dataset, item.entity, known, covered=_spans(item, rows), arrived_at=now)
            record_action(item, "release", reason, now=now)
    else:
        record_action(item, "release", reason, now=now)
    told = f"released {item.rows} rows; `pairity ingest` computes what depends on them"
    return Remedy(find_item(Layout.of(settings), item.id), True, added, told)


async def repair(settings: Settings, id_: str, clock: Clock) -> Remedy:
    """Ask the venue again for exactly the instants of an item, and judge its answer anew.

    The item is closed when every instant now has an accepted row, or is off the grid and no longer given. ConfigError
    for features (repair the raw rows they come from) and for datasets that the venue cannot be asked for here.
    """
    from venue.okx_client import aclose, make_client

    item = _open(settings, id_)
    if item.dataset not in (*BARS, "funding") or item.venue:
        raise ConfigError(
            f"{item.dataset} cannot be asked for again row by row", f"pairity quarantine release {item.id} --reason …"
        )
    client = make_client(settings, signed=False)
    try:
        rows = await _ask(settings, client, item)
    finally:
        await aclose(client)
    return _judged(settings, item, rows, clock.now())


def _judged(settings: Settings, item: QuarantineItem, rows: pl.DataFrame, now: datetime) -> Remedy:
    lake, kind = Lake(Layout.of(settings)), DATASETS[item.dataset]
    with lake.writing():
        held = _judge(settings, lake, item, rows, now)
        bad = set(held[kind.time].to_list())
        good = set(rows[kind.time].to_list()) - bad
        lacking = {instant for instant in _instants(item) if instant not in good and not _withdrawn(item, instant, bad)}
        if not lacking:
            if find_item(Layout.of(settings), item.id).state == "held":
                record_action(item, "repair", "the venue no longer gives these rows", now=now)
            closed = find_item(Layout.of(settings), item.id)
            return Remedy(closed, True, len(good), f"repaired {item.rows} rows; `pairity ingest` computes the rest")
        told = f"{len(lacking)} of {len(set(_instants(item)))} instants are still wrong or missing at the venue"
        record_action(item, "repair failed", told, now=now)
    return Remedy(find_item(Layout.of(settings), item.id), False, len(good), told)


def _judge(settings: Settings, lake: Lake, item: QuarantineItem, rows: pl.DataFrame, now: datetime) -> pl.DataFrame:
    kind, gate = DATASETS[item.dataset], Gate(settings, now)
    months = sorted({month_start(instant) for instant in rows[kind.time].to_list()})
    held = [rows.clear().with_columns(pl.lit(None, pl.List(pl.String)).alias(BROKEN))]
    for month in months:
        partition = Partition(item.dataset, inst_id(item.entity), month)
        own = rows.filter(pl.col(kind.time).is_between(month, partition.end, closed="left"))
        held.append(gate.judge_batch(partition, own, lake))
    return pl.concat(held)


async def _ask(settings: Settings, client: okx, item: QuarantineItem) -> pl.DataFrame:
    source = OkxSource(client, settings.exchange.max_retries, settings.ingest.page_size)
    frames = [DATASETS[item.dataset].empty()]
    for since, until in _spans(item, item.read_rows()):
        if item.dataset == "funding":
            frames.append(await source.funding(item.entity, since, until))
        else:
            rows = await source.candles(item.dataset, item.entity, since, until)
            frames += [] if rows is None else [rows]
    return pl.concat(frames)


def _open(settings: Settings, id_: str) -> QuarantineItem:
    item = find_item(Layout.of(settings), id_)
    if item.state != "held":
        raise ConfigError(f"quarantine item {item.id} is closed already: {item.state}", "see pairity quarantine show")
    return item


def _spans(item: QuarantineItem, rows: pl.DataFrame) -> tuple[Span, ...]:
    length = infer_grid(DATASETS[item.dataset]) or _TICK
    length = _TICK if item.dataset == "funding" else length
    return union((instant, instant + length) for instant in rows[DATASETS[item.dataset].time].drop_nulls().to_list())


def _instants(item: QuarantineItem) -> Iterator[datetime]:
    yield from item.read_rows()[DATASETS[item.dataset].time].drop_nulls().to_list()


def _withdrawn(item: QuarantineItem, instant: datetime, bad: set[datetime]) -> bool:
    """An instant that should never have been is gone."""
    return instant not in bad and bool({"misaligned_times", "future_times"} & set(item.rules))
