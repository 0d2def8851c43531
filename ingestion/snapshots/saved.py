"""A saved snapshot: a folder below `snapshots/` with the files of a data directory, and a record of what they are.

It holds what features and trainings are made from: raw lake, published features, reference data and the remembered
settings. Models, journals and what waits in quarantine are not part of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from pairity.bounded_files import read_json_file
from pairity.bounded_json import JsonLimits
from pairity.bounded_numbers import OutOfBoundsError
from pairity.digest import digest_parts
from pairity.errors import DataError
from pairity.layout import Layout
from pairity.references import find_named

RECORD = "saved-snapshot.json"
FOLDERS = ("lake", "features", "reference")
"""Folders of a data directory that a snapshot holds."""
FILES = ("settings.json", ".lake.generation")
_FORMAT = 1
_LIMITS = JsonLimits(size=1 << 30, depth=6, values=20_000_000)
"""A file of each instrument, dataset and month: three hundred swaps over five years are about 10⁵."""


@dataclass(frozen=True, slots=True)
class SavedFile:
    """One file of a snapshot."""

    size: int
    """Bytes."""
    sha256: str


@dataclass(frozen=True, slots=True)
class SavedSnapshot:
    """Record of a saved snapshot."""

    name: str
    saved_at: datetime
    """When it was complete; everything in it was known then: a training `--as-known-at` this instant uses all of it."""
    snapshot_id: str | None
    """Raw snapshot that its features come from, as trainings record it; None where no features were published."""
    code_revision: str
    note: str
    files: Mapping[str, SavedFile]
    """By path relative to the data directory, with `/`."""

    @property
    def size(self) -> int:
        """Sum of the files' sizes in bytes; files that the data directory still has take no room twice."""
        return sum(file.size for file in self.files.values())

    @property
    def digest(self) -> str:
        """One SHA-256 over all paths and contents: equal for snapshots with equal files."""
        return digest_parts((name, file.sha256) for name, file in self.files.items())

    def to_bytes(self) -> bytes:
        """Return the record as JSON."""
        fields = {
            "format": _FORMAT,
            "name": self.name,
            "saved_at": self.saved_at.isoformat(),
            "snapshot_id": self.snapshot_id,
            "code_revision": self.code_revision,
            "note": self.note,
            "files": {name: asdict(file) for name, file in sorted(self.files.items())},
        }
        return (json.dumps(fields, indent=1) + "\n").encode()


def folder_of(layout: Layout, name: str) -> Path:
    """Return the folder of the snapshot called `name`."""
    return layout.snapshots / name


def list_snapshots(layout: Layout) -> list[SavedSnapshot]:
    """Return all saved snapshots of a data directory, newest first; DataError where a record cannot be read."""
    if not layout.snapshots.is_dir():
        return []
    folders = [path for path in layout.snapshots.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return sorted(
        (read_snapshot(path, path.name) for path in folders),
        key=lambda saved: (saved.saved_at, saved.name),
        reverse=True,
    )


def find_snapshot(layout: Layout, text: str) -> SavedSnapshot:
    """Return the snapshot that `text` names: its name, the beginning of one alone, or `latest`.

    UnknownNameError lists those that exist; ConfigError where several begin so.
    """
    saved = {one.name: one for one in list_snapshots(layout)}
    return saved[find_named("snapshot", text, list(saved))]


def name_snapshot(layout: Layout, now: datetime) -> str:
    """Return a name that no snapshot has: the instant, with a number behind it where that is taken."""
    name = f"{now:%Y%m%d-%H%M}"
    taken = {path.name for path in layout.snapshots.iterdir()} if layout.snapshots.is_dir() else set()
    numbered = (f"{name}-{number}" for number in range(2, len(taken) + 3))
    return name if name not in taken else next(other for other in numbered if other not in taken)


def read_snapshot(folder: Path, name: str) -> SavedSnapshot:
    """Return the record in a folder, as that of the snapshot `name`; DataError where it cannot be read."""
    path = folder / RECORD
    try:
        row = read_json_file(path, _LIMITS)
        if row["format"] != _FORMAT:
            raise DataError(f"{path} is in format {row['format']!r}", "use the program that made it")
        read = SavedSnapshot(
            name=name,
            saved_at=datetime.fromisoformat(row["saved_at"]),
            snapshot_id=None if row["snapshot_id"] is None else str(row["snapshot_id"]),
            code_revision=str(row["code_revision"]),
            note=str(row["note"]),
            files={str(name): _read_file(str(name), file) for name, file in row["files"].items()},
        )
    except (AttributeError, KeyError, OSError, OutOfBoundsError, TypeError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read ({type(error).__name__}: {error})",
            f"remove {folder}, or put its record back from a copy",
        ) from None
    if read.saved_at.tzinfo is None:
        raise DataError(f"{path} has an instant without an offset", f"remove {folder}, or put its record back")
    return read


def _read_file(name: str, row: Mapping[str, object]) -> SavedFile:
    parts = Path(name).parts
    if not parts or Path(name).is_absolute() or ".." in parts or (parts[0] not in FOLDERS and name not in FILES):
        raise ValueError(f"{name!r} is no path of a snapshot")
    size, sha256 = row["size"], row["sha256"]
    if not isinstance(size, int) or not isinstance(sha256, str):
        raise ValueError(f"{name!r} has no size and digest")
    return SavedFile(size, sha256)
