"""Files that others may have planted or damaged: read whole, within a limit, and only where they are plain files.

A named pipe would be waited for without end, a device has none, and a file can grow while it is read.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from pairity.bounded_json import OWN_FILE, JsonLimits, parse_json
from pairity.bounded_numbers import OutOfBoundsError


@contextmanager
def open_plain_file(path: Path) -> Iterator[BinaryIO]:
    """Open a plain file for reading.

    FileNotFoundError where there is none; OutOfBoundsError for everything else that stands there or cannot be read.
    """
    try:
        # Not waiting: a pipe without a writer would never open.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise OutOfBoundsError(f"cannot be opened: {error.strerror}") from None
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OutOfBoundsError("is a folder, a pipe or a device instead of a file")
        with os.fdopen(handle, "rb", closefd=False) as file:
            yield file
    except OSError as error:
        raise OutOfBoundsError(f"cannot be read: {error.strerror}") from None
    finally:
        os.close(handle)


def read_file(path: Path, most: int) -> bytes:
    """Return the content of a plain file of at most `most` bytes; errors as `open_plain_file`."""
    with open_plain_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise OutOfBoundsError(f"has {size} bytes, more than the limit of {most}")
        # Room for what is there, not for all that might be: a limit may be a gigabyte, a file a kilobyte.
        content = file.read(size + 1)
        if len(content) > size:  # it grows
            content += file.read(most + 1 - len(content))
    if len(content) > most:
        raise OutOfBoundsError(f"has more than the limit of {most} bytes")
    return content


def require_plain_database(path: Path) -> None:
    """Raise OutOfBoundsError where something that is no file stands in the place of a SQLite database or beside it.

    SQLite opens what it finds there, and would wait for the other end of a pipe. A database need not exist.
    """
    for ending in ("", "-wal", "-shm", "-journal"):
        place = path.with_name(f"{path.name}{ending}")
        try:
            found = os.stat(place)
        except OSError:
            continue  # SQLite says what is wrong with it, and does not wait
        if not stat.S_ISREG(found.st_mode):
            raise OutOfBoundsError(f"{place.name} is a folder, a pipe or a device instead of a file")


def digest_plain_file(path: Path) -> str:
    """Return the SHA-256 of a plain file's bytes, hexadecimal; errors as `open_plain_file`."""
    with open_plain_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # a buffered reader


def read_text_file(path: Path, most: int) -> str:
    """Return the text of a plain file in UTF-8; errors as `read_file`."""
    try:
        return read_file(path, most).decode()
    except UnicodeDecodeError as error:
        raise OutOfBoundsError(f"is not UTF-8: byte {error.start}") from None


def read_json_file(path: Path, limits: JsonLimits = OWN_FILE) -> Any:  # noqa: ANN401 - whatever is in it
    """Return the value of a JSON file; errors as `read_file` and `parse_json`."""
    return parse_json(read_file(path, limits.size), limits)


def refuse_leading_out(folder: Path, path: Path) -> None:
    """Raise OutOfBoundsError where `path`, or a folder between it and `folder`, is a link to somewhere else."""
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # links that lead in a circle; Pythons differ in how they say so
        inside = False
    if not inside:
        raise OutOfBoundsError(f"is a link that leads out of {folder}")
