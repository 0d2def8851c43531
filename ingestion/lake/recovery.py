"""Order after a killed writer, and the proof that files are what their manifests say.

A partition is replaced in three steps: the new manifest beside the old (`manifest.next.json`), then the file, then the
new manifest takes the old one's place. Whatever the step at which a writer was killed, the file's digest tells whether
the change happened; anything that fits neither manifest is corruption.
"""

from __future__ import annotations

from pathlib import Path

from ingestion.lake.manifest import NOTHING, Manifest, read_manifest
from ingestion.lake.partitions import (
    MANIFEST,
    NEXT_MANIFEST,
    PART,
    Partition,
    file_digest,
    partitions_below,
)
from pairity.durable import remove_unfinished, rename_flushed
from pairity.errors import LakeCorruptError
from pairity.universe import short_name


def recover(root: Path) -> None:
    """Finish or undo what a killed writer left below `root`; call it with the writer lock held."""
    remove_unfinished(root)
    for pending in sorted(root.rglob(NEXT_MANIFEST)):
        _settle(pending.parent)


def _settle(folder: Path) -> None:
    pending, current = folder / NEXT_MANIFEST, folder / MANIFEST
    after = read_manifest(pending)
    assert after is not None
    if _found(folder) == after.sha256:
        # Not flushed: after a power failure the pending manifest is there again, and is settled in the same way.
        rename_flushed(pending, current, durable=False)
    else:  # the file was not replaced yet; if it is not the old one either, verification will say so
        pending.unlink()


def _found(folder: Path) -> str | None:
    part = folder / PART
    return file_digest(part) if part.exists() else None


def check_partition(root: Path, partition: Partition) -> Manifest:
    """The manifest of a partition whose file matches it (or the one about to take its place); else LakeCorruptError."""
    folder = partition.folder(root)
    found = _found(folder)
    current = read_manifest(folder / MANIFEST) or NOTHING
    if found == current.sha256:
        return current
    pending = read_manifest(folder / NEXT_MANIFEST)
    if pending is not None and found == pending.sha256:
        return pending
    # A writer may have finished between the two looks.
    current = read_manifest(folder / MANIFEST) or NOTHING
    found = _found(folder)
    if found != current.sha256:
        raise LakeCorruptError(
            f"{folder / PART} does not match its manifest: expected sha256 {current.sha256}, found {found}",
            f"delete the folder {folder} and run: {_again(partition)}",
        )
    return current


def _again(partition: Partition) -> str:
    asset = short_name(partition.instrument)
    return f"pairity ingest --since {partition.month:%Y-%m-%d} --until {partition.end:%Y-%m-%d} --instruments {asset}"


def check_all(root: Path, venue: str) -> int:
    """Check every partition of a venue; how many there are. LakeCorruptError names the first that does not match."""
    partitions = list(partitions_below(root, venue))
    for partition in partitions:
        check_partition(root, partition)
    return len(partitions)
