"""Feature admission: computed feature rows may be published, or stay out with the rules they broke."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from feature_repo.catalog import EVENT_TIME, VIEWS, View
from feature_repo.knowledge_time import released_created_at
from feature_repo.raw_datasets import instant
from ingestion.admission_record import AdmissionRecord
from ingestion.continued_month import ContinuedMonth
from pairity.timeline import month_key
from validation.checkpoint import judge
from validation.profiles import profile_view
from validation.row_rules import mark_feature_offences
from validation.row_verdicts import judge_feature_rows


@dataclass
class FeatureAdmission:
    """Decides which feature rows are published, and which of them other views may be computed from."""

    record: AdmissionRecord
    _refused: dict[str, pl.DataFrame] = field(default_factory=dict)
    _marks: dict[str, pl.DataFrame] = field(default_factory=dict)
    """Which rule each of the computed rows breaks."""

    def accept(self, view: View, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the feature rows that other views may be computed from, and keep the others for `admit`.

        Nothing goes into quarantine yet: a chunk begins before its month, and its rows of earlier months were judged
        with those months.
        """
        released = self.record.quarantine.list_released(view.name)
        marks = mark_feature_offences(view, rows, self.record.now)
        split = judge_feature_rows(view, rows, self.record.now, released, marks=marks)
        self._refused[view.name] = split.withheld
        self._marks[view.name] = marks
        return split.accepted

    def admit(
        self, memory: ContinuedMonth, since: datetime | None, frames: Mapping[str, pl.DataFrame]
    ) -> dict[str, pl.DataFrame]:
        """Return the rows of all views that may be published; those that `accept` refused are withheld.

        `frames` are the rows later than `since` (None: all of the month) that `accept` returned. Validation judges the
        month as it was computed so far, refused rows and earlier hours included, all views in one verdict.
        """
        month, end = memory.chunk.month, memory.chunk.end
        assert end is not None
        refused = {name: self._take_refused(name, since or month) for name in frames}
        computed = {name: _together(VIEWS[name], rows, refused[name]) for name, rows in frames.items()}
        new = {
            name: self._profile(VIEWS[name], rows, as_accepted=refused[name].is_empty())
            for name, rows in computed.items()
            if rows.height
        }
        verdicts = judge(self.record.settings, memory.add_profiles(since, end, new), month=month_key(month))
        admitted = dict(frames)
        for name, rows in frames.items():
            all_refused = memory.add_refused(since, name, refused[name])
            if name not in verdicts:
                continue
            self.record.count(verdicts[name].checks, verdicts[name].failed)
            if verdicts[name].failed:
                view = VIEWS[name]
                for (entity,), own in all_refused.group_by(view.entity, maintain_order=True):
                    self.record.withhold(name, f"{entity}/{month_key(month)}", own)
                admitted[name] = self._date_released(view, rows)
        return admitted

    def _profile(self, view: View, rows: pl.DataFrame, *, as_accepted: bool) -> pl.DataFrame:
        marks = self._marks.pop(view.name)
        # In a live hour nothing else was computed: the marks are those of these rows.
        same = as_accepted and marks.height == rows.height
        return profile_view(view, rows, self.record.now, marks=marks if same else None)

    def _take_refused(self, name: str, since: datetime) -> pl.DataFrame:
        return self._refused.pop(name).filter(pl.col(EVENT_TIME) > instant(since))

    def _date_released(self, view: View, rows: pl.DataFrame) -> pl.DataFrame:
        """Return `rows` with those that a person released known from the release on."""
        on = [view.entity, EVENT_TIME]
        for item in self.record.quarantine.list_released(view.name):
            keys = item.rows.select(*on, pl.lit(True).alias("_released")).unique()
            joined = rows.join(keys, on=on, how="left", maintain_order="left")
            rows = joined.with_columns(released_created_at(pl.col("_released"), item.at)).drop("_released")
        return rows


def _together(view: View, rows: pl.DataFrame, refused: pl.DataFrame) -> pl.DataFrame:
    if refused.is_empty():
        return rows
    return pl.concat([rows, refused.select(rows.columns)]).sort(view.entity, EVENT_TIME)
