"""Raw admission: staged rows enter the lake, or stay out with the rules they broke.

All instruments of a dataset and month are one frame: the number of calls, files and verdicts does not depend on how
many instruments there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import polars as pl

from feature_repo.knowledge_time import released_known_at, repaired_known_at
from feature_repo.raw_datasets import DATASETS, INSTANT, RawDataset
from ingestion.admission_record import AdmissionRecord
from ingestion.backfills import Backfill, note_backfill
from ingestion.closes_before import CloseCarrier
from ingestion.known_from import SAID, Choice
from ingestion.lake import Lake
from ingestion.lake.batch import Batch
from ingestion.lake.partitions import Partition
from ingestion.lake.spans import Span, subtract, union
from ingestion.staging import Staging
from ingestion.withheld import WithheldRows, quarantine_venue
from pairity.timeline import month_key, next_month
from pairity.universe import short_name
from validation.checkpoint import Judgement, judge
from validation.profiles import profile_raw
from validation.quarantine import QuarantineItem
from validation.row_rules import infer_grid, list_row_rules, mark_offences
from validation.row_verdicts import BROKEN, judge_raw_rows

# What one instant covers in a dataset without a grid.
_INSTANT_ITSELF = timedelta(milliseconds=1)
# Frames of more rows are read again for publishing: together they would not fit into memory.
_KEPT_ROWS = 200_000
Coverage = Mapping[str, Sequence[Span]]


@dataclass(frozen=True, slots=True)
class _Examined:
    """One month of a dataset before its verdict: profile, rows that are wrong one by one, all rows where they are few.

    Frames have the column `asset`.
    """

    dataset: str
    month: datetime
    profile: pl.DataFrame
    withheld: pl.DataFrame
    rows: pl.DataFrame | None


@dataclass(slots=True)
class Admitted:
    """What entered a lake: new rows by dataset and asset, and the earliest instant at which one of them is complete."""

    new_rows: dict[tuple[str, str], int] = field(default_factory=dict)
    changed_at: datetime | None = None
    chosen_rows: dict[tuple[str, str], int] = field(default_factory=dict)
    """Of the new rows, those that are known from when somebody chose."""

    def add(self, other: Admitted) -> None:
        """Count what entered besides."""
        for mine, theirs in ((self.new_rows, other.new_rows), (self.chosen_rows, other.chosen_rows)):
            for key, count in theirs.items():
                mine[key] = mine.get(key, 0) + count
        instants = [instant for instant in (self.changed_at, other.changed_at) if instant is not None]
        self.changed_at = min(instants, default=None)


@dataclass(frozen=True, slots=True)
class RawAdmission:
    """Decides which raw rows enter a lake: profiles them, lets validation judge, publishes the sound ones.

    `choice` is a person's for rows that were asked for again: `now` from their admission, `then` as their source says,
    in place of withheld rows too. None: as their source says, but rows in place of withheld ones from their admission.
    A row that differs from a stored one is a correction, known from its admission, whatever was chosen.
    """

    record: AdmissionRecord
    choice: Choice | None = None
    source: str = ""
    """Whose answers they are, for the note on the choice."""
    resumed: bool = False
    """The rows were staged by a run that was killed, and may have been noted by it."""

    def admit_staged(self, staging: Staging, lake: Lake) -> Admitted:
        """Publish the sound rows of everything staged in `lake` and withhold the others.

        What was judged leaves staging. The instants of rows that are withheld are not covered: the next run that needs
        them asks the venue again.
        """
        admitted = Admitted()
        if not staging.datasets():
            return admitted
        before = WithheldRows.of(self.record.layout, lake, self.record.quarantine)
        examined = [item for name in staging.datasets() for item in self._examine_dataset(name, staging, lake, before)]
        verdicts, repaired = self._judge(examined), list[QuarantineItem]()
        with lake.batch() as batch:
            for item in examined:
                rows = staging.read(item.dataset, item.month) if item.rows is None else item.rows
                withheld = _withhold_whole(item, rows, verdicts, quarantine_venue(lake))
                covered = staging.covered(item.dataset, item.month)
                repaired += self._publish(
                    item.dataset, item.month, rows, withheld, covered, lake, batch, before, admitted
                )
            self._note_choice(lake, admitted)
        admitted.changed_at = batch.changed_at
        self._close(repaired)
        # Last: a run that is killed before judges the rows again, with the same outcome.
        for item in examined:
            staging.clear(item.dataset, item.month)
        refused = {(item.stage, item.key.partition("/")[0]) for item in self.record.quarantined}
        admitted.new_rows = {key: count for key, count in admitted.new_rows.items() if count or key not in refused}
        return admitted

    def admit_batch(self, partition: Partition, rows: pl.DataFrame, lake: Lake) -> pl.DataFrame:
        """Judge rows of one partition in the order in which they came, and publish the sound ones in `lake`.

        Returns the rows that are withheld, with `broken_rules`.
        """
        name, asset = partition.dataset, short_name(partition.instrument)
        named = rows.select(pl.lit(asset).alias("asset"), pl.all())
        before = WithheldRows.of(self.record.layout, lake, self.record.quarantine)
        item = self._examine(name, partition.month, named, lake, before, CloseCarrier(lake, before))
        withheld = _withhold_whole(item, named, self._judge([item]), quarantine_venue(lake))
        with lake.batch() as batch:
            repaired = self._publish(name, partition.month, named, withheld, {}, lake, batch, before, Admitted())
        self._close(repaired)
        return withheld.drop("asset")

    def _examine_dataset(self, name: str, staging: Staging, lake: Lake, before: WithheldRows) -> list[_Examined]:
        """Examine all months; each continues from the sound rows of the one before."""
        closes = CloseCarrier(lake, before)
        return [
            self._examine(name, month, staging.read(name, month), lake, before, closes)
            for month in staging.months(name)
        ]

    def _examine(
        self, name: str, month: datetime, rows: pl.DataFrame, lake: Lake, before: WithheldRows, closes: CloseCarrier
    ) -> _Examined:
        """Profile the rows of a month and split them row by row."""
        venue, now = quarantine_venue(lake), self.record.now
        known = closes.find(DATASETS[name], rows)
        released = self.record.quarantine.list_released(name, venue)
        marks = mark_offences(rows, name, now, closes_before=known, units=before.units)
        split = judge_raw_rows(rows, name, now, closes_before=known, units=before.units, released=released, marks=marks)
        closes.carry(DATASETS[name], split)
        profile = profile_raw(rows, name, month_key(month), now, closes_before=known, venue=venue, marks=marks)
        return _Examined(name, month, profile, split.withheld, rows if rows.height <= _KEPT_ROWS else None)

    def _judge(self, examined: Sequence[_Examined]) -> dict[str, Judgement]:
        """Return one verdict per dataset: all of them cost one validation."""
        profiles: dict[str, list[pl.DataFrame]] = {}
        for item in examined:
            if item.profile.height:
                profiles.setdefault(item.dataset, []).append(item.profile)
        verdicts = judge(self.record.settings, {name: pl.concat(parts) for name, parts in profiles.items()})
        for verdict in verdicts.values():
            self.record.count(verdict.checks, verdict.failed)
        return verdicts

    def _publish(
        self,
        name: str,
        month: datetime,
        rows: pl.DataFrame,
        withheld: pl.DataFrame,
        covered: Coverage,
        lake: Lake,
        batch: Batch,
        before: WithheldRows,
        admitted: Admitted,
    ) -> list[QuarantineItem]:
        """Quarantine `withheld` and write the rest of `rows`; what was withheld `before` is known from now on.

        Counts new rows in `admitted`, and returns the items that may be closed once `batch` is stored.
        """
        kind, venue = DATASETS[name], quarantine_venue(lake)
        sound = rows
        if withheld.height:
            for (asset,), own in withheld.group_by("asset", maintain_order=True):
                key = f"{asset}/{month_key(month)}" + (f"/{venue}" if venue else "")
                self.record.withhold(name, key, own.drop("asset"))
            wrong = withheld.select(rows.columns)
            sound = rows.join(wrong, on=rows.columns, how="anti", nulls_equal=True, maintain_order="left")
            covered = _without(covered, withheld, kind)
        chosen, others = self._split_by_choice(kind, month, sound, lake)
        if self.choice is not None and self.choice.known_from == "now":
            # Rows that are stored already are no news, whenever they are known.
            chosen = chosen.with_columns(released_known_at(self.record.now))
        others = _date_repaired(kind, others, before, self.record.now)
        of_choice = batch.write(name, chosen, arrived_at=self.record.now) if chosen.height else {}
        for counts, added in (
            (admitted.chosen_rows, of_choice),
            (admitted.new_rows, of_choice),
            (admitted.new_rows, batch.write(name, others, covered=covered, arrived_at=self.record.now)),
        ):
            for asset, count in added.items():
                counts[name, asset] = counts.get((name, asset), 0) + count
        return self._find_repaired(kind, venue, sound, withheld)

    def _split_by_choice(
        self, kind: RawDataset, month: datetime, rows: pl.DataFrame, lake: Lake
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return the rows that the choice is about, and all others."""
        if self.choice is None:
            return rows.clear(), rows
        if not self.choice.only_asked or self.choice.known_from == "then":
            return rows, rows.clear()
        asked = [
            (asset, *span)
            for asset in rows["asset"].unique(maintain_order=True)
            for span in lake.coverage(kind.name, asset, month, next_month(month))
        ]
        spans = pl.DataFrame(asked, schema={"asset": pl.String, "_since": INSTANT, "_until": INSTANT}, orient="row")
        placed = rows.sort(kind.time, maintain_order=True).join_asof(
            spans.sort("_since"), left_on=kind.time, right_on="_since", by="asset", check_sortedness=False
        )
        inside = (pl.col(kind.time) < pl.col("_until")).fill_null(False)
        return placed.filter(inside).select(rows.columns), placed.filter(~inside).select(rows.columns)

    def _note_choice(self, lake: Lake, admitted: Admitted) -> None:
        """Note what was chosen before the rows are visible: a kill leaves a note too many rather than none."""
        rows = {key: count for key, count in admitted.chosen_rows.items() if count}
        if self.choice is not None:
            entry = Backfill(self.record.now, self.source, self.choice.known_from, rows)
            note_backfill(self.record.layout, lake.venue, entry, replaces=self.resumed)

    def _find_repaired(
        self, kind: RawDataset, venue: str, sound: pl.DataFrame, withheld: pl.DataFrame
    ) -> list[QuarantineItem]:
        """Return the items of which every instant came again and was accepted."""
        quarantine, found = self.record.quarantine, []
        for item in quarantine.list_items(kind.name, venue=venue, state="held"):
            arrived, wrong = (set(rows.filter(asset=item.entity)[kind.time].to_list()) for rows in (sound, withheld))
            if set(quarantine.read_rows(item)[kind.time].to_list()) <= arrived - wrong:
                found.append(item)
        return found

    def _close(self, repaired: Sequence[QuarantineItem]) -> None:
        """Close items whose rows are stored: before that, a failure would leave instants with neither row nor item."""
        for item in repaired:
            said = "the venue gave rows that were accepted"
            if self.choice is not None:
                said += f" ({SAID[self.choice.known_from]})"
            self.record.quarantine.record(item, "repair", said, now=self.record.now)


def _withhold_whole(item: _Examined, rows: pl.DataFrame, verdicts: Mapping[str, Judgement], venue: str) -> pl.DataFrame:
    """Return the rows to withhold: a failed rule that names no rows withholds all of an asset's month."""
    verdict = verdicts.get(item.dataset)
    withheld = item.withheld
    for key, failed in (verdict.failed if verdict else {}).items():
        names = [rule.rule for rule in failed if rule.rule not in list_row_rules(item.dataset)]
        asset, month, *_ = key.split("/")
        if names and month == month_key(item.month):
            whole = rows.filter(asset=asset).with_columns(pl.lit(names).alias(BROKEN))
            withheld = pl.concat([withheld.filter(pl.col("asset") != asset), whole])
    return withheld


def _date_repaired(kind: RawDataset, sound: pl.DataFrame, before: WithheldRows, now: datetime) -> pl.DataFrame:
    """Return `sound` with the rows known from `now` on whose instants were withheld before."""
    instants = before.instants.filter(dataset=kind.name)
    if instants.is_empty():
        return sound
    marks = instants.select("asset", pl.col("time").alias(kind.time), pl.lit(True).alias("_withheld"))
    marked = sound.join(marks, on=["asset", kind.time], how="left", maintain_order="left")
    return marked.with_columns(repaired_known_at(pl.col("_withheld"), now)).drop("_withheld")


def _without(covered: Coverage, withheld: pl.DataFrame, kind: RawDataset) -> dict[str, tuple[Span, ...]]:
    """Return `covered` without the length of a row from each withheld instant on."""
    length = infer_grid(kind) or _INSTANT_ITSELF
    out = {asset: tuple(spans) for asset, spans in covered.items()}
    for (asset,), rows in withheld.group_by("asset", maintain_order=True):
        taken = union((instant, instant + length) for instant in rows[kind.time].drop_nulls().to_list())
        out[str(asset)] = tuple(part for span in out.get(str(asset), ()) for part in subtract(span, taken))
    return out
