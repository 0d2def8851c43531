"""Whether a snapshot is what was saved, and how far the data directory has gone on since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ingestion.snapshots.saved import RECORD, SavedSnapshot, folder_of
from pairity.bounded_files import digest_plain_file
from pairity.bounded_numbers import OutOfBoundsError
from pairity.layout import Layout
from pairity.progress import Progress


@dataclass(frozen=True, slots=True)
class Verification:
    """Result of verifying a snapshot; paths are relative to the data directory."""

    missing: Sequence[str]
    changed: Sequence[str]
    """Files whose bytes are not those that were saved, or that cannot be read."""
    extra: Sequence[str]
    """Files that nobody saved."""
    replaced_since: int
    """How many of its files the data directory has in another state now, or no more."""

    @property
    def is_whole(self) -> bool:
        """Whether the snapshot holds exactly what was saved."""
        return not (self.missing or self.changed or self.extra)


def verify_snapshot(layout: Layout, saved: SavedSnapshot, progress: Progress) -> Verification:
    """Read every file of the snapshot and compare it with its record; nothing is changed."""
    folder = folder_of(layout, saved.name)
    missing, changed, replaced = [], [], 0
    progress.stage("verify", len(saved.files))
    for path, file in saved.files.items():
        try:
            digest = digest_plain_file(folder / path)
        except FileNotFoundError:
            missing.append(path)
        except OutOfBoundsError:
            changed.append(path)
        else:
            if digest != file.sha256:
                changed.append(path)
        replaced += not _is_same_file(folder / path, layout.root / path)
        progress.advance(1)
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    return Verification(missing, changed, sorted(found - set(saved.files) - {RECORD}), replaced)


def _is_same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other) or (
            one.stat().st_size == other.stat().st_size and digest_plain_file(one) == digest_plain_file(other)
        )
    except (OSError, OutOfBoundsError):
        return False
