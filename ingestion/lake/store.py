"""The lake: write rows, scan rows, ask what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import polars as pl

from feature_repo.raw_datasets import find_dataset
from ingestion.lake.batch import SEGMENT_ROWS, Batch
from ingestion.lake.compaction import CompactionReport, compact, delete_folded
from ingestion.lake.lock import single_writer
from ingestion.lake.manifest import Manifest
from ingestion.lake.partitions import HOME_VENUE, PART, Partition
from ingestion.lake.recovery import recover, remove_orphans
from ingestion.lake.scan import plan_scan
from ingestion.lake.snapshot import Contents
from ingestion.lake.spans import Span, clip, union
from ingestion.lake.state import LakeState
from pairity.durable import make_folder
from pairity.layout import Layout
from pairity.names import VENUE
from pairity.timeline import months_between
from pairity.universe import inst_id


class Lake:
    """Raw rows of one venue's instruments. Instruments may be given as `BTC` or `BTC-USDT-SWAP`.

    Writing needs `writing()` around it. Large changes go into the month partitions at once; those of a `batch()` are
    small, wait in segments, and `compact()` folds them into the partitions. Readers see the same rows either way.

    `durable=False` leaves flushing to the operating system, for rows that can be made again. An object keeps an index
    in memory and is for one thread at a time. ConfigError for a venue that is no name.
    """

    def __init__(self, layout: Layout, *, durable: bool = True, venue: str = HOME_VENUE) -> None:
        self.venue = VENUE.check(venue)
        self.root = layout.lake
        self._data_root = layout.root
        generation = layout.root / f".{self.root.name}.generation"
        self._state = LakeState(self.root, venue, generation, durable=durable)
        self._contents = Contents(self._state)

    @contextmanager
    def writing(self, prepare: Callable[[], object] | None = None) -> Iterator[None]:
        """Lock the data directory for this writer alone; what a killed writer left is put in order first.

        `prepare` is called then, before this object looks at the lake: it may replace its files.
        """
        with single_writer(self._data_root):
            self.recover()
            if prepare is not None:
                prepare()
            self._state.refresh()
            self._state.owned = True
            try:
                yield
            finally:
                self._state.owned = False
                self._state.settle()

    def recover(self) -> None:
        """Finish or undo what a killed writer left half-done (the caller has the lock)."""
        make_folder(self.root)
        state = self._state
        remove_orphans(self.root)
        state.generation.remove_unfinished()
        if not state.generation.is_settled():
            recover(self.root)
            state.recovered()
            state.refresh()
            delete_folded(state)
            state.settle()

    @contextmanager
    def batch(self, *, segment_rows: int = SEGMENT_ROWS) -> Iterator[Batch]:
        """Collect small changes of many instruments, and make them visible together at the end of the block.

        Nothing is written where nothing is new, or where the block raises. A `write` of more than `segment_rows` rows
        goes into the month partitions at once. Inside `writing()`.
        """
        self._state.refresh()
        batch = Batch(self._state, segment_rows)
        yield batch
        batch.commit()

    def write(
        self,
        name: str,
        instrument: str,
        rows: pl.DataFrame,
        *,
        covered: Sequence[Span] = (),
        arrived_at: datetime | None = None,
    ) -> int:
        """Merge `rows` (the dataset's columns, any order), note `covered` ranges, and return how many rows are new.

        Repetitions are dropped, corrections added (see `find_news`; `arrived_at` is when the rows came in). A partition
        to which nothing is new keeps its file, bytes and modification time.
        """
        kind = find_dataset(name)
        conformed = kind.conform(rows)
        months = {month for span in covered for month in months_between(*span)}
        months |= set(conformed[kind.time].dt.truncate("1mo").unique())
        self._state.refresh()
        added = 0
        with self._state.changing():
            for month in sorted(months):
                partition = Partition(name, inst_id(instrument), month, self.venue)
                own = conformed.filter(pl.col(kind.time).is_between(month, partition.end, closed="left"))
                own_spans = clip(covered, month, partition.end)
                added += self._state.write_partition(kind, partition, own, own_spans, arrived_at)
        return added

    def compact(self, *, keep: int = 0) -> CompactionReport:
        """Fold pending commits into the month partitions and delete their files. Inside `writing()`.

        The `keep` newest go on waiting: they are held in memory, and what reads the last hours opens no month file.
        No reader sees other rows before, during or after it, and the snapshot id stays.
        """
        self._state.refresh()
        return compact(self._state, keep)

    @property
    def pending(self) -> int:
        """How many commits wait for compaction."""
        self._state.refresh()
        return len(self._state.index.commits())

    @property
    def version(self) -> int:
        """A number that grows with every change of rows that this object sees, its own and those of others.

        Compaction does not change it: the rows stay.
        """
        self._state.refresh()
        return self._contents.version

    def scan(
        self,
        name: str,
        instruments: Iterable[str],
        since: datetime,
        until: datetime,
        known_by: datetime | None = None,
    ) -> pl.LazyFrame:
        """Return rows with since <= time < until: the newest known (by `known_by`) per asset and time.

        Columns: `asset` (short name), then the dataset's; sorted by asset, time. Each file read is checked against its
        manifest or commit first (LakeCorruptError). No rows, not an error, where nothing is stored.
        """
        self._state.refresh()
        return plan_scan(self._state, find_dataset(name), instruments, since, until, known_by)

    def versions(self, partition: Partition) -> pl.DataFrame:
        """Return all rows of a partition, superseded ones included, sorted by time and `known_at`."""
        self._state.refresh()
        return self._state.versions(partition)

    def coverage(self, name: str, instrument: str, since: datetime, until: datetime) -> tuple[Span, ...]:
        """Return the parts of [since, until) for which the venue was asked in full."""
        self._state.refresh()
        spans: list[Span] = []
        for month in months_between(since, until):
            partition = Partition(find_dataset(name).name, inst_id(instrument), month, self.venue)
            spans.extend(self._state.manifest(partition).coverage)
        return clip(union(spans), since, until)

    def manifest(self, partition: Partition) -> Manifest:
        """Return the manifest of a partition, pending commits included, after checking its file; an empty one if none.

        `sha256`, `schema` and `folded` are those of the partition's own file.
        """
        self._state.refresh()
        return self._state.manifest(partition)

    def partitions(self) -> tuple[Partition, ...]:
        """Return all partitions, sorted by path."""
        self._state.refresh()
        return self._state.index.partitions()

    def snapshot_id(self) -> str:
        """Return the digest over all rows (see `Contents`), from manifests and commits; `verify` proves them true."""
        self._state.refresh()
        return self._contents.digest_snapshot()

    def contents(self, since_month: datetime | None = None) -> Mapping[Partition, int]:
        """Return the content (see `content`) of each partition that holds rows, from manifests and commits.

        `since_month` leaves out earlier months.
        """
        self._state.refresh()
        numbers = self._contents.numbers()
        if since_month is None:
            return numbers
        return {part: content for part, content in numbers.items() if part.month >= since_month}

    def digests(self) -> dict[Partition, str]:
        """Return the content of each partition that holds rows, as text."""
        self._state.refresh()
        return self._contents.texts()

    def list_files(self, name: str) -> tuple[Path, ...]:
        """Return the files with rows of a dataset: month files, then segments that wait."""
        state = self._state
        state.refresh()
        own = (part for part in state.index.partitions() if part.dataset == name and state.index.base(part).rows)
        segments = (commit.segments[name].file for commit in state.index.commits() if name in commit.segments)
        return (*(part.folder(self.root) / PART for part in own), *(state.segments / file for file in segments))

    def verify(self) -> int:
        """Compare every file with its manifest or commit, and every row with the contents that are noted.

        Returns the number of partitions; LakeCorruptError names the first file that fails.
        """
        self._state.refresh()
        return self._state.verify()
