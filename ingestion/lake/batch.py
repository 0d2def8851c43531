"""Batches: small changes of many instruments, merged at once and made visible together by one commit.

The number of Polars calls, files and flushes of a batch depends on the datasets that it writes, not on the number of
their instruments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

import polars as pl

from feature_repo.raw_datasets import KNOWN_AT, RawDataset, find_dataset
from ingestion.lake.commits import Commit, Piece, Segment, encode_commit, segment_name
from ingestion.lake.content import digest_runs
from ingestion.lake.merge import find_news
from ingestion.lake.partitions import Partition, encode
from ingestion.lake.scan import overlaps, read_file
from ingestion.lake.spans import Span, clip, subtract, union
from ingestion.lake.state import LakeState
from pairity.digest import digest_bytes
from pairity.timeline import months_between
from pairity.universe import inst_id, short_name

SEGMENT_ROWS = 50_000
"""Most rows of one `Batch.write` that wait in a segment; more go into the month partitions at once."""
_NO_COVERAGE: Mapping[str, Sequence[Span]] = MappingProxyType({})
_KNOWN = "instant_is_known"
_STEP = timedelta(microseconds=1)


@dataclass(slots=True)
class Batch:
    """Changes that become visible together at the end of `Lake.batch()`; an error before it leaves the lake as it was.

    Large changes are the exception: they are written to the month partitions at once, one after the other.
    """

    _state: LakeState
    _segment_rows: int = SEGMENT_ROWS
    _news: dict[str, pl.DataFrame] = field(default_factory=dict)
    _covered: dict[Partition, tuple[Span, ...]] = field(default_factory=dict)
    changed_at: datetime | None = None
    """Earliest instant at which one of the new rows is complete; None where none is new."""

    def write(
        self,
        name: str,
        rows: pl.DataFrame,
        *,
        covered: Mapping[str, Sequence[Span]] = _NO_COVERAGE,
        arrived_at: datetime | None = None,
    ) -> dict[str, int]:
        """Merge rows of many instruments, note the ranges `covered` by asset, and return how many are new, by asset.

        `rows` has `asset` (short names) and the dataset's columns, in any order; `covered` may name assets without
        rows. What counts as new, and what becomes a correction known from `arrived_at`, is decided for each instrument
        as `Lake.write` does. DataError and UnknownNameError as there.
        """
        kind = find_dataset(name)
        incoming = kind.conform_assets(rows)
        spans = {short_name(asset): tuple(own) for asset, own in covered.items()}
        counts = dict.fromkeys([*incoming["asset"].unique(maintain_order=True), *spans], 0)
        if incoming.height > self._segment_rows and name not in self._news:
            return counts | self._write_partitions(kind, incoming, spans, arrived_at)
        keys = ["asset", kind.time]
        if incoming.height:
            stored = self._read_stored(kind, incoming)
            news = find_news(kind, stored, incoming, arrived_at, keys=keys)
            if news.height:
                self._note_change(kind, news)
                self._add_news(kind, _mark_known(news, stored, keys))
                added = news.group_by("asset").len()
                counts |= dict(added.iter_rows())
        for asset, own in spans.items():
            self._add_coverage(kind, asset, own)
        return counts

    def commit(self) -> Commit | None:
        """Write the files and the record of the batch, and return it; None where there is nothing new."""
        state = self._state
        number = state.index.next_number()
        pieces: dict[Partition, Piece] = {}
        rows_of: dict[str, pl.DataFrame] = {}
        for name, news in self._news.items():
            kind = find_dataset(name)
            ordered = news.sort("asset", kind.time, KNOWN_AT)
            rows_of[name] = ordered.select("asset", *kind.schema)
            pieces |= self._describe(kind, ordered)
        for partition, spans in self._covered.items():
            if partition not in pieces:
                pieces[partition] = Piece(rows=0, superseded=0, first=None, last=None, content=0, coverage=spans)
        if not pieces:
            return None
        files = {name: encode(rows) for name, rows in rows_of.items()}
        segments = {name: Segment(segment_name(number, name), digest_bytes(file)) for name, file in files.items()}
        commit, record = encode_commit(number, segments, pieces)
        state.add_commit(commit, record, rows_of, files)
        return commit

    def _read_stored(self, kind: RawDataset, incoming: pl.DataFrame) -> pl.DataFrame:
        """Return all versions that are stored under the keys of `incoming`: files, pending commits, this batch."""
        state, time = self._state, pl.col(kind.time)
        month = time.dt.truncate("1mo").alias("month")
        ranges = incoming.group_by("asset", month).agg(time.min().alias("first"), time.max().alias("last"))
        # One filter for all files: making one costs Polars a query.
        near = time.is_between(incoming[kind.time].min(), incoming[kind.time].max())
        frames: list[pl.LazyFrame] = []
        # Live rows are newer than all that is stored: nothing is read for them.
        waits = False
        for asset, start, first, last in ranges.iter_rows():
            partition = Partition(kind.name, inst_id(asset), start, state.venue)
            if overlaps(state.index.base(partition), first, last + _STEP) and state.base(partition).rows:
                frames.append(read_file(state, kind, asset, partition).filter(near))
            waits |= bool(state.index.pieces(partition)) and overlaps(
                state.index.merged(partition), first, last + _STEP
            )
        if waits:
            frames.append(state.pending_rows(kind).lazy().select("asset", *kind.schema))
        if kind.name in self._news:
            frames.append(self._news[kind.name].lazy().select("asset", *kind.schema))
        if not frames:
            return kind.empty_of_assets()
        return pl.concat(frames).join(incoming.lazy(), on=["asset", kind.time], how="semi").collect()

    def _add_news(self, kind: RawDataset, news: pl.DataFrame) -> None:
        known = self._news.get(kind.name)
        self._news[kind.name] = news if known is None else pl.concat([known, news])

    def _add_coverage(self, kind: RawDataset, asset: str, spans: Sequence[Span]) -> None:
        """Note the parts of `spans` that are not covered yet."""
        for month in sorted({month for span in spans for month in months_between(*span)}):
            partition = Partition(kind.name, inst_id(asset), month, self._state.venue)
            own = self._covered.get(partition, ())
            known = (*self._state.index.merged(partition).coverage, *own)
            added = [part for span in clip(spans, month, partition.end) for part in subtract(span, known)]
            if added:
                self._covered[partition] = union((*own, *added))

    def _describe(self, kind: RawDataset, ordered: pl.DataFrame) -> dict[Partition, Piece]:
        """Return what the sorted news of a dataset add to each partition, with the coverage that was noted for it."""
        time = pl.col(kind.time)
        groups = ordered.group_by("asset", time.dt.truncate("1mo").alias("month"), maintain_order=True).agg(
            pl.len().alias("rows"),
            time.filter(~pl.col(_KNOWN)).n_unique().alias("instants"),
            time.first().alias("first"),
            time.last().alias("last"),
        )
        contents = digest_runs(kind, ordered, groups["rows"].to_list())
        pieces = {}
        for (asset, month, rows, instants, first, last), content in zip(groups.iter_rows(), contents, strict=True):
            partition = Partition(kind.name, inst_id(asset), month, self._state.venue)
            pieces[partition] = Piece(
                rows=rows,
                superseded=rows - instants,
                first=first,
                last=last,
                content=content,
                coverage=self._covered.get(partition, ()),
            )
        return pieces

    def _write_partitions(
        self, kind: RawDataset, rows: pl.DataFrame, spans: Mapping[str, tuple[Span, ...]], arrived_at: datetime | None
    ) -> dict[str, int]:
        """Write a large change to the month partitions, and return the number of new rows by asset."""
        months = rows.with_columns(pl.col(kind.time).dt.truncate("1mo").alias("month"))
        parts = months.partition_by("asset", "month", as_dict=True, include_key=False)
        touched = {(str(asset), month) for asset, month in parts}
        touched |= {(a, month) for a, own in spans.items() for span in own for month in months_between(*span)}
        counts: dict[str, int] = {}
        with self._state.changing():
            for asset, month in sorted(touched):
                partition = Partition(kind.name, inst_id(asset), month, self._state.venue)
                own_rows = parts.get((asset, month), kind.empty())
                own_spans = clip(spans.get(asset, ()), month, partition.end)
                added = self._state.write_partition(kind, partition, own_rows, own_spans, arrived_at)
                counts[asset] = counts.get(asset, 0) + added
        if any(counts.values()):
            self._note_change(kind, rows)
        return counts

    def _note_change(self, kind: RawDataset, rows: pl.DataFrame) -> None:
        first = rows[kind.time].min()
        assert isinstance(first, datetime)
        complete = first + kind.known_after
        self.changed_at = complete if self.changed_at is None else min(self.changed_at, complete)


def _mark_known(news: pl.DataFrame, stored: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """Return `news` with a column that says whether `stored` has a version of the row's instant."""
    if stored.is_empty():
        return news.with_columns(pl.lit(False).alias(_KNOWN))
    known = stored.select(keys).unique().with_columns(pl.lit(True).alias(_KNOWN))
    joined = news.join(known, on=list(keys), how="left", maintain_order="left")
    return joined.with_columns(pl.col(_KNOWN).fill_null(False))
