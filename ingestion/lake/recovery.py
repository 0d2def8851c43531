"""Recovery after a killed writer, and the proof that files are what their manifests say.

A partition is replaced in three steps: the new manifest is put beside the old one (`manifest.next.json`), the file is
replaced, and the new manifest takes the place of the old one. At whichever step a writer was killed, the file's digest
shows whether the change happened. A file that fits neither manifest is corrupt.
"""

from __future__ import annotations

from pathlib import Path

from ingestion.lake.commits import SEGMENTS, list_orphans
from ingestion.lake.manifest import NOTHING, Manifest, read_manifest
from ingestion.lake.partitions import (
    MANIFEST,
    NEXT_MANIFEST,
    PART,
    Partition,
    digest_file,
)
from pairity.durable import remove_flushed, remove_unfinished, rename_flushed
from pairity.errors import LakeCorruptError
from pairity.universe import short_name

_LOOKS = 5


def recover(root: Path) -> None:
    """Finish or undo what a killed writer left in the partitions below `root`; call it with the writer lock held."""
    remove_unfinished(root)
    for pending in sorted(root.rglob(NEXT_MANIFEST)):
        _settle(pending.parent)


def remove_orphans(root: Path) -> None:
    """Delete segments that a killed writer left without a commit, of all venues; call it with the lock held."""
    folder = root / SEGMENTS
    for venue in sorted(folder.iterdir()) if folder.exists() else []:
        remove_flushed(list_orphans(venue), durable=False)


def _settle(folder: Path) -> None:
    """Let the pending manifest take effect if its file is in place, else drop it."""
    pending, current = folder / NEXT_MANIFEST, folder / MANIFEST
    after = read_manifest(pending)
    assert after is not None
    if _digest_part(folder) == after.sha256:
        # Not flushed: after a power failure the pending manifest is there again, and is settled in the same way.
        rename_flushed(pending, current, durable=False)
    else:  # the file was not replaced yet; if it is not the old one either, verification will say so
        pending.unlink()


def _digest_part(folder: Path) -> str | None:
    """Return the digest of the partition's file, None where there is none."""
    part = folder / PART
    return digest_file(part) if part.exists() else None


def check_partition(root: Path, partition: Partition) -> Manifest:
    """Return the manifest that a partition's file matches, the pending one included; else LakeCorruptError."""
    folder = partition.folder(root)
    # A reader takes no lock: a writer may have finished, or begun again, between any two looks.
    for _ in range(_LOOKS):
        actual = _digest_part(folder)
        current = read_manifest(folder / MANIFEST) or NOTHING
        if actual == current.sha256:
            return current
        pending = read_manifest(folder / NEXT_MANIFEST)
        if pending is not None and actual == pending.sha256:
            return pending
    raise LakeCorruptError(
        f"{folder / PART} does not match its manifest: expected sha256 {current.sha256}, found {actual}",
        f"delete the folder {folder} and run: {ingest_command(partition)}",
    )


def ingest_command(partition: Partition) -> str:
    """Return the command line that fetches a partition again."""
    asset = short_name(partition.instrument)
    return f"pairity ingest --since {partition.month:%Y-%m-%d} --until {partition.end:%Y-%m-%d} --instruments {asset}"
