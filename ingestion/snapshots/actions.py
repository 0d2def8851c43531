"""Save, copy and remove snapshots of a data directory.

Files of lake, features and reference data are never written in place: a new state is a new file under the old name. So
a snapshot holds links to the files of its moment, costs no room while the data directory has them too, and keeps them
when that goes on. Only what damages the disk damages both; a copy elsewhere (`copy_snapshot`) is safe from that.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from ingestion.lake.lock import single_writer
from ingestion.published.cache import bring_all
from ingestion.snapshots.saved import FILES, FOLDERS, RECORD, SavedFile, SavedSnapshot, folder_of
from pairity.bounded_files import digest_plain_file, read_json_file
from pairity.code_revision import read_code_revision
from pairity.durable import copy_file, discard_folder, link_file, make_folder, move_folder, replace_file, temporary_path
from pairity.errors import ConfigError, DataError, MissingDataError
from pairity.layout import Layout
from pairity.progress import Progress


def save_snapshot(layout: Layout, name: str, progress: Progress, *, now: datetime, note: str = "") -> SavedSnapshot:
    """Save the present state of lake, features, reference data and settings under a name that no snapshot has.

    Nothing may write meanwhile: DataError names who does. ConfigError where the name is taken, MissingDataError where
    nothing is stored. It is filled under a hidden name: one that is there is whole.
    """
    target = folder_of(layout, name)
    if os.path.lexists(target):
        raise ConfigError(f"there is a snapshot {name!r} already", "give it another name, or remove that one first")
    with single_writer(layout.root):
        bring_all(layout.root)  # a placeholder's bytes are in an object store, and a snapshot stands alone
        names = list(_list_files(layout.root))
        if not any(path.startswith("lake/") for path in names):
            raise MissingDataError(
                f"nothing is stored in {layout.root} that a snapshot could hold", "run `pairity ingest` first"
            )
        unfinished = temporary_path(target)
        progress.stage("snapshot", len(names))
        try:
            make_folder(unfinished)
            files = {path: _take(layout.root / path, unfinished / path, progress) for path in names}
            revision = read_code_revision().commit or "unknown"
            saved = SavedSnapshot(
                name=name,
                saved_at=now,
                snapshot_id=_read_raw_snapshot(layout),
                code_revision=revision,
                note=note,
                files=files,
            )
            replace_file(unfinished / RECORD, saved.to_bytes())
            move_folder(unfinished, target)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    return saved


def copy_snapshot(layout: Layout, saved: SavedSnapshot, target: Path, progress: Progress) -> None:
    """Write the snapshot's files into the new data directory `target`, and check each on the way.

    ConfigError where something stands there; DataError where a file is missing or not what was saved: nothing is left
    at `target` then.
    """
    if os.path.lexists(target):
        raise ConfigError(f"{target} is there already", "name a folder that is not there")
    source = folder_of(layout, saved.name)
    make_folder(target.parent)
    unfinished = temporary_path(target)
    progress.stage("copy", len(saved.files))
    try:
        make_folder(unfinished)
        for path, file in saved.files.items():
            try:
                copy_file(source / path, unfinished / path)
            except FileNotFoundError:
                raise DataError(f"snapshot {saved.name!r} lacks {path}", "use another snapshot, or a copy") from None
            if digest_plain_file(unfinished / path) != file.sha256:
                raise DataError(
                    f"{path} of snapshot {saved.name!r} is not what was saved", "use another snapshot, or a copy"
                )
            progress.advance(1)
        move_folder(unfinished, target)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def count_freed_bytes(layout: Layout, doomed: Sequence[SavedSnapshot]) -> int:
    """Return how many bytes of the disk only these snapshots hold: what removing them gives back."""
    links: dict[tuple[int, int], int] = {}
    sizes: dict[tuple[int, int], tuple[int, int]] = {}
    for saved in doomed:
        for path in saved.files:
            try:
                found = (folder_of(layout, saved.name) / path).stat()
            except FileNotFoundError:
                continue
            key = (found.st_dev, found.st_ino)
            links[key] = links.get(key, 0) + 1
            sizes[key] = (found.st_nlink, found.st_size)
    return sum(size for key, (count, size) in sizes.items() if links[key] >= count)


def remove_snapshots(layout: Layout, doomed: Sequence[SavedSnapshot]) -> None:
    """Remove snapshots whole; the data directory and the other snapshots keep their files."""
    for saved in doomed:
        discard_folder(folder_of(layout, saved.name))


def _list_files(root: Path) -> Iterator[str]:
    """Yield the paths below `root` that belong to a snapshot, in order; what is being written is none of them."""
    for name in FILES:
        if (root / name).is_file():
            yield name
    for folder in FOLDERS:
        found = (path.relative_to(root) for path in (root / folder).rglob("*") if path.is_file())
        yield from sorted(path.as_posix() for path in found if not any(part.startswith(".") for part in path.parts))


def _take(source: Path, target: Path, progress: Progress) -> SavedFile:
    link_file(source, target)
    progress.advance(1)
    return SavedFile(target.stat().st_size, digest_plain_file(target))


def _read_raw_snapshot(layout: Layout) -> str | None:
    path = layout.features / "snapshot.json"
    return str(read_json_file(path)["snapshot_id"]) if path.is_file() else None
