"""What one run of the ingestion, or of a part of it, did: for people and for the exit code."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from ingestion.rows_kept import KeptRows
from ingestion.sources.remarks import Remark


@dataclass(frozen=True, slots=True)
class RawRows:
    """Raw rows of one asset and dataset: stored ones in the requested range, and those that this run added anywhere.

    A live run counts only what it added.
    """

    asset: str
    dataset: str
    rows: int
    new_rows: int


@dataclass(frozen=True, slots=True)
class InstrumentFailure:
    """Failure to collect one dataset of one instrument; the others were collected."""

    asset: str
    reason: str
    dataset: str = "candles"
    served: bool = True
    """False: the venue does not have this dataset for the instrument. The run reports it and has not failed."""


@dataclass(frozen=True, slots=True)
class QuarantinedPartition:
    """Partition of which validation refused rows: `stage` is the dataset or view, `key` the asset or pair and month."""

    stage: str
    key: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ViewRows:
    """Feature rows of one view that this run published."""

    view: str
    new_rows: int
    corrected_rows: int
    unchanged_rows: int
    online_rows: int


@dataclass(frozen=True, slots=True)
class LeftOutPair:
    """Pair without features, and why."""

    pair_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class IngestReport:
    """Result of one run of the pipeline. `until` is the end of the range after clipping to the last closed minute."""

    since: datetime
    until: datetime
    snapshot_id: str
    raw: tuple[RawRows, ...]
    checks_passed: int
    checks_failed: int
    quarantined: tuple[QuarantinedPartition, ...]
    views: tuple[ViewRows, ...]
    left_out: tuple[LeftOutPair, ...]
    failures: tuple[InstrumentFailure, ...]
    stage_seconds: dict[str, float]
    stage_cpu_seconds: dict[str, float]
    """Seconds of processor per stage, where `stage_seconds` are the wall clock's."""

    @property
    def ok(self) -> bool:
        """Whether no instrument failed and nothing was quarantined."""
        return not any(failure.served for failure in self.failures) and not self.quarantined

    @property
    def new_rows(self) -> int:
        """Raw rows that were not in the lake before."""
        return sum(item.new_rows for item in self.raw)


@dataclass(frozen=True, slots=True)
class CollectReport:
    """Result of collecting alone. `rows`: of every asset and dataset that was requested, also where there are none."""

    venue: str
    rows: tuple[RawRows, ...]
    quarantined: tuple[QuarantinedPartition, ...]
    failures: tuple[InstrumentFailure, ...]
    snapshot_id: str
    listed: Mapping[str, datetime] = field(default_factory=dict)
    """When instruments were listed that lack rows because of it, as the source says."""
    remarks: tuple[Remark, ...] = ()
    """What the source left out by rule, and why: of no use to anybody, and no failure."""
    kept: tuple[KeptRows, ...] = ()
    """Rows that stay stored though the files which gave them hold them no longer: no failure either."""
    unreadable_record: Path | None = None
    """Record of what files gave that was damaged and is begun anew: rows that had gone before are not in `kept`."""

    @property
    def ok(self) -> bool:
        """Whether nothing failed and nothing was quarantined; a dataset that an instrument lacks is neither."""
        return not any(failure.served for failure in self.failures) and not self.quarantined


@dataclass(frozen=True, slots=True)
class FeaturesReport:
    """Result of publishing features alone: rows per view, what was withheld, pairs without features."""

    views: tuple[ViewRows, ...]
    quarantined: tuple[QuarantinedPartition, ...]
    left_out: tuple[LeftOutPair, ...]


@dataclass(frozen=True, slots=True)
class Stopwatch:
    """Seconds per stage of a run: of the wall clock, and of the processor (all threads of the process)."""

    seconds: dict[str, float] = field(default_factory=dict)
    cpu_seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time that the block takes, also where it fails."""
        begun, cpu_begun = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.add({name: time.perf_counter() - begun}, {name: time.process_time() - cpu_begun})

    def add(self, seconds: Mapping[str, float], cpu_seconds: Mapping[str, float]) -> None:
        """Add what was measured elsewhere, per stage."""
        for total, more in ((self.seconds, seconds), (self.cpu_seconds, cpu_seconds)):
            for name, spent in more.items():
                total[name] = total.get(name, 0.0) + spent
