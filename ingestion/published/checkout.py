"""Taking over a published state: the data directory's files become those that its listings name.

Readers of the directory take no lock, so the order matters: a partition of the lake is replaced as by any writer, a
compaction's note of retired files comes before the file that replaces them, and the ledger of features comes last. It
may be killed at any step and begun again. The caller has the writer lock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from feature_repo.placeholders import HEADER, Placeholder, fetch, write_placeholder
from feature_repo.view_files import RETIRED
from ingestion.lake.generation import Generation
from ingestion.lake.partitions import MANIFEST, NEXT_MANIFEST, PART
from ingestion.published.directory import Directory
from ingestion.published.state import Files, PublishedFile
from pairity.bounded_files import read_file
from pairity.bounded_numbers import OutOfBoundsError
from pairity.digest import digest_bytes
from pairity.durable import flush_files, remove_flushed, rename_flushed, replace_file


def take_over(directory: Directory, local: Files, target: Files, kept: Collection[str] = ()) -> int:
    """Make the files of `target` those of the directory, whose own are `local`; return how many were changed.

    `kept` are paths that stay as they are. Errors as `placeholders.fetch`.
    """
    changed = {path for path in {*local, *target} if local.get(path) != target.get(path)} - set(kept)
    if not changed:
        return 0
    generation = Generation(directory.root / ".lake.generation")
    generation.begin(durable=True)
    of_lake = {path for path in changed if path.startswith("lake/")}
    for folder in sorted({path.rpartition("/")[0] for path in of_lake}):
        _take_partition(directory, folder, of_lake, target)
    others = sorted(changed - of_lake, key=_rank)
    coming = [path for path in others if path in target]
    for path in (path for path in coming if _rank(path)[0] < _LEDGER):
        _put(directory, path, target[path])
    _remove(directory, (path for path in others if path not in target))
    for path in (path for path in coming if _rank(path)[0] == _LEDGER):
        _put(directory, path, target[path])
    flush_files([directory.root / path for path in sorted(changed)])
    generation.settle()
    return len(changed)


AHEAD = "ahead"
"""Folder with the bytes of files of a state that is not taken over yet (`ahead.py`)."""
_NOTE, _FILE, _LEDGER = range(3)


def _rank(path: str) -> tuple[int, str]:
    if path.endswith(f"/{RETIRED}"):
        return _NOTE, path
    return _LEDGER if path.startswith("features/") and path.count("/") == 1 else _FILE, path


def _take_partition(directory: Directory, folder: str, changed: set[str], target: Files) -> None:
    """Replace file and manifest of a partition in the three steps that `lake.recovery` can complete or undo."""
    own = {path for path in changed if path.rpartition("/")[0] == folder}
    part, manifest = f"{folder}/{PART}", f"{folder}/{MANIFEST}"
    if manifest in own and manifest in target:
        _put(directory, manifest, target[manifest], directory.root / folder / NEXT_MANIFEST)
    if part in own and part in target:
        _put(directory, part, target[part])
    if manifest in own and manifest in target:
        rename_flushed(directory.root / folder / NEXT_MANIFEST, directory.root / manifest, durable=False)
    _remove(directory, (path for path in sorted(own, reverse=True) if path not in target))


def _put(directory: Directory, path: str, file: PublishedFile, place: Path | None = None) -> None:
    place = place or directory.root / path
    if file.text is not None:
        replace_file(place, file.text.encode(), durable=False)
    elif is_fetched_late(path, file) and (content := _read_ahead(directory, file)) is not None:
        replace_file(place, content, durable=False)
    elif is_fetched_late(path, file):
        write_placeholder(place, file.sha256, file.size)
    else:
        wanted = Placeholder(file.sha256, file.size)
        replace_file(place, fetch(directory.objects.address, wanted, path, directory.objects), durable=False)


def _read_ahead(directory: Directory, file: PublishedFile) -> bytes | None:
    """Return the bytes of a file that were fetched ahead; None where they were not, or a power failure tore them."""
    try:
        content = read_file(locate_ahead(directory, file), file.size)
    except (FileNotFoundError, OutOfBoundsError):
        return None
    return content if digest_bytes(content) == file.sha256 else None


def locate_ahead(directory: Directory, file: PublishedFile) -> Path:
    """Return where the bytes of a file are that were fetched before its state is taken over (`ahead.py`)."""
    return directory.folder / AHEAD / file.sha256


def is_fetched_late(path: str, file: PublishedFile) -> bool:
    """Return whether a file's bytes come when they are needed: Parquet of lake and features."""
    return path.startswith(("lake/", "features/")) and path.endswith(".parquet") and file.size >= HEADER


def _remove(directory: Directory, paths: Iterable[str]) -> None:
    remove_flushed((directory.root / path for path in paths), durable=False)
