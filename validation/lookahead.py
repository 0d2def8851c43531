"""Lookahead proof: no value of any view depends on what came, or became known, after it.

The views of one month are computed from all data, and again, at sampled instants t, from four other worlds:

- truncated: rows that were not complete at t are missing;
- poisoned: rows that were not complete at t have other values;
- unknown: rows that became known after t are missing;
- continued: as truncated, computed as a live process does: up to some hours before t, and continued hour by hour.

Every column of every row with an event at or before t (in the third world: known at or before t) must have the same
bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import polars as pl

from feature_repo.catalog import CREATED_TIME, EVENT_TIME, VIEWS, View
from feature_repo.chunks import Chunk, compute_views
from feature_repo.raw_datasets import KNOWN_AT, RawDataset, find_dataset
from feature_repo.transforms.view_transforms import ReadRaw
from pairity.errors import TimeRangeError
from pairity.progress import Progress, SilentProgress
from pairity.settings import Settings
from pairity.timeline import HOUR, floor_to, format_instant, month_key

World = Literal["truncated", "poisoned", "unknown", "continued"]
WORLDS: tuple[World, ...] = ("truncated", "poisoned", "unknown", "continued")
_LIVE_HOURS = 2


@dataclass(frozen=True, slots=True)
class Leak:
    """First row at which a column depends on data after `instant`, and how many rows do."""

    world: World
    instant: datetime
    view: str
    column: str
    entity: str
    event: datetime
    expected: object
    actual: object
    rows: int


@dataclass(frozen=True, slots=True)
class ColumnProof:
    """Comparisons of one column, over all instants and worlds."""

    view: str
    column: str
    values: int
    """Values compared, nulls included."""
    measured: int
    """Values compared that are not null: a column of nulls proves nothing."""
    leaks: int


@dataclass(frozen=True, slots=True)
class LookaheadReport:
    """Outcome of a lookahead proof: what was compared, and every leak."""

    instants: tuple[datetime, ...]
    columns: tuple[ColumnProof, ...]
    leaks: tuple[Leak, ...]

    @property
    def unproven(self) -> tuple[ColumnProof, ...]:
        """Columns without a single value to compare."""
        return tuple(proof for proof in self.columns if not proof.measured)


def prove(
    read: ReadRaw,
    month: datetime,
    until: datetime,
    settings: Settings,
    instants: Sequence[datetime],
    *,
    views: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> LookaheadReport:
    """Compute the chunk of `month` up to `until` in all worlds at all `instants`, and compare.

    `views` default to all. TimeRangeError where an instant has no computed row before it to compare.
    """
    listener = progress or SilentProgress()
    names = tuple(VIEWS if views is None else views)
    whole = compute_views(read, month, until, settings, names)
    listener.stage("lookahead", len(instants) * len(WORLDS))
    counts = {(name, column): [0, 0, 0] for name in names for column in _columns(VIEWS[name])}
    leaks: list[Leak] = []
    for instant in instants:
        if not any((frame[EVENT_TIME] <= instant).any() for frame in whole.values()):
            raise TimeRangeError(
                f"nothing was computed for {month_key(month)} up to {format_instant(instant)}",
                "choose later instants, or ingest what they need",
            )
        for world in WORLDS:
            if world == "continued":
                other = _continue(_truncated(read, instant), month, instant, settings, names)
            else:
                # Missing rows cannot end a chunk: the worlds without later rows are computed up to their instant.
                end = until if world == "poisoned" else instant
                other = compute_views(_WORLD[world](read, instant), month, end, settings, names)
            for name in names:
                for leak, compared, measured in _compare(VIEWS[name], world, instant, whole[name], other[name]):
                    column = counts[name, leak.column if isinstance(leak, Leak) else leak]
                    column[0] += compared
                    column[1] += measured
                    if isinstance(leak, Leak):
                        column[2] += leak.rows
                        leaks.append(leak)
            listener.advance(note=f"{world} at {instant:%Y-%m-%d %H:%M} UTC")
    proofs = tuple(ColumnProof(name, column, *numbers) for (name, column), numbers in counts.items())
    return LookaheadReport(tuple(instants), proofs, tuple(leaks))


def _continue(
    read: ReadRaw, month: datetime, instant: datetime, settings: Settings, names: Sequence[str]
) -> dict[str, pl.DataFrame]:
    """Compute the chunk as a live process does that was started some hours before `instant`."""
    chunk = Chunk(month, settings, names)
    closes = [max(month, instant - hours * HOUR) for hours in reversed(range(_LIVE_HOURS + 1))]
    parts = [chunk.advance(read, close) for close in closes]
    # A chunk that had to be computed anew gives earlier rows once more.
    return {
        name: pl.concat([part[name] for part in parts])
        .unique([VIEWS[name].entity, EVENT_TIME], keep="last", maintain_order=True)
        .sort(VIEWS[name].entity, EVENT_TIME)
        for name in names
    }


def sample_instants(month: datetime, until: datetime, count: int) -> tuple[datetime, ...]:
    """Return `count` full hours spread over (month, until]; the last of them lies strictly before `until`."""
    hours = int((floor_to(until, HOUR) - month) / HOUR) - 1
    if hours < 1:
        raise TimeRangeError(
            f"{month_key(month)} has no full hour before {format_instant(until)}", "choose a longer range"
        )
    chosen = {max(1, round(hours * (step + 1) / count)) for step in range(count)}
    return tuple(month + hour * HOUR for hour in sorted(chosen))


def _truncated(read: ReadRaw, instant: datetime) -> ReadRaw:
    def reading(name: str, since: datetime, until: datetime) -> pl.LazyFrame:
        return read(name, since, until).filter(_complete(find_dataset(name), instant))

    return reading


def _poisoned(read: ReadRaw, instant: datetime) -> ReadRaw:
    """Multiply later values by a factor between 2 and 8 that changes from row to row; they stay positive."""

    def reading(name: str, since: datetime, until: datetime) -> pl.LazyFrame:
        dataset = find_dataset(name)
        # 7919 and 61 are primes: neighbouring minutes get unrelated factors, so that no ratio or return is spared.
        factor = 2.0 + (pl.col(dataset.time).dt.epoch("s") // 60 * 7919 % 61) / 10.0
        later = ~_complete(dataset, instant)
        return read(name, since, until).with_columns(
            pl.when(later).then(pl.col(value) * factor + 1e-9).otherwise(pl.col(value)).alias(value)
            for value in dataset.values
        )

    return reading


def _unknown(read: ReadRaw, instant: datetime) -> ReadRaw:
    def reading(name: str, since: datetime, until: datetime) -> pl.LazyFrame:
        return read(name, since, until).filter(pl.col(KNOWN_AT) <= instant)

    return reading


_WORLD = {"truncated": _truncated, "poisoned": _poisoned, "unknown": _unknown}


def _complete(dataset: RawDataset, instant: datetime) -> pl.Expr:
    return pl.col(dataset.time) + dataset.known_after <= instant


def _columns(view: View) -> tuple[str, ...]:
    return (CREATED_TIME, *view.feature_names)


def _compare(
    view: View, world: World, instant: datetime, whole: pl.DataFrame, other: pl.DataFrame
) -> Iterator[tuple[Leak | str, int, int]]:
    """Yield per column: the leak, or the column's name without one; values compared; values that are not null."""
    key = [view.entity, EVENT_TIME]
    clock = CREATED_TIME if world == "unknown" else EVENT_TIME
    ours, theirs = (frame.filter(pl.col(clock) <= instant) for frame in (whole, other))
    both = ours.join(theirs, on=key, how="full", suffix="_other", coalesce=True).sort(key)
    for column in _columns(view):
        different = both.filter(_bits(column, both).ne_missing(_bits(f"{column}_other", both)))
        # A row that only one world has: no column of it is the same.
        in_one_world = both.filter(pl.col(CREATED_TIME).is_null() != pl.col(f"{CREATED_TIME}_other").is_null())
        apart = pl.concat([different, in_one_world]).unique(key).sort(key)
        measured = both.height - both[column].null_count()
        if apart.is_empty():
            yield column, both.height, measured
            continue
        first = apart.row(0, named=True)
        leak = Leak(
            world=world,
            instant=instant,
            view=view.name,
            column=column,
            entity=first[view.entity],
            event=first[EVENT_TIME],
            expected=first[column],
            actual=first[f"{column}_other"],
            rows=apart.height,
        )
        yield leak, both.height, measured


def _bits(column: str, frame: pl.DataFrame) -> pl.Expr:
    value = pl.col(column)
    return value.reinterpret(dtype=pl.Int64) if frame.schema[column] == pl.Float64 else value
