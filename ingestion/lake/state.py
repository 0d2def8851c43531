"""Files of a lake as one object sees them: index, checked files, pending rows, and how a partition is changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import polars as pl

from feature_repo.raw_datasets import KNOWN_AT, RawDataset, find_dataset
from feature_repo.stored_tables import STORED, naming
from ingestion.lake.commits import Commit, Piece, segments_folder
from ingestion.lake.content import digest_partition
from ingestion.lake.generation import Generation
from ingestion.lake.index import Index, add_pieces
from ingestion.lake.manifest import Manifest, describe
from ingestion.lake.merge import merge
from ingestion.lake.partitions import MANIFEST, NEXT_MANIFEST, PART, Partition, encode
from ingestion.lake.pending import COMMIT, PendingRows
from ingestion.lake.recovery import check_partition, ingest_command
from ingestion.lake.spans import Span
from pairity.bounded_files import read_file
from pairity.bounded_parquet import read_table
from pairity.durable import remove_flushed, rename_flushed, replace_file
from pairity.errors import LakeCorruptError
from pairity.universe import short_name

_Signature = tuple[int, int]
# Each attempt is lost only if another process finishes a compaction during it.
_ATTEMPTS = 3


class LakeState:
    """What reading, batches and compaction share. `owned` is set while this object has the writer lock."""

    def __init__(self, root: Path, venue: str, generation: Path, *, durable: bool) -> None:
        self.root = root
        self.venue = venue
        self.durable = durable
        self.segments = segments_folder(root, venue)
        self.generation = Generation(generation)
        self.index = Index(root, venue)
        self.pending = PendingRows(self.segments)
        self.owned = False
        self._is_changing = False
        self._was_interrupted = False
        self._checked: dict[Partition, tuple[_Signature, Manifest]] = {}

    def refresh(self) -> None:
        """Take in what others have written; nobody else can while this object has the lock."""
        if not self.owned or self._was_interrupted:
            before = self.index.commits()
            self.index.refresh(self.generation)
            if self.index.commits() != before:
                self.pending.forget(self.index.commits())

    def base(self, partition: Partition) -> Manifest:
        """Return the manifest of the partition's file, which is checked before its first use and after a change."""
        # A digest reads the whole file: it is taken once, and again only after the file or manifest was replaced.
        signature = _signature(partition.folder(self.root))
        known = self._checked.get(partition)
        if known is not None and known[0] == signature:
            return known[1]
        checked = check_partition(self.root, partition)
        self._checked[partition] = signature, checked
        if checked != self.index.base(partition):
            self.index.set_base(partition, checked)
        return checked

    def manifest(self, partition: Partition) -> Manifest:
        """Return what a partition holds, pending commits included; its file is checked once."""
        known = self._checked.get(partition)
        if self.index.has_folder(partition) and (known is None or known[1] != self.index.base(partition)):
            self.base(partition)
        return self.index.merged(partition)

    def waiting(self, partition: Partition, base: Manifest) -> dict[int, Piece]:
        """Return what pending commits add beyond `base`, by commit number."""
        return {number: piece for number, piece in self.index.pieces(partition).items() if number > base.folded}

    def pending_rows(self, kind: RawDataset) -> pl.DataFrame:
        """Return all rows of a dataset in pending commits: see `PendingRows.read`."""
        for _ in range(_ATTEMPTS):
            try:
                return self.pending.read(kind, self.index.commits())
            except FileNotFoundError:  # compaction has taken a file under our hands: look at the disk again
                self.index.refresh(self.generation)
                self.pending.forget(self.index.commits())
        try:
            return self.pending.read(kind, self.index.commits())
        except FileNotFoundError:
            lost = (commit for commit in self.index.commits() if kind.name in commit.segments)
            gone = next(one for one in lost if not (self.segments / one.segments[kind.name].file).exists())
            raise self.pending.damaged(gone, kind.name, None) from None

    def versions(self, partition: Partition, through: int | None = None) -> pl.DataFrame:
        """Return all rows of a partition, superseded and pending ones included, sorted by time and `known_at`.

        `through` leaves out the rows of later commits.
        """
        kind = find_dataset(partition.dataset)
        has_pieces = bool(self.index.pieces(partition))
        # In this order: a commit that is folded in between is then seen in the file, and left out here.
        rows = self.pending_rows(kind) if has_pieces else None
        base, stored = self._read_checked(kind, partition)
        if rows is None:
            return stored
        month = pl.col(kind.time).is_between(partition.month, partition.end, closed="left")
        own = rows.filter(month, pl.col(COMMIT) > base.folded, asset=short_name(partition.instrument))
        if through is not None:
            own = own.filter(pl.col(COMMIT) <= through)
        return pl.concat([stored, own.select(*kind.schema)]).sort(kind.time, KNOWN_AT)

    def content(self, partition: Partition) -> int:
        """Return the content of a partition; where its manifest does not note it, it is computed from the file."""
        content = self.index.merged(partition).content
        if content is None:
            kind = find_dataset(partition.dataset)
            base, rows = self._read_checked(kind, partition)
            self._note_base(partition, replace(base, content=digest_partition(kind, rows)), write=self.owned)
            content = self.index.merged(partition).content
            assert content is not None
        return content

    def write_partition(
        self,
        kind: RawDataset,
        partition: Partition,
        incoming: pl.DataFrame,
        covered: tuple[Span, ...],
        arrived_at: datetime | None,
    ) -> int:
        """Merge rows and coverage into the partition's own file, and return how many rows are new."""
        self.fold(partition)  # else the file and the pending commits could hold the same row
        before = self.base(partition)
        after = before.covering(covered)
        if incoming.height:
            stored = self.versions(partition)
            merged = merge(kind, stored, incoming, arrived_at)
            if merged.height != stored.height:
                self._replace(kind, partition, merged, after)
                return merged.height - stored.height
        if after != before:
            self._note_base(partition, self._with_content(partition, after), write=True)
        return 0

    def fold(self, partition: Partition, through: int | None = None) -> bool:
        """Take what pending commits add into the partition's own file; return whether there was anything.

        Commits later than `through` go on waiting.
        """
        if not self.index.pieces(partition):
            return False
        base = self.base(partition)
        own = self.waiting(partition, base)
        if through is not None:
            own = {number: piece for number, piece in own.items() if number <= through}
        if not own:
            return False
        self.content(partition)
        after = replace(add_pieces(self.base(partition), list(own.values())), folded=max(own))
        if any(piece.rows for piece in own.values()):
            rows = self.versions(partition, max(own))
            if rows.height != after.rows or digest_partition(find_dataset(partition.dataset), rows) != after.content:
                raise LakeCorruptError(
                    f"{partition.folder(self.root)} and its pending commits hold {rows.height} rows that are not the "
                    f"{after.rows} that their manifest and records say",
                    "run pairity data verify, which names the file that is wrong",
                )
            self._replace(find_dataset(partition.dataset), partition, rows, after)
        else:
            self._note_base(partition, after, write=True)
        return True

    def add_commit(
        self, commit: Commit, record: bytes, rows: Mapping[str, pl.DataFrame], files: Mapping[str, bytes]
    ) -> None:
        """Write the segments of a commit, then its record, which makes all of them visible."""
        paths = {name: self.segments / commit.segments[name].file for name in files}
        try:
            for name, content in files.items():
                replace_file(paths[name], content, durable=self.durable)
            replace_file(self.segments / commit.name, record, durable=self.durable)
        except BaseException:  # no space, say. The next commit has the same number, and its files must be its own
            # The record first: it may be in place already, and must not outlive its segments.
            remove_flushed([self.segments / commit.name], durable=self.durable)
            remove_flushed(paths.values(), durable=self.durable)
            raise
        self.index.add_commit(commit)
        self.pending.keep(commit, rows)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Surround changes of partitions: others notice them, and a writer killed inside leaves a note of it."""
        try:
            yield
        except BaseException:
            if self._is_changing:
                # Perhaps half a replacement: the note stays as it is, and whoever writes next looks for it.
                self.index.forget()
                self._was_interrupted = True
            raise
        if not self.owned:
            self.settle()
        elif self._is_changing:  # more may come before the lock is given back
            self.advance()

    def begin_change(self) -> None:
        """Note that partitions change from now on; called before each change, it writes once."""
        if not self._is_changing:
            self.index.note_generation(self.generation.begin(durable=self.durable))
            self._is_changing = True

    def advance(self) -> None:
        """Let readers see what has changed so far."""
        self.index.note_generation(self.generation.advance())

    def settle(self) -> None:
        """Note that all changes are complete, if any were made."""
        if self._is_changing and not self._was_interrupted:
            self.index.note_generation(self.generation.settle())
        self._is_changing = False

    def forget_commits(self, numbers: set[int]) -> None:
        """Note that these commits are gone from the disk."""
        self.index.drop_commits(numbers)
        self.pending.forget(self.index.commits())

    def recovered(self) -> None:
        """Note that nothing half-done is left on the disk; what the index says is read again."""
        self._was_interrupted = self._is_changing = False
        self.generation.settle()
        self.index.forget()

    def verify(self) -> int:
        """Compare files, rows and contents with manifests and commits, and return the number of partitions."""
        for commit in self.index.commits():
            self.pending.check(commit)
        partitions = self.index.partitions()
        for partition in partitions:
            self._checked.pop(partition, None)
            rows = self.versions(partition)
            noted = self.index.merged(partition)
            if rows.height != noted.rows or digest_partition(find_dataset(partition.dataset), rows) != self.content(
                partition
            ):
                raise LakeCorruptError(
                    f"{partition.folder(self.root)} holds {rows.height} rows that are not the {noted.rows} that its "
                    "manifest and the pending commits say",
                    f"delete the folder and run: {ingest_command(partition)}",
                )
        return len(partitions)

    def _read_checked(self, kind: RawDataset, partition: Partition) -> tuple[Manifest, pl.DataFrame]:
        """Return the rows of a partition's own file with the manifest that describes exactly them."""
        while True:
            base = self.base(partition)
            if not base.rows:
                return base, kind.empty()
            path = partition.folder(self.root) / PART
            with naming(path, f"delete its folder and run: {ingest_command(partition)}"):
                content = read_file(path, STORED.size)
            if self._checked[partition][0] == _signature(partition.folder(self.root)):
                # A copy of the file in memory: it may be replaced at any time, by compaction for one.
                with naming(path, f"delete its folder and run: {ingest_command(partition)}"):
                    return base, kind.conform(read_table(content, STORED))

    def _with_content(self, partition: Partition, manifest: Manifest) -> Manifest:
        return replace(manifest, content=self.content(partition)) if manifest.content is None else manifest

    def _note_base(self, partition: Partition, after: Manifest, *, write: bool) -> None:
        """Take `after` as the partition's manifest, whose file stays as it is."""
        folder = partition.folder(self.root)
        if write:
            self.begin_change()
            replace_file(folder / MANIFEST, after.to_bytes(), durable=self.durable)
        self._checked[partition] = _signature(folder), after
        self.index.set_base(partition, after)

    def _replace(self, kind: RawDataset, partition: Partition, rows: pl.DataFrame, like: Manifest) -> None:
        """Replace file and manifest in the three steps that `recovery` can complete or undo: their order matters."""
        folder, encoded = partition.folder(self.root), encode(rows)
        after = describe(rows, encoded, kind, like.coverage, like.folded)
        self.begin_change()
        replace_file(folder / NEXT_MANIFEST, after.to_bytes(), durable=self.durable)
        replace_file(folder / PART, encoded, durable=self.durable)
        rename_flushed(folder / NEXT_MANIFEST, folder / MANIFEST, durable=self.durable)
        self.index.set_base(partition, after)


def _signature(folder: Path) -> _Signature:
    """Return what changes whenever a file or manifest of the partition is replaced."""
    found = [path.stat() for name in (PART, MANIFEST) if (path := folder / name).exists()]
    return hash(tuple((status.st_mtime_ns, status.st_ino) for status in found)), sum(s.st_size for s in found)
