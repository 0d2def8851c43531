"""Features: compute the months that are due, admit them, append them to the offline files, put the newest online."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from feature_repo.catalog import CREATED_TIME, EVENT_TIME, PAIR_HOURLY, VIEWS, View
from feature_repo.chunks import compute_views
from feature_repo.knowledge_time import correction_created_at
from feature_repo.offline_files import combine_bits, keep_newest, publish, scan_view
from feature_repo.raw_datasets import CANDLES
from ingestion.due_months import MonthLedger, find_newest_close
from ingestion.feature_admission import FeatureAdmission
from ingestion.lake import Lake
from ingestion.report import LeftOutPair, ViewRows
from ingestion.withheld import WithheldRows, make_reader
from pairity.layout import Layout
from pairity.progress import Progress
from pairity.settings import Settings
from pairity.timeline import month_key

if TYPE_CHECKING:
    from feast import FeatureStore


@dataclass
class Publisher:
    """Publisher of the months that are due; it counts the rows that it published."""

    settings: Settings
    lake: Lake
    admission: FeatureAdmission
    store: FeatureStore
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def publish_due(self, until: datetime, now: datetime, progress: Progress, *, online_is_new: bool = False) -> None:
        """Compute and publish every due month up to `until` or the newest stored bar, whichever is later.

        The newest row of each entity goes online: of the computed ones, or of all where the online store was set up
        after the files (`online_is_new`).
        """
        layout = Layout.of(self.settings)
        ledger = MonthLedger(layout)
        stored = find_newest_close(self.settings, self.lake)
        end = max(until, stored) if stored else until
        withheld = WithheldRows.of(layout, self.lake, self.admission.record.quarantine)
        read = make_reader(self.settings, self.lake, withheld)
        due = ledger.list_due(self.settings, self.lake, end, withheld.list_inputs(self.settings.universe.assets))
        progress.stage("features", len(due))
        latest: dict[str, pl.DataFrame] = {}
        for item in due:
            frames = compute_views(read, item.month, end, self.settings, accept=self.admission.accept)
            for name, frame in frames.items():
                published = self._publish(layout, VIEWS[name], item.month, frame, now)
                latest[name] = _latest(VIEWS[name], [latest.get(name, published), published])
            progress.advance(note=month_key(item.month))
        if online_is_new:
            latest = {name: _latest(view, [scan_view(layout, view).collect()]) for name, view in VIEWS.items()}
        self._write_online(latest)
        # Only now is a month done: a run that is killed before computes it again, to the same files.
        for item in due:
            ledger.record(item)
        ledger.stamp_snapshot(self.lake.snapshot_id())

    def count_rows(self) -> tuple[ViewRows, ...]:
        """Return how many rows were published so far, per view."""
        kinds = ("new", "corrected", "unchanged", "online")
        return tuple(ViewRows(name, *(self.counts[name, kind] for kind in kinds)) for name in VIEWS)

    def _publish(self, layout: Layout, view: View, month: datetime, frame: pl.DataFrame, now: datetime) -> pl.DataFrame:
        accepted = stamp_corrections(layout, view, self.admission.admit(view, month, frame), now)
        report = publish(layout, view, accepted)
        self.counts[view.name, "new"] += report.new_rows
        self.counts[view.name, "corrected"] += report.corrected_rows
        self.counts[view.name, "unchanged"] += report.unchanged_rows
        return accepted

    def _write_online(self, latest: Mapping[str, pl.DataFrame]) -> None:
        from feature_repo.feature_store import write_online

        for name, rows in latest.items():
            if rows.height:
                self.counts[name, "online"] += write_online(self.store, name, rows)


def _latest(view: View, frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return the newest row of each entity."""
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
    stored = keep_newest(scan_view(layout, view).filter(pl.col(EVENT_TIME).is_between(since, until)), view).collect()
    joined = rows.join(stored, on=key, how="left", suffix="_stored", maintain_order="left")
    same = combine_bits(view).eq_missing(combine_bits(view, "_stored"))
    created = correction_created_at(~same, pl.col(f"{CREATED_TIME}_stored"), now)
    return joined.with_columns(created).select(rows.columns)


def list_left_out_pairs(settings: Settings, lake: Lake, reasons: Mapping[str, str]) -> tuple[LeftOutPair, ...]:
    """Return the pairs of the universe that have no features at all, each with its reason.

    `reasons` says for an asset why it has no data (a failure, a quarantine).
    """
    published = scan_view(Layout.of(settings), PAIR_HOURLY).select("pair_id").unique().collect()["pair_id"]
    with_features = set(published.to_list())
    stored = {part.instrument.removesuffix("-USDT-SWAP") for part in lake.digests() if part.dataset in CANDLES}
    needed = settings.universe.min_aligned_bars
    left_out = []
    for pair in settings.universe.pairs:
        if pair.pair_id in with_features:
            continue
        lacking = [asset for asset in pair.assets if asset not in stored]
        reason = "; ".join(f"{asset}: {reasons.get(asset, 'no candles')}" for asset in lacking)
        reason = reason or f"fewer than {needed} bars in common since a chunk's start"
        left_out.append(LeftOutPair(pair.pair_id, reason))
    return tuple(left_out)
