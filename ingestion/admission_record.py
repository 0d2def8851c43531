"""Record of one run's admissions: what was judged, what was withheld, and what a person had released before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

import polars as pl

from ingestion.report import QuarantinedPartition
from pairity.layout import Layout
from pairity.settings import Settings
from validation.quarantine import Quarantine
from validation.row_verdicts import BROKEN, ReleasedRows
from validation.rules import FailedRule
from validation.suites import explain_rule


@dataclass
class AdmissionRecord:
    """What one run let in and withheld; raw and feature admission of the run share it.

    `now` is the venue's time: nothing that is admitted may lie after it.
    """

    settings: Settings
    now: datetime
    checks_passed: int = 0
    checks_failed: int = 0
    quarantined: list[QuarantinedPartition] = field(default_factory=list)

    @property
    def layout(self) -> Layout:
        """The data directory's layout."""
        return Layout.of(self.settings)

    @cached_property
    def quarantine(self) -> Quarantine:
        """The quarantine as this run found it, and as it changes it."""
        return Quarantine.read(self.layout)

    def count(self, checks: int, failed: Mapping[str, tuple[FailedRule, ...]]) -> None:
        """Add the checks of one verdict to those that passed and failed."""
        broken = sum(len(rules) for rules in failed.values())
        self.checks_passed += checks - broken
        self.checks_failed += broken

    def withhold(self, name: str, key: str, rows: pl.DataFrame) -> None:
        """Put `rows` (with `broken_rules`) into quarantine and note them, also where they lie in quarantine already."""
        self.quarantine.withhold(name, key, rows, now=self.now)
        counts = rows.select(pl.col(BROKEN).explode().value_counts(sort=True)).unnest(BROKEN)
        broken = tuple(f"{rule} = {count} ({explain_rule(name, rule)})" for rule, count in counts.iter_rows())
        self.quarantined.append(QuarantinedPartition(name, key, broken))

    def list_released(self, name: str, entities: Iterable[str], venue: str = "") -> list[ReleasedRows]:
        """Return what people released of a dataset or view and some assets or pairs."""
        wanted = set(entities)
        return [item for item in self.quarantine.list_released(name, venue) if item.entity in wanted]
