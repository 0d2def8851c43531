"""What one run of the ingestion did, for people and for the exit code."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class RawRows:
    """Raw rows of one asset and dataset inside the range that was asked for, and how many of all stored are new."""

    asset: str
    dataset: str
    rows: int
    new_rows: int


@dataclass(frozen=True, slots=True)
class InstrumentFailure:
    """An instrument whose raw data could not be collected; the others were."""

    asset: str
    reason: str
    dataset: str = "candles"
    served: bool = True
    """False: the venue does not have this dataset for the instrument, which is told and no failure of the run."""


@dataclass(frozen=True, slots=True)
class QuarantinedPartition:
    """A partition that validation refused: `stage` is the dataset or view, `key` the asset or pair and its month."""

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
    """A pair without features, and why."""

    pair_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class IngestReport:
    """One run. `until` is where the range ended after clipping to the venue's last closed minute."""

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

    @property
    def ok(self) -> bool:
        """No instrument failed and nothing was quarantined."""
        return not any(failure.served for failure in self.failures) and not self.quarantined

    @property
    def new_rows(self) -> int:
        """Raw rows that were not in the lake before."""
        return sum(item.new_rows for item in self.raw)
