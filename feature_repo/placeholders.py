"""Placeholders: files of lake and features that are named here and whose bytes are still in the object store.

A data directory that follows an object store (`cluster.lake`) has every file of the published state under its name. The
bytes of a Parquet file come when it is read for the first time, and are compared with the digest that the placeholder
names. A placeholder has the size of what it stands for and takes no room; whoever reads it by mistake finds no Parquet.

Bytes are put into the placeholder itself, its beginning last. Where a writer has given the name to another file in the
meantime, they go into a file that has no name any more, and never over newer rows.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from feature_repo import object_store
from pairity.bounded_files import open_plain_file, read_json_file
from pairity.bounded_numbers import OutOfBoundsError
from pairity.digest import digest_bytes
from pairity.durable import fill_file, replace_file_with_zeros
from pairity.errors import DataError, LakeCorruptError

FOLDER = ".published"
"""Folder of a data directory with what it knows of its object store."""
STORE = "store.json"
_USED_S = 600.0
_MAGIC = b"\0\0\0\0pairity placeholder\n"
_DIGITS = 64
HEADER = len(_MAGIC) + _DIGITS
"""Bytes at the beginning of a placeholder; smaller files are fetched at once."""
_SHA256 = re.compile(rb"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Placeholder:
    """What a placeholder stands for."""

    sha256: str
    size: int


def name_object(sha256: str) -> str:
    """Return the name of the object with this content."""
    return f"files/{sha256[:2]}/{sha256}"


def write_placeholder(path: Path, sha256: str, size: int) -> None:
    """Put a placeholder of at least `HEADER` bytes at `path`; what stood there is replaced."""
    assert size >= HEADER
    replace_file_with_zeros(path, _MAGIC + sha256.encode(), size)


def read_placeholder(path: Path) -> Placeholder | None:
    """Return what a file stands for, None where it is no placeholder; errors as `open_plain_file`."""
    with open_plain_file(path) as file:
        head = file.read(HEADER)
        if len(head) < HEADER or not head.startswith(_MAGIC):
            return None
        digest = head[len(_MAGIC) :]
        if not _SHA256.fullmatch(digest):
            raise OutOfBoundsError("is a damaged placeholder")
        return Placeholder(digest.decode(), file.seek(0, 2))


def bring(path: Path) -> None:
    """Fetch the bytes of a placeholder; nothing is done for any other file, or where there is none.

    DataError where the store does not answer or lacks the object, LakeCorruptError where it has other bytes.
    """
    try:
        stands_for = read_placeholder(path)
    except (FileNotFoundError, OutOfBoundsError):  # whoever reads it says what is wrong with it
        return
    if stands_for is None:
        _note_use(path)
        return
    address = _find_address(path)
    fill_file(path, fetch(address, stands_for, str(path)), HEADER)


def fetch(address: str, wanted: Placeholder, what: str, objects: object_store.Objects | None = None) -> bytes:
    """Return the bytes of an object, which are what its name says; errors as `bring`, naming `what`.

    `objects` is the store, where it is open already.
    """
    try:
        answer = (objects or _open(address)).read(name_object(wanted.sha256), wanted.size)
    except FileNotFoundError:
        raise DataError(
            f"{address} lacks {what} (sha256 {wanted.sha256})",
            "run the command again: it was pruned after a newer state was published. Where it stays away, bring the "
            "object back, or run `pairity store publish` in a data directory that has the file",
        ) from None
    if answer is None or len(answer[0]) != wanted.size or digest_bytes(answer[0]) != wanted.sha256:
        raise LakeCorruptError(
            f"{what} is damaged in {address}: {name_object(wanted.sha256)} does not have the digest in its name",
            "delete that object, and run `pairity store publish` where the data directory has the file",
        )
    return answer[0]


def _note_use(path: Path) -> None:
    """Let a file's time of access say that it is used: where room is made for others, it stays. Its content does not
    change, and many file systems note no access themselves.
    """
    with suppress(OSError):
        status = os.stat(path)
        if time.time() - status.st_atime > _USED_S:
            os.utime(path, ns=(time.time_ns(), status.st_mtime_ns))


def _find_address(path: Path) -> str:
    for folder in path.absolute().parents:
        note = folder / FOLDER / STORE
        if note.is_file():
            return str(read_json_file(note)["address"])
    raise LakeCorruptError(
        f"{path} is a placeholder of an object store, and no folder above it says of which",
        "copy whole data directories, or use `pairity snapshot`",
    )


@lru_cache(maxsize=4)
def _open(address: str) -> object_store.Objects:
    return object_store.open_objects(address)
