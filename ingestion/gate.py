"""Publish or quarantine: staged raw data and computed features pass here, or stay out with the rule they broke."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from feature_repo.catalog import View
from ingestion.lake import Lake
from ingestion.lake.partitions import Partition
from ingestion.report import QuarantinedPartition
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.timeline import HOUR, month_key
from pairity.universe import short_name
from validation.checkpoint import FailedRule, judge
from validation.profiles import profile_candles, profile_funding, profile_view
from validation.quarantine import quarantine


@dataclass
class Gate:
    """One run's judge; `now` is the venue's time, beyond which nothing may lie."""

    settings: Settings
    now: datetime
    checks_passed: int = 0
    checks_failed: int = 0
    quarantined: list[QuarantinedPartition] = field(default_factory=list)

    def judge_raw(self, staging: Lake, lake: Lake) -> dict[tuple[str, str], int]:
        """Promote every staged partition that passes into `lake`, quarantine the others; new rows per (dataset, asset).

        Either way the partition leaves staging. A quarantined one is not covered: the next run asks the venue again.
        """
        new_rows: dict[tuple[str, str], int] = {}
        for name, partitions in _by_dataset(staging.partitions()).items():
            failed = self._judge_dataset(name, partitions, staging, lake)
            for partition in partitions:
                rules = failed.get(_key(partition))
                if rules is not None:
                    self._reject(name, _key(partition), staging.versions(partition), rules)
                else:
                    key = name, short_name(partition.instrument)
                    new_rows[key] = new_rows.get(key, 0) + self._promote(partition, staging, lake)
                staging.remove(partition)
        return new_rows

    def judge_features(self, view: View, month: datetime, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows of the entities that pass; the others are quarantined."""
        if rows.is_empty():
            return rows
        profile = profile_view(view, rows, self.now)
        verdict = judge(self.settings, view.name, profile)
        self._count(verdict.checks, verdict.failed)
        for entity, rules in verdict.failed.items():
            own = rows.filter(pl.col(view.entity) == entity)
            self._reject(view.name, f"{entity}/{month_key(month)}", own, rules)
        return rows.filter(pl.col(view.entity).is_in(list(verdict.passed)))

    def _judge_dataset(
        self, name: str, partitions: Sequence[Partition], staging: Lake, lake: Lake
    ) -> Mapping[str, tuple[FailedRule, ...]]:
        with_rows = [partition for partition in partitions if staging.manifest(partition).rows]
        if not with_rows:
            return {}
        profiles = [self._profile(partition, staging, lake) for partition in with_rows]
        verdict = judge(self.settings, name, pl.concat(profiles))
        self._count(verdict.checks, verdict.failed)
        return verdict.failed

    def _profile(self, partition: Partition, staging: Lake, lake: Lake) -> pl.DataFrame:
        rows, name, key = staging.versions(partition), partition.dataset, _key(partition)
        if name == "funding":
            return profile_funding(rows, key, self.now)
        before = _close_before(rows, partition, lake)
        return profile_candles(rows, name, key, self.now, close_before=before)

    def _promote(self, partition: Partition, staging: Lake, lake: Lake) -> int:
        return lake.write(
            partition.dataset,
            partition.instrument,
            staging.versions(partition),
            covered=staging.manifest(partition).coverage,
            arrived_at=self.now,
        )

    def _reject(self, stage: str, key: str, rows: pl.DataFrame, rules: Sequence[FailedRule]) -> None:
        quarantine(Layout.of(self.settings), stage, key, rows, rules, now=self.now)
        told = tuple(f"{rule.rule} = {rule.observed} ({rule.meaning})" for rule in rules)
        self.quarantined.append(QuarantinedPartition(stage, key, told))

    def _count(self, checks: int, failed: Mapping[str, tuple[FailedRule, ...]]) -> None:
        broken = sum(len(rules) for rules in failed.values())
        self.checks_passed += checks - broken
        self.checks_failed += broken


def _close_before(rows: pl.DataFrame, partition: Partition, lake: Lake) -> float | None:
    """The newest close that `lake` holds of the hour before the first of `rows`; None where there is none.

    Staged rows do not serve: they have not been judged, and a bad month must not condemn the next one.
    """
    first = rows["open_time"].min()
    if not isinstance(first, datetime):
        return None
    closes = lake.scan(partition.dataset, [partition.instrument], first - HOUR, first).tail(1).collect()["close"]
    return float(closes[0]) if len(closes) else None


def _key(partition: Partition) -> str:
    return f"{short_name(partition.instrument)}/{month_key(partition.month)}"


def _by_dataset(partitions: Sequence[Partition]) -> dict[str, list[Partition]]:
    grouped: dict[str, list[Partition]] = {}
    for partition in partitions:
        grouped.setdefault(partition.dataset, []).append(partition)
    return grouped
