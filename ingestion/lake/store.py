"""The lake itself: write rows, scan rows, ask what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import polars as pl

from feature_repo.raw_datasets import KNOWN_AT, RawDataset, find_dataset
from ingestion.lake.lock import single_writer
from ingestion.lake.manifest import NOTHING, Manifest, describe, read_manifest
from ingestion.lake.merge import merge, newest_known
from ingestion.lake.partitions import (
    HOME_VENUE,
    MANIFEST,
    NEXT_MANIFEST,
    PART,
    Partition,
    discard_folder,
    encode,
    flush_folder,
    partitions_below,
    replace_file,
)
from ingestion.lake.recovery import check_all, check_partition, recover
from ingestion.lake.snapshot import snapshot_of
from ingestion.lake.spans import Span, clip, union
from pairity.errors import LakeCorruptError
from pairity.layout import Layout
from pairity.timeline import months_between
from pairity.universe import inst_id, short_name

Signature = tuple[int, int]


class Lake:
    """Raw rows of one venue's instruments below one folder. Instruments may be given as `BTC` or `BTC-USDT-SWAP`.

    Writing needs `writing()` around it. `durable` False (staging) leaves flushing to the operating system. A `folder`
    of its own (staging) keeps rows that contradict each other: they have not been judged.
    """

    def __init__(
        self, layout: Layout, *, folder: str | None = None, durable: bool = True, venue: str = HOME_VENUE
    ) -> None:
        self.venue = venue
        self.root = layout.root / folder if folder else layout.lake
        self._durable = durable
        self._unjudged = folder is not None
        self._data_root = layout.root
        self._checked: dict[Partition, tuple[Signature, Manifest]] = {}

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the data directory's single-writer lock; what a killed writer left is put in order first."""
        with single_writer(self._data_root):
            self.recover()
            yield

    def recover(self) -> None:
        """Finish or undo half-done replacements (the caller holds the lock)."""
        self.root.mkdir(parents=True, exist_ok=True)
        recover(self.root)
        if not self._durable:
            self._drop_broken()

    def write(
        self,
        name: str,
        instrument: str,
        rows: pl.DataFrame,
        *,
        covered: Sequence[Span] = (),
        arrived_at: datetime | None = None,
    ) -> int:
        """Merge `rows` (the dataset's columns, any order) and note `covered` ranges; how many rows are new.

        Repetitions are dropped, corrections added (see `merge`; `arrived_at` is when the rows came in). A partition
        to which nothing is new keeps its file, bytes and modification time.
        """
        dataset = find_dataset(name)
        conformed = dataset.conform(rows)
        added = 0
        for partition in self._touched(dataset, inst_id(instrument), conformed, covered):
            in_month = pl.col(dataset.time).is_between(partition.month, partition.end, closed="left")
            own_spans = clip(covered, partition.month, partition.end)
            added += self._write_partition(dataset, partition, conformed.filter(in_month), own_spans, arrived_at)
        return added

    def scan(
        self,
        name: str,
        instruments: Iterable[str],
        since: datetime,
        until: datetime,
        known_by: datetime | None = None,
    ) -> pl.LazyFrame:
        """Rows with since <= time < until: the newest known (by `known_by`) per asset and time.

        Columns: `asset` (short name), then the dataset's; sorted by asset, time. Each file read is checked against its
        manifest first (LakeCorruptError). No rows, not an error, where nothing is stored.
        """
        dataset = find_dataset(name)
        found: list[pl.LazyFrame] = []
        corrected = False
        for instrument in sorted({inst_id(instrument) for instrument in instruments}, key=short_name):
            for partition in self._of_range(dataset, instrument, since, until):
                held = self.manifest(partition)
                if held.rows:
                    found.append(self._file(dataset, partition))
                    corrected |= held.superseded > 0
        if not found:
            return dataset.empty().lazy().select(pl.lit(None, pl.String).alias("asset"), *dataset.schema)
        rows = pl.concat(found).filter(pl.col(dataset.time).is_between(since, until, closed="left"))
        if known_by is not None:
            rows = rows.filter(pl.col(KNOWN_AT) <= known_by)
        # Files are sorted and their order is that of asset and month: without corrections nothing is left to do.
        return newest_known(rows, ["asset", dataset.time]) if corrected else rows

    def versions(self, partition: Partition) -> pl.DataFrame:
        """All rows of a partition, superseded ones included, sorted by time and `known_at`."""
        dataset = find_dataset(partition.dataset)
        if not self.manifest(partition).rows:
            return dataset.empty()
        return dataset.conform(pl.read_parquet(partition.folder(self.root) / PART, glob=False, hive_partitioning=False))

    def coverage(self, name: str, instrument: str, since: datetime, until: datetime) -> tuple[Span, ...]:
        """The parts of [since, until) that have been asked of the venue in full."""
        spans: list[Span] = []
        for partition in self._of_range(find_dataset(name), inst_id(instrument), since, until):
            spans.extend(self.manifest(partition).coverage)
        return clip(union(spans), since, until)

    def manifest(self, partition: Partition) -> Manifest:
        """The manifest of a partition whose file was found to match it; an empty one where there is no partition."""
        folder = partition.folder(self.root)
        signature = _signature(folder)
        known = self._checked.get(partition)
        if known is not None and known[0] == signature:
            return known[1]
        checked = check_partition(self.root, partition)
        self._checked[partition] = signature, checked
        return checked

    def partitions(self) -> tuple[Partition, ...]:
        """All partitions, sorted by path."""
        return tuple(partitions_below(self.root, self.venue))

    def remove(self, partition: Partition) -> None:
        """Delete a partition (staging: it was promoted or quarantined)."""
        discard_folder(self.root, partition.folder(self.root))
        self._checked.pop(partition, None)

    def snapshot_id(self) -> str:
        """Digest over all rows (see `snapshot_of`), from the manifests: `verify` proves that they are true."""
        return snapshot_of((partition, self._unchecked(partition)) for partition in self.partitions())

    def digests(self) -> dict[Partition, str]:
        """File digest of each partition that holds rows, from the manifests."""
        held = ((partition, self._unchecked(partition).sha256) for partition in self.partitions())
        return {partition: sha256 for partition, sha256 in held if sha256 is not None}

    def verify(self) -> int:
        """Read every file and compare it with its manifest; how many partitions there are, or LakeCorruptError."""
        return check_all(self.root, self.venue)

    def _drop_broken(self) -> None:
        """What was not flushed may be torn after a power failure; it can be fetched again."""
        for partition in self.partitions():
            try:
                self.manifest(partition)
            except LakeCorruptError:
                self.remove(partition)

    def _file(self, dataset: RawDataset, partition: Partition) -> pl.LazyFrame:
        path = partition.folder(self.root) / PART
        asset = pl.lit(short_name(partition.instrument)).alias("asset")
        # Files written before a nullable column was added hold null there.
        rows = pl.scan_parquet(
            path, glob=False, hive_partitioning=False, schema=dataset.schema, missing_columns="insert"
        )
        return rows.select(asset, *dataset.schema)

    def _unchecked(self, partition: Partition) -> Manifest:
        return read_manifest(partition.folder(self.root) / MANIFEST) or NOTHING

    def _touched(
        self, dataset: RawDataset, instrument: str, rows: pl.DataFrame, covered: Sequence[Span]
    ) -> Iterator[Partition]:
        months = {month for span in covered for month in months_between(*span)}
        months |= set(rows[dataset.time].dt.truncate("1mo").unique())
        for month in sorted(months):
            yield Partition(dataset.name, instrument, month, self.venue)

    def _of_range(self, dataset: RawDataset, instrument: str, since: datetime, until: datetime) -> Iterator[Partition]:
        for month in months_between(since, until):
            yield Partition(dataset.name, instrument, month, self.venue)

    def _write_partition(
        self,
        dataset: RawDataset,
        partition: Partition,
        incoming: pl.DataFrame,
        covered: tuple[Span, ...],
        arrived_at: datetime | None,
    ) -> int:
        before = self.manifest(partition)
        after = before.covering(covered)
        folder = partition.folder(self.root)
        if incoming.height:
            stored = self.versions(partition)
            merged = merge(dataset, stored, incoming, arrived_at, keep_clashes=self._unjudged)
            if merged.height != stored.height:
                content = encode(merged)
                self._replace(folder, describe(merged, content, dataset, after.coverage), content)
                return merged.height - stored.height
        if after != before:
            folder.mkdir(parents=True, exist_ok=True)
            replace_file(folder / MANIFEST, after.to_bytes(), durable=self._durable)
        return 0

    def _replace(self, folder: Path, after: Manifest, content: bytes) -> None:
        """The three steps that `recovery` can complete or undo."""
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(folder / NEXT_MANIFEST, after.to_bytes(), durable=self._durable)
        replace_file(folder / PART, content, durable=self._durable)
        (folder / NEXT_MANIFEST).replace(folder / MANIFEST)
        if self._durable:
            flush_folder(folder)


def _signature(folder: Path) -> Signature:
    """Changes whenever a file or manifest of the partition is replaced."""
    times = [path.stat().st_mtime_ns for name in (PART, MANIFEST) if (path := folder / name).exists()]
    sizes = [path.stat().st_size for name in (PART, MANIFEST) if (path := folder / name).exists()]
    return hash(tuple(times)), sum(sizes)
