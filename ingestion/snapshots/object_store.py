"""Snapshots in an object store: lake, features and reference data of a moment, where every machine can fetch them.

An object store has no rename, and a listing of many objects is no moment. So a file is an object that is named by its
content and never replaced, and the snapshot's record, which names all of them, is written last: what it does not name
is not there. Both are conditional writes, which the store refuses where the name is taken. A push that was killed
leaves objects that the next one finds; two pushes of one name cannot both succeed with different content.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ingestion.snapshots.saved import RECORD, SavedSnapshot, folder_of, read_snapshot
from pairity.bounded_files import digest_plain_file, read_file
from pairity.bounded_json import MIB
from pairity.digest import digest_bytes
from pairity.durable import make_folder, move_folder, replace_file, temporary_path
from pairity.errors import ConfigError, DataError, UnknownNameError
from pairity.layout import Layout
from pairity.progress import Progress

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_RECORDS = "snapshots"
_LARGEST_RECORD = 1024 * MIB
_TRIES, _PATIENCE = 3, timedelta(seconds=30)


def push_snapshot(layout: Layout, saved: SavedSnapshot, address: str, progress: Progress) -> int:
    """Write a saved snapshot to the object store at `address`; return how many of its files were not there yet.

    Each file is checked on the way: DataError where one is missing or not what was saved, and for a store that does not
    answer. ConfigError where the store has another snapshot of this name.
    """
    import obstore
    from obstore.exceptions import AlreadyExistsError

    new = 0
    source = folder_of(layout, saved.name)
    progress.stage("push", len(saved.files))
    with _opened(address) as store:
        for path, file in saved.files.items():
            try:
                found = digest_plain_file(source / path)
            except FileNotFoundError:
                raise DataError(f"snapshot {saved.name!r} lacks {path}", "use another snapshot, or a copy") from None
            if found != file.sha256:
                raise DataError(f"{path} of snapshot {saved.name!r} is not what was saved", "use another snapshot")
            try:
                obstore.put(store, _name_object(file.sha256), source / path, mode="create")
                new += 1
            except AlreadyExistsError:
                pass
            progress.advance(1)
        record = read_file(source / RECORD, _LARGEST_RECORD)
        try:
            obstore.put(store, _name_record(saved.name), record, mode="create")
        except AlreadyExistsError:
            if _read_object(store, _name_record(saved.name), len(record)) != record:
                raise ConfigError(
                    f"{address} has another snapshot {saved.name!r} already", "save this one under another name"
                ) from None
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
    with _opened(address) as store:
        try:
            record = _read_object(store, _name_record(name), _LARGEST_RECORD)
        except FileNotFoundError:
            raise UnknownNameError("snapshot", name, _list_names(store)) from None
        if record is None:
            raise DataError(
                f"the record of snapshot {name!r} in {address} has more than {_LARGEST_RECORD} bytes",
                "it is none that pairity wrote: use another snapshot",
            )
        try:
            make_folder(unfinished)
            replace_file(unfinished / RECORD, record)
            saved = read_snapshot(unfinished, name)
            progress.stage("pull", len(saved.files))
            for path, file in saved.files.items():
                try:
                    content = _read_object(store, _name_object(file.sha256), file.size)
                except FileNotFoundError:
                    raise DataError(f"{address} lacks {path} of snapshot {name!r}", "push it again") from None
                if content is None or digest_bytes(content) != file.sha256:
                    raise DataError(f"{path} of snapshot {name!r} is damaged in {address}", "use another snapshot")
                replace_file(unfinished / path, content)
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


@contextmanager
def _opened(address: str) -> Iterator[ObjectStore]:
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ImportError:
        raise ConfigError("the package obstore is not installed", "pip install 'pairity[cluster]'") from None
    retries: Any = {"max_retries": _TRIES, "retry_timeout": _PATIENCE}
    try:
        yield from_url(address, retry_config=retries)
    except (BaseError, PermissionError) as error:
        said = str(error).strip().splitlines()
        raise DataError(
            f"the object store {address} cannot be used: {said[0][:300] if said else type(error).__name__}",
            "correct cluster.object_store, or its credentials in the variables AWS_…",
        ) from None


def _read_object(store: ObjectStore, name: str, most: int) -> bytes | None:
    """Return an object; None where it has more than `most` bytes, whatever the store says of its size.

    No more than that is kept. FileNotFoundError where it is not there.
    """
    import obstore

    answer = obstore.get(store, name)
    if answer.meta["size"] > most:
        return None
    content = bytearray()
    for piece in answer.stream(min_chunk_size=MIB):
        content += piece
        if len(content) > most:
            return None
    return bytes(content)


def _list_names(store: ObjectStore) -> list[str]:
    import obstore

    found = [entry["path"] for entries in obstore.list(store, prefix=_RECORDS) for entry in entries]
    return sorted(path.rpartition("/")[2].removesuffix(".json") for path in found)


def _name_object(sha256: str) -> str:
    return f"objects/{sha256[:2]}/{sha256}"


def _name_record(name: str) -> str:
    return f"{_RECORDS}/{name}.json"
