"""How much of the published files is kept on this machine: those that were not used for longest become placeholders."""

from __future__ import annotations

import os
import time
from pathlib import Path

from feature_repo.placeholders import FOLDER, bring, read_placeholder, write_placeholder
from ingestion.published.checkout import is_fetched_late
from ingestion.published.directory import Directory
from ingestion.published.state import Files
from pairity.bounded_json import MIB

GRACE_S = 3600.0
"""A file that was used so recently may be in use: whoever has planned to read it must find it."""


def shrink(directory: Directory, local: Files, most_mb: int, *, grace_s: float = GRACE_S) -> int:
    """Make placeholders of the files that were not used for longest until `most_mb` are left; return how many.

    `local` are the directory's files. Only of files that are published as they are here. With the writer lock held.
    """
    published = directory.list_files(directory.read_base())
    here = [
        path
        for path, file in published.items()
        if is_fetched_late(path, file) and local.get(path) == file and not local[path].is_placeholder
    ]
    size = sum(published[path].size for path in here)
    if size <= most_mb * MIB:
        return 0
    used = [(os.stat(directory.root / path).st_atime, path) for path in here]
    count, oldest = 0, time.time() - grace_s
    for used_at, path in sorted(used):
        if size <= most_mb * MIB or used_at > oldest:
            break
        file = published[path]
        write_placeholder(directory.root / path, file.sha256, file.size)
        size, count = size - file.size, count + 1
    return count


def bring_all(root: Path) -> int:
    """Fetch the bytes of all placeholders below `root`; return how many there were."""
    if not (root / FOLDER).is_dir():
        return 0
    found = [path for folder in ("lake", "features") for path in sorted((root / folder).rglob("*.parquet"))]
    late = [path for path in found if not path.name.startswith(".") and read_placeholder(path) is not None]
    for path in late:
        bring(path)
    return len(late)
