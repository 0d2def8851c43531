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
from ingestion.withheld import WithheldRows, quarantine_venue
from pairity.timeline import month_key
from pairity.universe import short_name
from validation.checkpoint import judge
from validation.profiles import profile_raw
from validation.row_rules import infer_grid, list_row_rules, mark_offences
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

    def admit_staged(self, staging: Lake, lake: Lake) -> dict[tuple[str, str], int]:
        """Publish the sound rows of every staged partition in `lake` and withhold the others.

        Returns the number of new rows per (dataset, asset). All staged partitions leave staging. The instants of rows
        that are withheld are not covered: the next run that needs them asks the venue again.
        """
        new_rows: dict[tuple[str, str], int] = {}
        if not staging.partitions():
            return new_rows
        before = WithheldRows.of(self.record.layout, lake, self.record.quarantine)
        for name, partitions in _by_dataset(staging.partitions()).items():
            for partition, withheld in self._judge_dataset(name, partitions, staging, lake, before):
                key = name, short_name(partition.instrument)
                rows = staging.versions(partition)
                covered = staging.manifest(partition).coverage
                new_rows[key] = new_rows.get(key, 0) + self._publish(partition, rows, withheld, covered, lake, before)
                # Last: a run that is killed before judges the partition again, with the same outcome.
                staging.remove(partition)
        refused = {(item.stage, item.key.partition("/")[0]) for item in self.record.quarantined}
        return {key: count for key, count in new_rows.items() if count or key not in refused}

    def admit_batch(self, partition: Partition, rows: pl.DataFrame, lake: Lake) -> pl.DataFrame:
        """Judge rows of one partition in the order in which they came, and publish the sound ones in `lake`.

        Returns the rows that are withheld, with `broken_rules`.
        """
        before = WithheldRows.of(self.record.layout, lake, self.record.quarantine)
        batch = self._examine(partition, rows, lake, before, None)
        withheld = self._judge(partition.dataset, [batch], lambda _: rows)[partition]
        self._publish(partition, rows, withheld, (), lake, before)
        return withheld

    def _judge_dataset(
        self, name: str, partitions: Sequence[Partition], staging: Lake, lake: Lake, before: WithheldRows
    ) -> list[tuple[Partition, pl.DataFrame]]:
        """Per partition the rows to withhold; a month continues from the sound rows of the month before."""
        closes: _LastCloses = {}
        batches = [
            self._examine(partition, staging.versions(partition), lake, before, closes)
            for partition in sorted(partitions)  # by instrument, then by month: see `closes`
            if staging.manifest(partition).rows
        ]
        withheld = self._judge(name, batches, staging.versions)
        nothing = DATASETS[name].empty().with_columns(pl.lit(None, pl.List(pl.String)).alias(BROKEN))
        return [(partition, withheld.get(partition, nothing)) for partition in partitions]

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
        named, before_it = rows.select(pl.lit(asset).alias("asset"), pl.all()), {} if close is None else {asset: close}
        marks = mark_offences(named, name, self.record.now, closes_before=before_it)
        found = judge_raw_rows(named, name, self.record.now, closes_before=before_it, released=released, marks=marks)
        split = Verdicts(found.accepted.drop("asset"), found.withheld.drop("asset"))
        if closes is not None and "close" in DATASETS[name].values and rows.height:
            _carry_close(closes, asset, split, DATASETS[name].time)
        month, venue = month_key(partition.month), quarantine_venue(lake)
        profile = profile_raw(named, name, month, self.record.now, closes_before=before_it, venue=venue, marks=marks)
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
        profile = pl.concat([batch.profile for batch in batches])
        verdict = judge(self.record.settings, {name: profile})[name]
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
        quarantine, time = self.record.quarantine, DATASETS[name].time
        for item in quarantine.list_items(name, asset, venue=venue, state="held"):
            if set(quarantine.read_rows(item)[time].to_list()) <= good:
                quarantine.record(item, "repair", "the venue gave rows that were accepted", now=self.record.now)


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


def _by_dataset(partitions: Sequence[Partition]) -> dict[str, list[Partition]]:
    grouped: dict[str, list[Partition]] = {}
    for partition in partitions:
        grouped.setdefault(partition.dataset, []).append(partition)
    return grouped
