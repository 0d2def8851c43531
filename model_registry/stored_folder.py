"""The files of one folder below the artifact store, read so that nobody can change what is read.

A path is walked from the data directory downwards, each step relative to the folder that is already open, and no step
follows a link. Each file is opened once, must be a plain file, and is read once: whoever checks the bytes and whoever
uses them have the same bytes in memory. Swapping files, folders or links while that happens changes nothing any more.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pairity.errors import RegistryError
from pairity.layout import Layout

MAX_FILES = 2000
"""Number of files above which a folder is refused: a run has some dozens, a model at most eight."""
_STORE = ("mlflow", "artifacts")
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK opening a pipe would wait for a writer, should a file be swapped for one at this very moment
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_PIECE_BYTES = 1 << 20
_RESTORE = "restore the data directory from a copy, or train again"

Limit = Callable[[str], int | None]
"""Gives for a file's name the largest number of bytes that it may have; None: the file is not read."""


def stored_path(layout: Layout, parts: Sequence[str]) -> Path:
    """Return the path of a folder of the artifact store, for messages; nothing is looked up."""
    return layout.root.joinpath(*_STORE, *parts)


def read_folder(layout: Layout, parts: Sequence[str], limit: Limit) -> dict[str, bytes]:
    """Return name → content of the files in the folder `parts` of the artifact store, names sorted.

    `limit` sees every name in the folder first, that of subfolders too, and may raise. The data directory itself may be
    reached through links: its owner chose it. Raises FileNotFoundError where the folder does not exist, and
    RegistryError for a link, a subfolder or special file that `limit` wants, for files that are too large or too many,
    and for what cannot be read.
    """
    shown = stored_path(layout, parts)
    with _open_folder(layout, parts) as folder:
        limits = {name: limit(name) for name in _list_names(folder, shown)}
        return {
            name: _read_file(folder, name, shown, most) for name, most in sorted(limits.items()) if most is not None
        }


@contextmanager
def _open_folder(layout: Layout, parts: Sequence[str]) -> Iterator[int]:
    """Yield an open handle of the folder; every part is a plain name."""
    walked = layout.root
    handle = _enter(walked, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, walked)
    try:
        for part in (*_STORE, *parts):
            if part in {"", ".", ".."} or "/" in part or "\0" in part:
                raise RegistryError(f"{part!r} is no name of a folder in {walked}", _RESTORE)
            walked = walked / part
            below = _enter(part, _FOLDER_FLAGS, walked, handle)
            os.close(handle)
            handle = below
        yield handle
    finally:
        os.close(handle)


def _enter(name: str | Path, flags: int, shown: Path, above: int | None = None) -> int:
    try:
        return os.open(name, flags, dir_fd=above)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise RegistryError(
            f"{shown} is no plain folder that can be read: {error.strerror}",
            f"put the folder itself there (only the data directory may be a link); or {_RESTORE}",
        ) from error


def _list_names(folder: int, shown: Path) -> list[str]:
    names: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            names.append(entry.name)
            if len(names) > MAX_FILES:
                raise RegistryError(f"{shown} holds more than {MAX_FILES} files", _RESTORE)
    return names


def _read_file(folder: int, name: str, shown: Path, most: int) -> bytes:
    # A name may hold line breaks, and bytes that are no text
    path = f"{shown}/{name}" if name.isprintable() else f"{shown}/{name!r}"
    try:
        # Asked before opening too: opening a device can do something
        _require_plain(os.stat(name, dir_fd=folder, follow_symlinks=False), path, most)
        handle = os.open(name, _FILE_FLAGS, dir_fd=folder)
        try:
            _require_plain(os.fstat(handle), path, most)
            content = bytearray()
            while piece := os.read(handle, _PIECE_BYTES):
                content += piece
                if len(content) > most:
                    raise _too_large(path, "it grew while it was read", most)
        finally:
            os.close(handle)
    except OSError as error:
        raise RegistryError(f"{path} cannot be read: {error.strerror}", _RESTORE) from error
    return bytes(content)


def _require_plain(found: os.stat_result, path: str, most: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        kinds = {stat.S_IFLNK: "a link", stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
        raise RegistryError(
            f"{path} is {kinds.get(stat.S_IFMT(found.st_mode), 'a device')}, not a plain file",
            "put a copy of the file itself there, or train again",
        )
    if found.st_size > most:
        raise _too_large(path, f"{found.st_size} bytes", most)


def _too_large(path: str, found: str, most: int) -> RegistryError:
    return RegistryError(
        f"{path} is too large: {found}, at most {most} are read",
        f"{_RESTORE}; fewer or shallower trees make a smaller model",
    )
