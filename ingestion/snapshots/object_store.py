"""Snapshots in an object store: lake, features and reference data of a moment, where every machine can fetch them.

An object store has no rename, and a listing of many objects is no moment. So a file is an object that is named by its
content and never replaced, and the snapshot's record, which names all of them, is written last: what it does not name
is not there. Both are conditional writes, which the store refuses where the name is taken. A push that was killed
leaves objects that the next one finds; two pushes of one name cannot both succeed with different content.
"""

from __future__ import annotations

import shutil

from feature_repo.object_store import Objects, open_objects, require_bucket
from ingestion.snapshots.saved import RECORD, SavedSnapshot, folder_of, read_snapshot
from pairity.bounded_files import digest_plain_file, read_file
from pairity.bounded_json import MIB
from pairity.digest import digest_bytes
from pairity.durable import make_folder, move_folder, replace_file, temporary_path
from pairity.errors import ConfigError, DataError, UnknownNameError
from pairity.layout import Layout
from pairity.progress import Progress

_RECORDS = "snapshots"
_LARGEST_RECORD = 1024 * MIB


def push_snapshot(layout: Layout, saved: SavedSnapshot, address: str, progress: Progress) -> int:
    """Write a saved snapshot to the object store at `address`; return how many of its files were not there yet.

    Each file is checked on the way: DataError where one is missing or not what was saved, and for a store that does not
    answer. ConfigError where the store has another snapshot of this name.
    """
    new = 0
    source = folder_of(layout, saved.name)
    progress.stage("push", len(saved.files))
    store = open_objects(address)
    require_bucket(store)
    for path, file in saved.files.items():
        try:
            found = digest_plain_file(source / path)
        except FileNotFoundError:
            raise DataError(f"snapshot {saved.name!r} lacks {path}", "use another snapshot, or a copy") from None
        if found != file.sha256:
            raise DataError(f"{path} of snapshot {saved.name!r} is not what was saved", "use another snapshot")
        new += store.create(_name_object(file.sha256), source / path)
        progress.advance(1)
    record = read_file(source / RECORD, _LARGEST_RECORD)
    if not store.create(_name_record(saved.name), record):
        stored = store.read(_name_record(saved.name), len(record))
        if stored is None or stored[0] != record:
            raise ConfigError(
                f"{address} has another snapshot {saved.name!r} already", "save this one under another name"
            )
    return new


def pull_snapshot(layout: Layout, name: str, address: str, progress: Progress) -> SavedSnapshot:
    """Fetch a snapshot from the object store, check every file, and keep it as a saved one of this data directory.

    UnknownNameError lists those that are there. ConfigError where this directory has a snapshot of the name; DataError
    where an object is missing or is not what the record says, and for a store that does not answer. It is filled under
    a hidden name: one that is there is whole.
    """
    target = folder_of(layout, name)
    if target.exists():
        raise ConfigError(f"there is a snapshot {name!r} already", "remove that one first")
    make_folder(target.parent)
    unfinished = temporary_path(target)
    store = open_objects(address)
    try:
        record = store.read(_name_record(name), _LARGEST_RECORD)
    except FileNotFoundError:
        raise UnknownNameError("snapshot", name, _list_names(store)) from None
    if record is None:
        raise DataError(
            f"the record of snapshot {name!r} in {address} has more than {_LARGEST_RECORD} bytes",
            "it is none that pairity wrote: use another snapshot",
        )
    try:
        make_folder(unfinished)
        replace_file(unfinished / RECORD, record[0])
        saved = read_snapshot(unfinished, name)
        progress.stage("pull", len(saved.files))
        for path, file in saved.files.items():
            try:
                answer = store.read(_name_object(file.sha256), file.size)
            except FileNotFoundError:
                raise DataError(f"{address} lacks {path} of snapshot {name!r}", "push it again") from None
            if answer is None or digest_bytes(answer[0]) != file.sha256:
                raise DataError(f"{path} of snapshot {name!r} is damaged in {address}", "use another snapshot")
            replace_file(unfinished / path, answer[0])
            progress.advance(1)
        move_folder(unfinished, target)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return saved


def require_object_store(address: str | None) -> str:
    """Return the address of the object store; ConfigError where none is set."""
    if address is None:
        raise ConfigError("no object store is set", "set cluster.object_store, for example s3://bucket/pairity")
    return address


def _list_names(store: Objects) -> list[str]:
    return sorted(found.name.rpartition("/")[2].removesuffix(".json") for found in store.list(_RECORDS))


def _name_object(sha256: str) -> str:
    return f"objects/{sha256[:2]}/{sha256}"


def _name_record(name: str) -> str:
    return f"{_RECORDS}/{name}.json"
