"""Features: compute the months that are due, admit them, append them to the offline files, put the newest online."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl

from feature_repo.catalog import CREATED_TIME, EVENT_TIME, PAIR_HOURLY, VIEWS, View
from feature_repo.chunks import Engine
from feature_repo.knowledge_time import correction_created_at
from feature_repo.offline_files import (
    combine_bits,
    find_published,
    keep_newest,
    publish,
    publish_new,
    read_newest,
    scan_view,
)
from feature_repo.raw_datasets import BAR_SOURCES
from feature_repo.transforms.view_transforms import ReadRaw
from ingestion.cluster_features import choose_engine
from ingestion.continued_month import ContinuedMonth
from ingestion.due_months import MonthLedger, find_newest_close
from ingestion.feature_admission import FeatureAdmission
from ingestion.lake import Lake
from ingestion.report import LeftOutPair, ViewRows
from ingestion.withheld import WithheldRows, make_reader
from pairity.layout import Layout
from pairity.progress import Progress
from pairity.settings import Settings
from pairity.timeline import month_key, month_start
from pairity.universe import Pair, short_name

if TYPE_CHECKING:
    from feast import FeatureStore

PAIRS_AT_ONCE = 500
"""Pairs of which a whole month is in memory at once: some 360,000 rows, and several copies of them."""
_TICK = timedelta(microseconds=1)


@dataclass
class Publisher:
    """Publisher of the months that are due. A live process keeps it: the month that it published last is continued."""

    settings: Settings
    lake: Lake
    store: FeatureStore
    alone: bool = False
    """Whether months are computed here whatever the profile is: who trades must not wait for workers that may never
    answer."""
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Rows that the last call published, by view and what was done with them."""
    _memory: ContinuedMonth | None = None
    _prepared: ContinuedMonth | None = None
    """The month that begins next, computed up to its first instant."""
    _with_features: set[str] = field(default_factory=set)

    def publish_due(
        self,
        admission: FeatureAdmission,
        until: datetime,
        now: datetime,
        progress: Progress,
        *,
        lake_before: int | None = None,
        changed_at: datetime | None = None,
        online_is_new: bool = False,
    ) -> None:
        """Compute and publish every due month up to `until` or the newest stored bar, whichever is later.

        The newest row of each entity goes online: of the computed ones, or of all where the online store was set up
        after the files (`online_is_new`). `lake_before` is the lake's version before this run changed it, and
        `changed_at` the earliest instant at which a row that it added is complete.
        """
        layout = Layout.of(self.settings)
        self.counts = Counter()
        withheld = WithheldRows.of(layout, self.lake, admission.record.quarantine)
        read = make_reader(self.settings, self.lake, withheld)
        memory = self._memory
        since = None
        if memory is not None and lake_before is not None and memory.may_continue(layout, lake_before, withheld):
            changed_at = memory.find_change(withheld, changed_at)
            # Its own month too: while nothing came, it may have ended.
            since = min(memory.chunk.month, month_start(min(changed_at or until, until) - _TICK))
        else:
            memory = None
        self._memory = None  # until all of it is published
        stored = find_newest_close(self.settings, self.lake, since)
        end = max(until, stored) if stored else until
        ledger = MonthLedger(layout)
        if memory is None:  # a process that goes on has no killed one before it
            ledger.remove_unfinished()
        inputs = withheld.list_inputs(self.settings.universe.assets)
        units = withheld.units.list_inputs(self.settings.universe.assets)
        due = ledger.list_due(self.settings, self.lake, end, inputs, units=units, since=since)
        progress.stage("features", len(due))
        latest: dict[str, pl.DataFrame] = {}
        for item in due:
            if memory is None or memory.chunk.month != item.month:
                memory, changed_at = self._begin_month(item.month, lake_before, withheld, changed_at)
            for name, published in self._publish_month(admission, memory, read, end, changed_at, now).items():
                latest[name] = _latest(VIEWS[name], [latest[name], published] if name in latest else [published])
            progress.advance(note=month_key(item.month))
        if online_is_new:
            latest = {name: read_newest(layout, view) for name, view in VIEWS.items()}
        self._write_online(latest)
        # Only now is a month done: a run that is killed before computes it again, to the same files.
        for item in due:
            ledger.record(item)
        ledger.stamp_snapshot(self.lake.snapshot_id())
        if memory is not None:
            memory.note_published(layout, self.lake.version, withheld)
        self._memory = memory

    def prepare_month(self, admission: FeatureAdmission, month: datetime) -> None:
        """Compute the chunk of a month up to its first instant: its first hour then costs as much as any other."""
        layout = Layout.of(self.settings)
        withheld = WithheldRows.of(layout, self.lake, admission.record.quarantine)
        prepared = ContinuedMonth.begin(month, self.settings, self._choose_engine(withheld))
        prepared.chunk.advance(make_reader(self.settings, self.lake, withheld), month, accept=admission.accept)
        prepared.note_published(layout, self.lake.version, withheld)
        self._prepared = prepared

    def _begin_month(
        self, month: datetime, lake_before: int | None, withheld: WithheldRows, changed_at: datetime | None
    ) -> tuple[ContinuedMonth, datetime | None]:
        """Return the month as it was prepared, and from when its inputs have changed since; else a new one."""
        prepared, self._prepared = self._prepared, None
        if prepared is None or prepared.chunk.month != month or lake_before is None:
            return ContinuedMonth.begin(month, self.settings, self._choose_engine(withheld)), None
        if not prepared.may_continue(Layout.of(self.settings), lake_before, withheld):
            return ContinuedMonth.begin(month, self.settings, self._choose_engine(withheld)), None
        return prepared, prepared.find_change(withheld, changed_at)

    def _choose_engine(self, withheld: WithheldRows) -> Engine | None:
        return None if self.alone else choose_engine(self.settings, withheld)

    def count_rows(self) -> tuple[ViewRows, ...]:
        """Return how many rows the last call published, per view."""
        kinds = ("new", "corrected", "unchanged", "online")
        return tuple(ViewRows(name, *(self.counts[name, kind] for kind in kinds)) for name in VIEWS)

    def list_left_out_pairs(self, reasons: Mapping[str, str]) -> tuple[LeftOutPair, ...]:
        """Return the pairs of the universe that have no features at all, each with its reason.

        `reasons` says for an asset why it has no data (a failure, a quarantine).
        """
        without = {pair.pair_id for pair in self.settings.universe.pairs} - self._with_features
        if without:
            self._with_features |= without & find_published(Layout.of(self.settings), PAIR_HOURLY, without)
        return explain_left_out(self.settings, self.lake, self._with_features, reasons)

    def _publish_month(
        self,
        admission: FeatureAdmission,
        memory: ContinuedMonth,
        read: ReadRaw,
        until: datetime,
        changed_at: datetime | None,
        now: datetime,
    ) -> dict[str, pl.DataFrame]:
        """Compute, admit and publish what is new of a month; return what was published."""
        # A month that begins is computed whole: many pairs come in blocks, which do not stay in memory together.
        blocks = split_pairs(self.settings.universe.pairs) if memory.chunk.end is None else ()
        frames = memory.chunk.advance(
            read, until, changed_at=memory.align(changed_at), accept=admission.accept, with_pairs=len(blocks) < 2
        )
        published = self._publish_frames(admission, memory, frames, now)
        newest: dict[str, list[pl.DataFrame]] = {}
        for block in blocks if len(blocks) > 1 else ():
            rows = memory.chunk.compute_pairs(block, accept=admission.accept)
            part = self._publish_frames(admission, ContinuedMonth(chunk=memory.chunk), rows, now)
            for name, own in part.items():
                newest.setdefault(name, []).append(_latest(VIEWS[name], [own]))
        return published | {name: pl.concat(parts) for name, parts in newest.items()}

    def _publish_frames(
        self, admission: FeatureAdmission, memory: ContinuedMonth, frames: Mapping[str, pl.DataFrame], now: datetime
    ) -> dict[str, pl.DataFrame]:
        layout, since = Layout.of(self.settings), memory.chunk.since
        published = {}
        for name, rows in admission.admit(memory, since, frames).items():
            view = VIEWS[name]
            if memory.is_new(since):
                published[name] = rows
                report = publish_new(layout, view, rows)
            else:
                published[name] = stamp_corrections(layout, view, rows, now)
                report = publish(layout, view, published[name])
            self.counts[name, "new"] += report.new_rows
            self.counts[name, "corrected"] += report.corrected_rows
            self.counts[name, "unchanged"] += report.unchanged_rows
        return published

    def _write_online(self, latest: Mapping[str, pl.DataFrame]) -> None:
        from feature_repo.feature_store import write_online

        for name, rows in latest.items():
            if rows.height:
                self.counts[name, "online"] += write_online(self.store, name, rows)


def split_pairs(pairs: Sequence[Pair]) -> tuple[Sequence[Pair], ...]:
    """Return `pairs` in blocks of at most `PAIRS_AT_ONCE`, in their order."""
    return tuple(pairs[first : first + PAIRS_AT_ONCE] for first in range(0, len(pairs), PAIRS_AT_ONCE))


def _latest(view: View, frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return the newest row of each entity."""
    if len(frames) == 1 and not frames[0][view.entity].is_duplicated().any():
        return frames[0]  # the rows of one hour
    ordered = keep_newest(pl.concat(frames).lazy(), view)
    return ordered.group_by(view.entity, maintain_order=True).last().collect()


def stamp_corrections(layout: Layout, view: View, rows: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Return `rows` with a later `created_timestamp` where they differ from stored rows that were known no earlier.

    `now` is when they were computed; the rule is `knowledge_time.correction_created_at`.
    """
    key = [view.entity, EVENT_TIME]
    if rows.is_empty():
        return rows
    since, until = rows[EVENT_TIME].min(), rows[EVENT_TIME].max()
    near = pl.col(EVENT_TIME).is_between(since, until) & pl.col(view.entity).is_in(rows[view.entity].unique().to_list())
    stored = keep_newest(scan_view(layout, view).filter(near), view).collect()
    joined = rows.join(stored, on=key, how="left", suffix="_stored", maintain_order="left")
    same = combine_bits(view).eq_missing(combine_bits(view, "_stored"))
    created = correction_created_at(~same, pl.col(f"{CREATED_TIME}_stored"), now)
    return joined.with_columns(created).select(rows.columns)


def explain_left_out(
    settings: Settings, lake: Lake, with_features: Collection[str], reasons: Mapping[str, str]
) -> tuple[LeftOutPair, ...]:
    """Return the pairs of the universe that are not `with_features`, each with its reason."""
    left_out = []
    stored: set[str] | None = None
    for pair in settings.universe.pairs:
        if pair.pair_id in with_features:
            continue
        if stored is None:
            stored = {short_name(part.instrument) for part in lake.contents() if part.dataset in BAR_SOURCES}
        lacking = [asset for asset in pair.assets if asset not in stored]
        reason = "; ".join(f"{asset}: {reasons.get(asset, 'no candles')}" for asset in lacking)
        reason = reason or f"fewer than {settings.universe.min_aligned_bars} bars in common since a chunk's start"
        left_out.append(LeftOutPair(pair.pair_id, reason))
    return tuple(left_out)
