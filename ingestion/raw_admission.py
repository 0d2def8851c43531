"""Raw admission: staged rows enter the lake, or stay out with the rules they broke."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from feature_repo.knowledge_time import repaired_known_at
from feature_repo.raw_datasets import DATASETS
from ingestion.admission_record import AdmissionRecord
from ingestion.lake import Lake
from ingestion.lake.partitions import HOME_VENUE, Partition
from ingestion.lake.spans import Span, subtract, union
from ingestion.staging import Staging
from ingestion.withheld import WithheldRows, quarantine_venue
from pairity.timeline import month_key
from pairity.universe import inst_id, short_name
from validation.checkpoint import judge
from validation.profiles import profile_raw
from validation.quarantine import read_items, record_action
from validation.row_rules import infer_grid, list_row_rules
from validation.row_verdicts import BROKEN, Verdicts, judge_raw_rows
from validation.sequence_rules import find_longest_comparable_hole

# What one instant covers in a dataset without a grid.
_INSTANT_ITSELF = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class _Batch:
    """One staged partition before its verdict: its profile, and the rows that are wrong one by one."""

    partition: Partition
    profile: pl.DataFrame
    withheld: pl.DataFrame


@dataclass(frozen=True, slots=True)
class _LastClose:
    """The last accepted close of an asset's month; rows that are withheld bridge the way from it up to `until`."""

    time: datetime
    close: float
    until: datetime


_LastCloses = dict[str, _LastClose]


@dataclass(frozen=True, slots=True)
class RawAdmission:
    """Decides which raw rows enter a lake: profiles them, lets validation judge, publishes the sound ones."""

    record: AdmissionRecord

    def admit_staged(self, staging: Staging, lake: Lake) -> dict[tuple[str, str], int]:
        """Publish the sound rows of everything staged in `lake` and withhold the others.

        Returns the number of new rows per (dataset, asset). What was judged leaves staging. The instants of rows that
        are withheld are not covered: the next run that needs them asks the venue again.
        """
        new_rows: dict[tuple[str, str], int] = {}
        if not staging.datasets():
            return new_rows
        before = WithheldRows.of(self.record.layout, lake)
        for name in staging.datasets():
            judged = self._judge_dataset(name, staging, lake, before)
            for month in staging.months(name):
                rows, covered = _by_asset(staging.read(name, month)), staging.covered(name, month)
                for asset in sorted({*rows, *covered}):
                    partition = _partition(name, asset, month, lake)
                    own = rows.get(asset, DATASETS[name].empty())
                    withheld = judged.get(partition, _nothing_withheld(name))
                    added = self._publish(partition, own, withheld, covered.get(asset, ()), lake, before)
                    new_rows[name, asset] = new_rows.get((name, asset), 0) + added
                # Last: a run that is killed before judges the month again, with the same outcome.
                staging.clear(name, month)
        refused = {(item.stage, item.key.partition("/")[0]) for item in self.record.quarantined}
        return {key: count for key, count in new_rows.items() if count or key not in refused}

    def admit_batch(self, partition: Partition, rows: pl.DataFrame, lake: Lake) -> pl.DataFrame:
        """Judge rows of one partition in the order in which they came, and publish the sound ones in `lake`.

        Returns the rows that are withheld, with `broken_rules`.
        """
        before = WithheldRows.of(self.record.layout, lake)
        batch = self._examine(partition, rows, lake, before, None)
        withheld = self._judge(partition.dataset, [batch], lambda _: rows)[partition]
        self._publish(partition, rows, withheld, (), lake, before)
        return withheld

    def _judge_dataset(
        self, name: str, staging: Staging, lake: Lake, before: WithheldRows
    ) -> dict[Partition, pl.DataFrame]:
        """Per partition the rows to withhold; a month continues from the sound rows of the month before."""
        closes: _LastCloses = {}
        batches = [
            self._examine(_partition(name, asset, month, lake), rows, lake, before, closes)
            for month in staging.months(name)  # ascending: see `closes`
            for asset, rows in _by_asset(staging.read(name, month)).items()
        ]

        def read(partition: Partition) -> pl.DataFrame:
            return _by_asset(staging.read(name, partition.month))[short_name(partition.instrument)]

        return self._judge(name, sorted(batches, key=lambda batch: batch.partition), read)

    def _examine(
        self,
        partition: Partition,
        rows: pl.DataFrame,
        lake: Lake,
        before: WithheldRows,
        closes: _LastCloses | None,
    ) -> _Batch:
        """Profile a partition and split it row by row; `closes` (None: one batch alone) is carried on to the next."""
        name, asset = partition.dataset, short_name(partition.instrument)
        close = _close_before(rows, partition, lake, before, closes.get(asset) if closes else None)
        released = self.record.list_released(name, (asset,), quarantine_venue(lake))
        split = judge_raw_rows(rows, name, self.record.now, close_before=close, released=released)
        if closes is not None and "close" in DATASETS[name].values and rows.height:
            _carry_close(closes, asset, split, DATASETS[name].time)
        profile = profile_raw(rows, name, _key(partition), self.record.now, close_before=close)
        return _Batch(partition, profile, split.withheld)

    def _judge(
        self, name: str, batches: Sequence[_Batch], read: Callable[[Partition], pl.DataFrame]
    ) -> dict[Partition, pl.DataFrame]:
        """Return the rows to withhold; a failed rule that names no rows (an empty batch, …) withholds the whole batch.

        One verdict for all batches: its cost hardly grows with their number. Rows that are needed again are read
        again with `read`: together they would not fit into memory.
        """
        if not batches:
            return {}
        verdict = judge(self.record.settings, name, pl.concat([batch.profile for batch in batches]))
        self.record.count(verdict.checks, verdict.failed)
        withheld = {}
        for batch in batches:
            failed = verdict.failed.get(_key(batch.partition), ())
            of_whole_batch = [rule.rule for rule in failed if rule.rule not in list_row_rules(name)]
            withheld[batch.partition] = batch.withheld
            if of_whole_batch:
                rows = read(batch.partition)
                withheld[batch.partition] = rows.with_columns(pl.lit(of_whole_batch).alias(BROKEN))
        return withheld

    def _publish(
        self,
        partition: Partition,
        rows: pl.DataFrame,
        withheld: pl.DataFrame,
        covered: Sequence[Span],
        lake: Lake,
        before: WithheldRows,
    ) -> int:
        """Quarantine `withheld` and write the rest of `rows`; what was withheld `before` is known from now on."""
        name, asset = partition.dataset, short_name(partition.instrument)
        kind = DATASETS[name]
        sound = rows
        if withheld.height:
            self.record.withhold(name, _key(partition), withheld)
            wrong = withheld.select(rows.columns)
            sound = rows.join(wrong, on=rows.columns, how="anti", nulls_equal=True, maintain_order="left")
            covered = _without(covered, withheld[kind.time], infer_grid(kind) or _INSTANT_ITSELF)
        was_withheld = pl.col(kind.time).is_in(before.of_asset(name, asset).implode())
        sound = sound.with_columns(repaired_known_at(was_withheld, self.record.now))
        added = lake.write(name, partition.instrument, sound, covered=covered, arrived_at=self.record.now)
        self._close_repaired(name, asset, quarantine_venue(lake), sound[kind.time], withheld)
        return added

    def _close_repaired(self, name: str, asset: str, venue: str, arrived: pl.Series, withheld: pl.DataFrame) -> None:
        """Close the items of which every instant came again and was accepted."""
        good = set(arrived.to_list()) - set(withheld[DATASETS[name].time].to_list())
        if not good:
            return
        for item in read_items(self.record.layout, name, f"{asset}_*", state="held"):
            if item.venue == venue and set(item.read_rows()[DATASETS[name].time].to_list()) <= good:
                record_action(item, "repair", "the venue gave rows that were accepted", now=self.record.now)


def _carry_close(closes: _LastCloses, asset: str, split: Verdicts, time: str) -> None:
    """Note the last accepted close of a partition for the next one, and until when rows after it were withheld."""
    newest = split.accepted.sort(time).tail(1)
    if newest.height:
        at, close = newest[time][0], float(newest["close"][0])
    elif asset in closes:
        at, close = closes[asset].time, closes[asset].close
    else:
        return
    last = split.withheld[time].max()
    closes[asset] = _LastClose(at, close, until=max(at, last) if isinstance(last, datetime) else at)


def _close_before(
    rows: pl.DataFrame, partition: Partition, lake: Lake, before: WithheldRows, carried: _LastClose | None
) -> float | None:
    """Return the last accepted close shortly (see `remembered`) before the first of `rows`; None where there is none.

    Rows that are withheld bridge the way to it: a level that was wrong for days does not become right by that.
    """
    kind = DATASETS[partition.dataset]
    first = rows[kind.time].min() if "close" in kind.values else None
    if not isinstance(first, datetime):
        return None
    if carried is not None and first - carried.until <= find_longest_comparable_hole(kind):
        return carried.close
    since = first
    for instant in reversed(before.of_asset(partition.dataset, short_name(partition.instrument)).to_list()):
        if instant < since and since - instant <= find_longest_comparable_hole(kind):
            since = instant
    earlier = lake.scan(partition.dataset, [partition.instrument], since - find_longest_comparable_hole(kind), first)
    closes = earlier.tail(1).collect()["close"]
    return float(closes[0]) if len(closes) else None


def _without(covered: Sequence[Span], instants: pl.Series, length: timedelta) -> tuple[Span, ...]:
    """Return `covered` without the `length` of time from each instant on."""
    taken = union((instant, instant + length) for instant in instants.drop_nulls().to_list())
    return tuple(part for span in covered for part in subtract(span, taken))


def _key(partition: Partition) -> str:
    """Return the partition's name in profiles and quarantine: the venue that is traded is not named."""
    home = f"{short_name(partition.instrument)}/{month_key(partition.month)}"
    return home if partition.venue == HOME_VENUE else f"{home}/{partition.venue}"


def _by_asset(rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Return the rows of each asset in the dataset's columns, in the order of `rows`."""
    parts = rows.partition_by("asset", maintain_order=True)
    return {part["asset"][0]: part.drop("asset") for part in parts}


def _partition(dataset: str, asset: str, month: datetime, lake: Lake) -> Partition:
    return Partition(dataset, inst_id(asset), month, lake.venue)


def _nothing_withheld(dataset: str) -> pl.DataFrame:
    return DATASETS[dataset].empty().with_columns(pl.lit(None, pl.List(pl.String)).alias(BROKEN))
