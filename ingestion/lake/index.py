"""Index of a lake: which partitions exist and what their manifests and pending commits say, held in memory.

It is loaded once and then only compared with the disk: the commit records by their names, the manifests by the lake's
generation. Only manifests that were replaced are read again.

Readers take no lock, so the order of the looks matters. Compaction folds commits into the partitions, advances the
generation, and only then deletes the records. `refresh` lists the records first and reads the generation after that: a
record that is missing from the list was folded before the generation that is read now, and one that is folded already
is recognised by the number in the manifest. Rows are therefore seen once, whenever the reader looks.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ingestion.lake.commits import Commit, Piece, list_records, read_commit, segments_folder
from ingestion.lake.content import MODULUS
from ingestion.lake.generation import Generation
from ingestion.lake.manifest import NOTHING, Manifest, read_manifest
from ingestion.lake.partitions import MANIFEST, Partition, list_partitions
from ingestion.lake.spans import union

# Each attempt is lost only if another process finishes a compaction during it.
_ATTEMPTS = 5
_Signature = tuple[int, int, int]


class Index:
    """What one object knows about the lake of one venue. Manifests are believed here; `checks` compares the files."""

    def __init__(self, root: Path, venue: str) -> None:
        self._root = root
        self._venue = venue
        self._folder = segments_folder(root, venue)
        self._base: dict[Partition, Manifest] = {}
        self._signatures: dict[Partition, _Signature] = {}
        self._commits: dict[str, Commit] = {}
        self._pieces: dict[Partition, dict[int, Piece]] = {}
        self._merged: dict[Partition, Manifest] = {}
        self._sorted: tuple[Partition, ...] | None = None
        self._changed: set[Partition] = set()
        self._generation: str | None = None
        self._highest = 0
        self.newest_commit = 0
        """Number of the newest commit that was there at the last refresh. A manifest that has folded a newer one knows
        more than this index: other partitions may not have that commit yet."""

    def refresh(self, generation: Generation) -> None:
        """Take in what other objects and processes have written since."""
        for attempt in range(_ATTEMPTS):
            names = list_records(self._folder)
            current = generation.read()
            is_older = current != self._generation
            if is_older:
                self._load_manifests()
            try:
                self._load_commits(names)
            except FileNotFoundError:  # compacted between the list and the look at it
                if attempt == _ATTEMPTS - 1:
                    raise
                self._generation = None
                continue
            self._generation = current
            # Manifests that were read while a commit was made and folded know of it, and the list of records does not.
            if not is_older or (list_records(self._folder) == names and generation.read() == current) or attempt:
                break
        self.newest_commit = self.next_number() - 1

    def note_generation(self, text: str) -> None:
        """Take the lake's generation as known: the writer of the change is this object's owner."""
        self._generation = text

    def forget(self) -> None:
        """Read everything again at the next refresh: a change was interrupted."""
        self._generation = None
        self._signatures.clear()

    def partitions(self) -> tuple[Partition, ...]:
        """Return all partitions that have a folder or pending rows or coverage, sorted by path."""
        if self._sorted is None:
            # Tuples compare much faster than partitions do.
            known = self._base.keys() | self._pieces.keys()
            self._sorted = tuple(sorted(known, key=lambda part: (part.dataset, part.instrument, part.month)))
        return self._sorted

    def take_changed(self) -> set[Partition]:
        """Return the partitions of which something was noted since the last call."""
        changed, self._changed = self._changed, set()
        return changed

    def base(self, partition: Partition) -> Manifest:
        """Return the manifest of the partition's own file."""
        return self._base.get(partition, NOTHING)

    def has_folder(self, partition: Partition) -> bool:
        """Return whether the partition has files of its own, or had when the index was loaded."""
        return partition in self._base

    def commits(self) -> tuple[Commit, ...]:
        """Return the pending commits, oldest first."""
        return tuple(self._commits.values())

    def pieces(self, partition: Partition) -> Mapping[int, Piece]:
        """Return what pending commits add to a partition, by commit number; folded ones are among them."""
        return self._pieces.get(partition, {})

    def merged(self, partition: Partition) -> Manifest:
        """Return the manifest that the partition would have if all commits were folded; the digest is its file's."""
        merged = self._merged.get(partition)
        if merged is None:
            base = self.base(partition)
            own = [piece for number, piece in self.pieces(partition).items() if number > base.folded]
            merged = self._merged[partition] = add_pieces(base, own) if own else base
        return merged

    def next_number(self) -> int:
        """Return the number for the next commit: higher than any that is pending or was ever folded."""
        return max([self._highest, *(commit.number for commit in self._commits.values())]) + 1

    def set_base(self, partition: Partition, manifest: Manifest) -> None:
        """Note that the partition's own manifest is `manifest`."""
        self._touch(partition)
        self._base[partition] = manifest
        self._highest = max(self._highest, manifest.folded)

    def drop_base(self, partition: Partition) -> None:
        """Note that the partition's folder is gone."""
        if self._base.pop(partition, None) is not None:
            self._signatures.pop(partition, None)
            self._touch(partition)
            self._sorted = None

    def add_commit(self, commit: Commit) -> None:
        """Note that a commit's record exists."""
        self._commits[commit.name] = commit
        self.newest_commit = max(self.newest_commit, commit.number)
        for partition, piece in commit.pieces.items():
            self._touch(partition)
            self._pieces.setdefault(partition, {})[commit.number] = piece

    def drop_commits(self, numbers: set[int]) -> None:
        """Note that the records of these commits are gone."""
        self._set_commits({name: one for name, one in self._commits.items() if one.number not in numbers})

    def _touch(self, partition: Partition) -> None:
        """Forget what was derived from an older state of the partition; call it before a partition is added."""
        self._merged.pop(partition, None)
        self._changed.add(partition)
        if partition not in self._base and partition not in self._pieces:
            self._sorted = None

    def _load_manifests(self) -> None:
        found: set[Partition] = set()
        for partition in list_partitions(self._root, self._venue):
            found.add(partition)
            path = partition.folder(self._root) / MANIFEST
            signature = _signature(path)
            if partition not in self._base or self._signatures.get(partition) != signature:
                self.set_base(partition, read_manifest(path) or NOTHING)
                self._signatures[partition] = signature
        for partition in self._base.keys() - found:
            self.drop_base(partition)

    def _load_commits(self, names: list[str]) -> None:
        if names == list(self._commits):
            return
        # All records are read before anything is noted: one may be lost while this goes on.
        self._set_commits(
            {name: self._commits.get(name) or read_commit(self._folder, name, self._venue) for name in names}
        )

    def _set_commits(self, commits: dict[str, Commit]) -> None:
        before = self._pieces
        self._commits, self._pieces, self._sorted = {}, {}, None
        for partition in before:
            self._touch(partition)
        for commit in commits.values():
            self.add_commit(commit)


def add_pieces(base: Manifest, pieces: list[Piece]) -> Manifest:
    """Return `base` with what `pieces` add; its content stays unknown where it is."""
    firsts = [base.first, *(piece.first for piece in pieces)]
    lasts = [base.last, *(piece.last for piece in pieces)]
    added = sum(piece.content for piece in pieces)
    return replace(
        base,
        rows=base.rows + sum(piece.rows for piece in pieces),
        superseded=base.superseded + sum(piece.superseded for piece in pieces),
        first=min((first for first in firsts if first is not None), default=None),
        last=max((last for last in lasts if last is not None), default=None),
        coverage=union([*base.coverage, *(span for piece in pieces for span in piece.coverage)]),
        content=None if base.content is None else (base.content + added) % MODULUS,
    )


def _signature(path: Path) -> _Signature:
    """Return what changes when the file is replaced; zeros where there is none."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return 0, 0, 0
    return status.st_mtime_ns, status.st_ino, status.st_size
