"""Feature admission: computed feature rows may be published, or stay out with the rules they broke."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from feature_repo.catalog import EVENT_TIME, View
from feature_repo.knowledge_time import released_created_at
from ingestion.admission_record import AdmissionRecord
from pairity.timeline import month_key
from validation.checkpoint import judge
from validation.profiles import profile_view
from validation.row_verdicts import Verdicts, judge_feature_rows


@dataclass
class FeatureAdmission:
    """Decides which feature rows are published, and which of them other views may be computed from."""

    record: AdmissionRecord
    _refused: dict[str, pl.DataFrame] = field(default_factory=dict)

    def accept(self, view: View, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the feature rows that other views may be computed from, and keep the others for `admit`.

        Nothing goes into quarantine yet: a chunk begins before its month, and its rows of earlier months were judged
        with those months.
        """
        split = self._split(view, rows)
        self._refused[view.name] = split.withheld
        return split.accepted

    def admit(self, view: View, month: datetime, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of `view` that may be published; those that `accept` refused, or this does, are withheld.

        `rows` are the month's rows that `accept` returned.
        """
        refused = self._refused.pop(view.name, None)
        if refused is not None:
            own = refused.filter(pl.col(EVENT_TIME) > month).select(rows.columns)
            # Validation judges the month as it was computed, not what is left of it.
            rows = pl.concat([rows, own]).sort(view.entity, EVENT_TIME) if own.height else rows
        if rows.is_empty():
            return rows
        profile = profile_view(view, rows, self.record.now)
        verdict = judge(self.record.settings, {view.name: profile}, month=month_key(month))[view.name]
        self.record.count(verdict.checks, verdict.failed)
        if not verdict.failed:
            return rows
        split = self._split(view, rows)
        for (entity,), own in split.withheld.group_by(view.entity, maintain_order=True):
            self.record.withhold(view.name, f"{entity}/{month_key(month)}", own)
        return self._date_released(view, split.accepted)

    def _split(self, view: View, rows: pl.DataFrame) -> Verdicts:
        released = self.record.quarantine.list_released(view.name)
        return judge_feature_rows(view, rows, self.record.now, released)

    def _date_released(self, view: View, rows: pl.DataFrame) -> pl.DataFrame:
        """Return `rows` with those that a person released known from the release on."""
        on = [view.entity, EVENT_TIME]
        for item in self.record.quarantine.list_released(view.name):
            keys = item.rows.select(*on, pl.lit(True).alias("_released")).unique()
            joined = rows.join(keys, on=on, how="left", maintain_order="left")
            rows = joined.with_columns(released_created_at(pl.col("_released"), item.at)).drop("_released")
        return rows
