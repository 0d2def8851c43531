"""Going on from a newer published state with changes of one's own: rows are merged, features are computed again.

A partition of the lake that others have left alone stays as it is here. Of one that both have changed the own rows are
put aside, the published file is taken, and the rows are written into it as any other rows are: repetitions are dropped,
corrections added. Features follow from rows, so the own ones go, and their months are due again. Of reference data and
quarantine a file that both have changed is kept in `.published/set-aside`, and the published one is taken.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from feature_repo.placeholders import Placeholder, bring, fetch
from feature_repo.raw_datasets import find_dataset
from feature_repo.stored_tables import read_stored
from ingestion.lake import Lake
from ingestion.lake.manifest import read_manifest
from ingestion.lake.partitions import MANIFEST, PART, parse_month
from ingestion.published.checkout import take_over
from ingestion.published.directory import Directory, Known
from ingestion.published.state import SETTINGS, Files, PublishedFile, is_never_deleted
from pairity.bounded_files import read_json_file
from pairity.bounded_json import OWN_FILE, parse_json
from pairity.durable import discard_folder, link_file, make_folder, move_folder, remove_unfinished, temporary_path
from pairity.errors import ConfigError, DataError
from pairity.universe import short_name

MakeLake = Callable[[str], Lake]
"""Return the lake of a venue in this data directory."""


@dataclass(frozen=True, slots=True)
class Merge:
    """Outcome of taking over a state."""

    files: int = 0
    """Files that were changed here."""
    merged: int = 0
    """Partitions of the lake whose rows were written into a newer state of theirs."""
    features_dropped: bool = False
    set_aside: tuple[str, ...] = ()


def find_own(local: Files, *states: Files) -> dict[str, PublishedFile | None]:
    """Return the files that are in none of the states as they are here; None for those that are gone here.

    A file that is never deleted and is gone here is not the directory's own: it is taken from the state.
    """
    paths = {path for files in (local, *states) for path in files}
    return {
        path: local.get(path)
        for path in sorted(paths)
        if all(local.get(path) != files.get(path) for files in states)
        and not (path not in local and is_never_deleted(path))
    }


def merge(directory: Directory, head: Known, local: Files, make_lake: MakeLake, *, now: datetime) -> Merge:
    """Make the directory go on from `head`, its own changes included, as far as the module's docstring says.

    With the writer lock held, and no commit of the lake waiting. It may be killed at any step and called again.
    ConfigError where the data of the two were made with different settings.
    """
    base, target = directory.list_files(directory.read_base()), directory.read_target()
    if target is not None:  # its files may be half written; other folders have writers without the lock
        remove_unfinished(directory.root / "features")
    published = directory.list_files(head)
    own = find_own(local, base, published, *([directory.list_files(target)] if target else []))
    kept, stashed, aside, dropped = set(), {}, [], False
    for path, file in own.items():
        if path.startswith("features/"):
            dropped = True
        elif path.startswith("lake/"):
            folder = path.rpartition("/")[0]
            if all(base.get(one) == published.get(one) for one in (f"{folder}/{PART}", f"{folder}/{MANIFEST}")):
                kept.add(path)
            else:
                stashed[path] = file
        elif base.get(path) == published.get(path):
            kept.add(path)
        elif path == SETTINGS:
            _require_same_settings(directory, published[SETTINGS] if file is not None else None)
        elif file is not None:
            aside.append(path)
    for path, file in own.items():  # where the directory's note of its state was lost; before anything is changed
        if file is not None and file.is_placeholder and path.startswith("lake/"):
            bring(directory.root / path)
    _link(directory, stashed, _next(directory.folder / "stash"))
    _link(directory, dict.fromkeys(aside), _next(directory.folder / "set-aside"))
    directory.begin(head)
    files = take_over(directory, local, published, kept)
    merged = _write_stashed(directory, make_lake, now)
    directory.settle(head)
    directory.forget_listings(head)
    return Merge(files, merged, dropped, tuple(aside))


def _require_same_settings(directory: Directory, file: PublishedFile | None) -> None:
    """Raise ConfigError where the remembered settings of the directory are not those of the published state."""
    if file is None:
        return
    wanted, path = Placeholder(file.sha256, file.size), directory.root / SETTINGS
    theirs = parse_json(fetch(directory.objects.address, wanted, SETTINGS, directory.objects), OWN_FILE)
    ours = read_json_file(path)
    if ours.get("settings") != theirs.get("settings"):
        raise ConfigError(
            f"the data in {directory.objects.address} were made with other settings than those in {directory.root}: "
            f"{path}",
            f"to take theirs, delete {path}; to keep these, name another place in cluster.lake and a new PAIRITY_HOME",
        )


def is_unfinished(directory: Directory) -> bool:
    """Return whether a process was killed while it took over a state."""
    return directory.read_target() is not None or any((directory.folder / "stash").glob("[0-9]*"))


def _link(directory: Directory, paths: Mapping[str, object], folder: Path) -> None:
    """Keep files under another name: all of them, or none."""
    if not paths:
        return
    make_folder(folder.parent)
    unfinished = temporary_path(folder)
    try:
        for path in paths:
            link_file(directory.root / path, unfinished / path)
        move_folder(unfinished, folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _next(folder: Path) -> Path:
    numbers = [int(path.name) for path in folder.glob("[0-9]*")]
    return folder / str(max(numbers, default=0) + 1)


def _write_stashed(directory: Directory, make_lake: MakeLake, now: datetime) -> int:
    count = 0
    for stash in sorted((directory.folder / "stash").glob("[0-9]*"), key=lambda path: int(path.name)):
        for path in sorted(stash.rglob(MANIFEST)):
            _write_partition(path.parent, make_lake, now)
            count += 1
        discard_folder(stash)
    return count


def _write_partition(folder: Path, make_lake: MakeLake, now: datetime) -> None:
    """Write the rows and the coverage of a partition that was put aside into the lake."""
    manifest = read_manifest(folder / MANIFEST)
    assert manifest is not None
    *_, dataset, venue, instrument, month = (part.rpartition("=")[2] for part in folder.parts)
    part = folder / PART
    rows = find_dataset(dataset).conform(read_stored(part)) if part.exists() else find_dataset(dataset).empty()
    parse_month(month)
    lake, asset = make_lake(venue), short_name(instrument)
    try:
        lake.write(dataset, asset, rows, covered=manifest.coverage)
    except DataError:
        # The other has another row of the same instant, said to be known at the same time: ours came later
        lake.write(dataset, asset, rows, covered=manifest.coverage, arrived_at=now)
