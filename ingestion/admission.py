"""Publish or hold back: staged raw rows and computed features pass here, or stay out with the rule they broke."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import polars as pl

from feature_repo.catalog import CREATED_TIME, EVENT_TIME, View
from feature_repo.raw_datasets import DATASETS, INSTANT, KNOWN_AT
from ingestion.lake import Lake
from ingestion.lake.partitions import HOME_VENUE, Partition
from ingestion.lake.spans import Span, subtract, union
from ingestion.report import QuarantinedPartition
from ingestion.withheld import HeldBack, venue_of
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.timeline import month_key
from pairity.universe import short_name
from validation.checkpoint import judge
from validation.profiles import profile_raw, profile_view
from validation.quarantine import read_items, read_released, record_action, withhold
from validation.row_rules import infer_grid, list_row_rules
from validation.row_verdicts import BROKEN, ReleasedRows, Verdicts, judge_feature_rows, judge_raw_rows
from validation.rules import FailedRule
from validation.sequence_rules import find_longest_comparable_hole
from validation.suites import explain_rule

_TICK = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class _Batch:
    """One staged partition before its verdict: the profile, what is wrong with it row by row, and its last close."""

    partition: Partition
    profile: pl.DataFrame
    held: pl.DataFrame


@dataclass
class Gate:
    """One run's judge; `now` is the venue's time, beyond which nothing may lie."""

    settings: Settings
    now: datetime
    checks_passed: int = 0
    checks_failed: int = 0
    quarantined: list[QuarantinedPartition] = field(default_factory=list)
    _released: dict[tuple[str, str, str], list[ReleasedRows]] = field(default_factory=dict)
    _refused: dict[str, pl.DataFrame] = field(default_factory=dict)

    def judge_raw(self, staging: Lake, lake: Lake) -> dict[tuple[str, str], int]:
        """Promote the sound rows of every staged partition into `lake`, hold back the others; new rows per asset.

        Keys are (dataset, asset). All staged partitions leave staging. The instants of rows that are held back are not
        covered: the next run that needs them asks the venue again.
        """
        new_rows: dict[tuple[str, str], int] = {}
        if not staging.partitions():
            return new_rows
        before = HeldBack.of(Layout.of(self.settings), lake)
        for name, partitions in _by_dataset(staging.partitions()).items():
            for partition, held in self._judge_dataset(name, partitions, staging, lake, before):
                key = name, short_name(partition.instrument)
                rows = staging.versions(partition)
                covered = staging.manifest(partition).coverage
                new_rows[key] = new_rows.get(key, 0) + self._publish(partition, rows, held, covered, lake, before)
                staging.remove(partition)
        return {key: count for key, count in new_rows.items() if count or key not in self._held_keys()}

    def judge_batch(self, partition: Partition, rows: pl.DataFrame, lake: Lake) -> pl.DataFrame:
        """Judge rows of one partition in the order in which they came, publish the sound ones; what was held back."""
        before = HeldBack.of(Layout.of(self.settings), lake)
        batch = self._batch(partition, rows, lake, before, None)
        held = self._verdicts(partition.dataset, [batch], {partition: rows})[partition]
        self._publish(partition, rows, held, (), lake, before)
        return held

    def accept(self, view: View, rows: pl.DataFrame) -> pl.DataFrame:
        """The feature rows that other views may be computed from; the others are kept for `judge_features`."""
        split = self._split_view(view, rows)
        self._refused[view.name] = split.withheld
        return split.accepted

    def judge_features(self, view: View, month: datetime, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows of `view` that may be published; those that `accept` refused, or this does, are held back."""
        refused = self._refused.pop(view.name, None)
        if refused is not None:
            own = refused.filter(pl.col(EVENT_TIME) > month).select(rows.columns)
            rows = pl.concat([rows, own]).sort(view.entity, EVENT_TIME) if own.height else rows
        if rows.is_empty():
            return rows
        verdict = judge(self.settings, view.name, profile_view(view, rows, self.now), month=month_key(month))
        self._count(verdict.checks, verdict.failed)
        if not verdict.failed:
            return rows
        split = self._split_view(view, rows)
        for (entity,), own in split.withheld.group_by(view.entity, maintain_order=True):
            self._hold(view.name, f"{entity}/{month_key(month)}", own)
        return self._known_from_release(view, split.accepted)

    def _split_view(self, view: View, rows: pl.DataFrame) -> Verdicts:
        items = read_items(Layout.of(self.settings), view.name, state="released")
        return judge_feature_rows(view, rows, self.now, self._of_items(view.name, {item.entity for item in items}))

    def _known_from_release(self, view: View, rows: pl.DataFrame) -> pl.DataFrame:
        """What a person released was not known as a feature before that."""
        on = [view.entity, EVENT_TIME]
        entities = {item.entity for item in read_items(Layout.of(self.settings), view.name, state="released")}
        for item in self._of_items(view.name, entities):
            keys = item.rows.select(*on, pl.lit(True).alias("_released"))
            late = pl.max_horizontal(CREATED_TIME, pl.lit(item.at, INSTANT))
            created = pl.when(pl.col("_released")).then(late).otherwise(pl.col(CREATED_TIME)).cast(INSTANT)
            joined = rows.join(keys.unique(), on=on, how="left", maintain_order="left")
            rows = joined.with_columns(created.alias(CREATED_TIME)).drop("_released")
        return rows

    def _judge_dataset(
        self, name: str, partitions: Sequence[Partition], staging: Lake, lake: Lake, before: HeldBack
    ) -> list[tuple[Partition, pl.DataFrame]]:
        """Per partition the rows to hold back; a month continues from the sound rows of the one before."""
        batches: list[_Batch] = []
        ends: dict[str, pl.DataFrame] = {}
        for partition in sorted(partitions):
            if staging.manifest(partition).rows:
                rows = staging.versions(partition)
                batch = self._batch(partition, rows, lake, before, ends)
                batches.append(batch)
        held = self._verdicts(name, batches, {batch.partition: staging for batch in batches})
        return [(partition, held.get(partition, _nothing(name))) for partition in partitions]

    def _batch(
        self,
        partition: Partition,
        rows: pl.DataFrame,
        lake: Lake,
        before: HeldBack,
        ends: dict[str, pl.DataFrame] | None,
    ) -> _Batch:
        name, asset = partition.dataset, short_name(partition.instrument)
        close = _close_before(rows, partition, lake, before, None if ends is None else ends.get(asset))
        split = judge_raw_rows(
            rows, name, self.now, close_before=close, released=self._of_items(name, (asset,), venue_of(lake))
        )
        if ends is not None and "close" in DATASETS[name].values and rows.height:
            time = DATASETS[name].time
            last = split.accepted.sort(time).tail(1).select(pl.col(time).alias("time"), "close")
            ends[asset] = last if last.height else ends.get(asset, last)
            self._chain(ends, asset, split.withheld, time)
        return _Batch(partition, profile_raw(rows, name, _key(partition), self.now, close_before=close), split.withheld)

    def _chain(self, ends: dict[str, pl.DataFrame], asset: str, held: pl.DataFrame, time: str) -> None:
        """Remember until when rows of `asset` were held back after its last accepted one."""
        last = held[time].max()
        newest = ends[asset]
        reach = last if isinstance(last, datetime) and newest.height and last > newest["time"][0] else None
        until = pl.lit(reach, INSTANT) if reach else pl.col("time")
        ends[asset] = newest.with_columns(until.alias("until"))

    def _verdicts(
        self, name: str, batches: Sequence[_Batch], sources: Mapping[Partition, Lake | pl.DataFrame]
    ) -> dict[Partition, pl.DataFrame]:
        """The verdict of the suite: a rule that names no rows (an empty batch, …) holds back the whole batch."""
        if not batches:
            return {}
        verdict = judge(self.settings, name, pl.concat([batch.profile for batch in batches]))
        self._count(verdict.checks, verdict.failed)
        held = {}
        for batch in batches:
            whole = [
                rule for rule in verdict.failed.get(_key(batch.partition), ()) if rule.rule not in list_row_rules(name)
            ]
            source = sources[batch.partition]
            held[batch.partition] = batch.held
            if whole:
                rows = source if isinstance(source, pl.DataFrame) else source.versions(batch.partition)
                held[batch.partition] = rows.with_columns(pl.lit([rule.rule for rule in whole]).alias(BROKEN))
        return held

    def _publish(
        self,
        partition: Partition,
        rows: pl.DataFrame,
        held: pl.DataFrame,
        covered: Sequence[Span],
        lake: Lake,
        before: HeldBack,
    ) -> int:
        """Hold back `held`, write the rest of `rows`; what was held back before is known from now on."""
        name, asset = partition.dataset, short_name(partition.instrument)
        dataset = DATASETS[name]
        sound = rows
        if held.height:
            self._hold(name, _key(partition), held)
            sound = rows.join(held.select(rows.columns), on=rows.columns, how="anti", nulls_equal=True,
                              maintain_order="left")  # fmt: skip
            covered = _without(covered, held[dataset.time], infer_grid(dataset) or _TICK)
        late = pl.col(dataset.time).is_in(before.of_asset(name, asset).implode())
        known = pl.when(late).then(pl.max_horizontal(KNOWN_AT, pl.lit(self.now, INSTANT))).otherwise(pl.col(KNOWN_AT))
        sound = sound.with_columns(known.cast(INSTANT).alias(KNOWN_AT))
        added = lake.write(name, partition.instrument, sound, covered=covered, arrived_at=self.now)
        self._close(name, asset, venue_of(lake), sound[dataset.time], held)
        return added

    def _close(self, name: str, asset: str, venue: str, arrived: pl.Series, held: pl.DataFrame) -> None:
        """Items of which every instant came again and was accepted are repaired."""
        good = set(arrived.to_list()) - set(held[DATASETS[name].time].to_list())
        if not good:
            return
        for item in read_items(Layout.of(self.settings), name, f"{asset}_*", state="held"):
            if item.venue == venue and set(item.read_rows()[DATASETS[name].time].to_list()) <= good:
                record_action(item, "repair", "the venue gave rows that were accepted", now=self.now)

    def _of_items(self, name: str, entities: Iterable[str], venue: str = "") -> list[ReleasedRows]:
        found = []
        for entity in sorted(entities):
            if (name, entity, venue) not in self._released:
                self._released[name, entity, venue] = read_released(Layout.of(self.settings), name, entity, venue)
            found += self._released[name, entity, venue]
        return found

    def _hold(self, name: str, key: str, held: pl.DataFrame) -> None:
        """Into quarantine, and into the report of this run (also where it lies there already)."""
        withhold(Layout.of(self.settings), name, key, held, now=self.now)
        counts = held.select(pl.col(BROKEN).explode().value_counts(sort=True)).unnest(BROKEN)
        told = tuple(f"{rule} = {count} ({explain_rule(name, rule)})" for rule, count in counts.iter_rows())
        self.quarantined.append(QuarantinedPartition(name, key, told))

    def _held_keys(self) -> set[tuple[str, str]]:
        return {(item.stage, item.key.partition("/")[0]) for item in self.quarantined}

    def _count(self, checks: int, failed: Mapping[str, tuple[FailedRule, ...]]) -> None:
        broken = sum(len(rules) for rules in failed.values())
        self.checks_passed += checks - broken
        self.checks_failed += broken


def _close_before(
    rows: pl.DataFrame, partition: Partition, lake: Lake, before: HeldBack, end: pl.DataFrame | None
) -> float | None:
    """The last accepted close within `find_longest_comparable_hole` before the first of `rows`; None without one.

    Rows that are held back bridge the way to it: a level that was wrong for days does not become right by that.
    """
    dataset = DATASETS[partition.dataset]
    first = rows[dataset.time].min() if "close" in dataset.values else None
    if not isinstance(first, datetime):
        return None
    if end is not None and end.height and first - end["until"][0] <= find_longest_comparable_hole(dataset):
        return float(end["close"][0])
    since = first
    for instant in reversed(before.of_asset(partition.dataset, short_name(partition.instrument)).to_list()):
        if instant < since and since - instant <= find_longest_comparable_hole(dataset):
            since = instant
    closes = (
        lake.scan(partition.dataset, [partition.instrument], since - find_longest_comparable_hole(dataset), first)
        .tail(1)
        .collect()["close"]
    )
    return float(closes[0]) if len(closes) else None


def _without(covered: Sequence[Span], instants: pl.Series, length: timedelta) -> tuple[Span, ...]:
    held = union((instant, instant + length) for instant in instants.drop_nulls().to_list())
    return tuple(part for span in covered for part in subtract(span, held))


def _nothing(name: str) -> pl.DataFrame:
    return DATASETS[name].empty().with_columns(pl.lit(None, pl.List(pl.String)).alias(BROKEN))


def _key(partition: Partition) -> str:
    home = f"{short_name(partition.instrument)}/{month_key(partition.month)}"
    return home if partition.venue == HOME_VENUE else f"{home}/{partition.venue}"


def _by_dataset(partitions: Sequence[Partition]) -> dict[str, list[Partition]]:
    grouped: dict[str, list[Partition]] = {}
    for partition in partitions:
        grouped.setdefault(partition.dataset, []).append(partition)
    return grouped
