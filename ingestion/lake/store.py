"""The lake: write rows, scan rows, ask what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import polars as pl

from feature_repo.raw_datasets import KNOWN_AT, RawDataset, find_dataset
from ingestion.lake.lock import single_writer
from ingestion.lake.manifest import NOTHING, Manifest, describe, read_manifest
from ingestion.lake.merge import merge, select_newest
from ingestion.lake.partitions import (
    HOME_VENUE,
    MANIFEST,
    NEXT_MANIFEST,
    PART,
    Partition,
    encode,
    list_partitions,
)
from ingestion.lake.recovery import check_all, check_partition, recover
from ingestion.lake.snapshot import digest_snapshot
from ingestion.lake.spans import Span, clip, union
from pairity.durable import discard_folder, rename_flushed, replace_file
from pairity.errors import LakeCorruptError
from pairity.layout import Layout
from pairity.timeline import months_between
from pairity.universe import inst_id, short_name

Signature = tuple[int, int]


class Lake:
    """Raw rows of one venue's instruments below one folder. Instruments may be given as `BTC` or `BTC-USDT-SWAP`.

    Writing needs `writing()` around it. `durable=False` leaves flushing to the operating system, for speed: staging is
    written once per unit fetched, and what a power failure tears there is dropped and fetched again. A `folder` of its
    own (staging) keeps rows that contradict each other: they have not been judged.
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
        """Lock the data directory for this writer alone; what a killed writer left is put in order first."""
        with single_writer(self._data_root):
            self.recover()
            yield

    def recover(self) -> None:
        """Finish or undo half-done replacements (the caller has the lock)."""
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
        """Merge `rows` (the dataset's columns, any order), note `covered` ranges, and return how many rows are new.

        Repetitions are dropped, corrections added (see `merge`; `arrived_at` is when the rows came in). A partition
        to which nothing is new keeps its file, bytes and modification time.
        """
        kind = find_dataset(name)
        conformed = kind.conform(rows)
        added = 0
        for partition in self._touched(kind, inst_id(instrument), conformed, covered):
            in_month = pl.col(kind.time).is_between(partition.month, partition.end, closed="left")
            own_spans = clip(covered, partition.month, partition.end)
            added += self._write_partition(kind, partition, conformed.filter(in_month), own_spans, arrived_at)
        return added

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
        manifest first (LakeCorruptError). No rows, not an error, where nothing is stored.
        """
        kind = find_dataset(name)
        frames: list[pl.LazyFrame] = []
        corrected = False
        for instrument in sorted({inst_id(instrument) for instrument in instruments}, key=short_name):
            for partition in self._of_range(kind, instrument, since, until):
                manifest = self.manifest(partition)
                if manifest.rows:
                    frames.append(self._file(kind, partition))
                    corrected |= manifest.superseded > 0
        if not frames:
            return kind.empty().lazy().select(pl.lit(None, pl.String).alias("asset"), *kind.schema)
        rows = pl.concat(frames).filter(pl.col(kind.time).is_between(since, until, closed="left"))
        if known_by is not None:
            rows = rows.filter(pl.col(KNOWN_AT) <= known_by)
        # Files are sorted and their order is that of asset and month: without corrections nothing is left to do.
        return select_newest(rows, ["asset", kind.time]) if corrected else rows

    def versions(self, partition: Partition) -> pl.DataFrame:
        """Return all rows of a partition, superseded ones included, sorted by time and `known_at`."""
        kind = find_dataset(partition.dataset)
        if not self.manifest(partition).rows:
            return kind.empty()
        return kind.conform(pl.read_parquet(partition.folder(self.root) / PART, glob=False, hive_partitioning=False))

    def coverage(self, name: str, instrument: str, since: datetime, until: datetime) -> tuple[Span, ...]:
        """Return the parts of [since, until) for which the venue was asked in full."""
        spans: list[Span] = []
        for partition in self._of_range(find_dataset(name), inst_id(instrument), since, until):
            spans.extend(self.manifest(partition).coverage)
        return clip(union(spans), since, until)

    def manifest(self, partition: Partition) -> Manifest:
        """Return the manifest of a partition after checking its file; an empty one where there is no partition."""
        folder = partition.folder(self.root)
        # A digest reads the whole file: it is taken once, and again only after the file or manifest was replaced.
        signature = _signature(folder)
        known = self._checked.get(partition)
        if known is not None and known[0] == signature:
            return known[1]
        checked = check_partition(self.root, partition)
        self._checked[partition] = signature, checked
        return checked

    def partitions(self) -> tuple[Partition, ...]:
        """Return all partitions, sorted by path."""
        return tuple(list_partitions(self.root, self.venue))

    def remove(self, partition: Partition) -> None:
        """Delete a partition (staging: it was promoted or quarantined)."""
        discard_folder(partition.folder(self.root))
        self._checked.pop(partition, None)

    def snapshot_id(self) -> str:
        """Return the digest over all rows (see `digest_snapshot`), from the manifests; `verify` proves them true."""
        return digest_snapshot((partition, self._unchecked(partition)) for partition in self.partitions())

    def digests(self) -> dict[Partition, str]:
        """Return the file digest of each partition that holds rows, from the manifests."""
        digests = ((partition, self._unchecked(partition).sha256) for partition in self.partitions())
        return {partition: sha256 for partition, sha256 in digests if sha256 is not None}

    def verify(self) -> int:
        """Compare every file with its manifest and return the number of partitions; LakeCorruptError otherwise."""
        return check_all(self.root, self.venue)

    def _drop_broken(self) -> None:
        """Remove what a power failure has torn because it was not flushed; it can be fetched again."""
        for partition in self.partitions():
            try:
                self.manifest(partition)
            except LakeCorruptError:
                self.remove(partition)

    def _file(self, kind: RawDataset, partition: Partition) -> pl.LazyFrame:
        path = partition.folder(self.root) / PART
        asset = pl.lit(short_name(partition.instrument)).alias("asset")
        # Files written before a nullable column was added hold null there.
        rows = pl.scan_parquet(path, glob=False, hive_partitioning=False, schema=kind.schema, missing_columns="insert")
        return rows.select(asset, *kind.schema)

    def _unchecked(self, partition: Partition) -> Manifest:
        return read_manifest(partition.folder(self.root) / MANIFEST) or NOTHING

    def _touched(
        self, kind: RawDataset, instrument: str, rows: pl.DataFrame, covered: Sequence[Span]
    ) -> Iterator[Partition]:
        months = {month for span in covered for month in months_between(*span)}
        months |= set(rows[kind.time].dt.truncate("1mo").unique())
        for month in sorted(months):
            yield Partition(kind.name, instrument, month, self.venue)

    def _of_range(self, kind: RawDataset, instrument: str, since: datetime, until: datetime) -> Iterator[Partition]:
        for month in months_between(since, until):
            yield Partition(kind.name, instrument, month, self.venue)

    def _write_partition(
        self,
        kind: RawDataset,
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
            merged = merge(kind, stored, incoming, arrived_at, keep_clashes=self._unjudged)
            if merged.height != stored.height:
                content = encode(merged)
                self._replace(folder, describe(merged, content, kind, after.coverage), content)
                return merged.height - stored.height
        if after != before:
            replace_file(folder / MANIFEST, after.to_bytes(), durable=self._durable)
        return 0

    def _replace(self, folder: Path, after: Manifest, content: bytes) -> None:
        """Replace file and manifest in the three steps that `recovery` can complete or undo: their order matters."""
        replace_file(folder / NEXT_MANIFEST, after.to_bytes(), durable=self._durable)
        replace_file(folder / PART, content, durable=self._durable)
        rename_flushed(folder / NEXT_MANIFEST, folder / MANIFEST, durable=self._durable)


def _signature(folder: Path) -> Signature:
    """Return what changes whenever a file or manifest of the partition is replaced."""
    times = [path.stat().st_mtime_ns for name in (PART, MANIFEST) if (path := folder / name).exists()]
    sizes = [path.stat().st_size for name in (PART, MANIFEST) if (path := folder / name).exists()]
    return hash(tuple(times)), sum(sizes)
