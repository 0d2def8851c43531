"""The folder of the signing key: nobody else may read it, write into it, or put another one in its place.

It lies outside the data directory: whoever can write there must not be able to sign.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pairity.errors import SignatureError

_FOLDER_MODE, _FILE_MODE = 0o700, 0o600
_OTHERS = 0o077
_MOST_BYTES = 16 * 1024 * 1024  # a ledger of tens of thousands of versions; no read of ours is larger


class PrivateFolder:
    """An open folder that was checked; its files are opened relative to it, so that it cannot be exchanged meanwhile.

    Use `opened`.
    """

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self._handle = handle

    def read(self, name: str) -> bytes | None:
        """Return the content of a file; None where it does not exist.

        SignatureError for a link, anything but a file, and a file that others own or may read or write.
        """
        try:
            handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self._handle)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SignatureError(
                f"{self.path / name} cannot be opened: {error.strerror}",
                "it must be a file of yours, not a link: put the file itself there",
            ) from None
        try:
            _require_private(os.fstat(handle), self.path / name, stat.S_ISREG, _FILE_MODE)
        except SignatureError:
            os.close(handle)
            raise
        with os.fdopen(handle, "rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise SignatureError(f"{self.path / name} has more than {_MOST_BYTES} bytes", "restore it from a copy")
        return content

    def write(self, name: str, content: bytes) -> None:
        """Replace a file in one step, flushed to the disk, readable and writable by its owner only."""
        temporary = f".{name}.{os.getpid()}.tmp"
        self._create(temporary, content)
        os.replace(temporary, name, src_dir_fd=self._handle, dst_dir_fd=self._handle)
        os.fsync(self._handle)

    def create(self, name: str, content: bytes) -> bool:
        """Write a file that does not exist yet; return False, and change nothing, where another process was faster."""
        temporary = f".{name}.{os.getpid()}.tmp"
        self._create(temporary, content)
        try:
            # A link appears with its whole content, and is refused where the name exists
            os.link(temporary, name, src_dir_fd=self._handle, dst_dir_fd=self._handle)
        except FileExistsError:
            return False
        finally:
            os.unlink(temporary, dir_fd=self._handle)
        os.fsync(self._handle)
        return True

    def rename(self, name: str, target: str) -> None:
        """Give a file the name of another one, which it replaces."""
        os.replace(name, target, src_dir_fd=self._handle, dst_dir_fd=self._handle)
        os.fsync(self._handle)

    def list_names(self) -> list[str]:
        """Return the names of its files, temporary ones left out, sorted."""
        return sorted(name for name in os.listdir(self._handle) if not name.startswith("."))

    @contextmanager
    def take_turns(self, purpose: str) -> Iterator[None]:
        """Wait until nobody else is inside this block for the same folder and purpose."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(f".{purpose}.lock", flags, _FILE_MODE, dir_fd=self._handle)
        try:
            os.fchmod(handle, _FILE_MODE)  # whatever the umask left out
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _create(self, name: str, content: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._handle)  # of a process that was killed and had our pid
        handle = os.open(name, flags, _FILE_MODE, dir_fd=self._handle)
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, _FILE_MODE)  # whatever the umask left out
            file.write(content)
            file.flush()
            os.fsync(handle)


@contextmanager
def opened(path: Path, *, create: bool = False) -> Iterator[PrivateFolder | None]:
    """Open the folder at `path` for the block; None where it does not exist. With `create`, make it and its parents.

    Raises SignatureError, with the command that mends it, where the folder is a link, belongs to somebody else, or
    others may read it, write into it or exchange it by way of a folder above it.
    """
    handle = _open_folder(path, create=create)
    if handle is None:
        yield None
        return
    try:
        _require_private(os.fstat(handle), path, stat.S_ISDIR, _FOLDER_MODE)
        _require_safe_way(path)
        yield PrivateFolder(path, handle)
    finally:
        os.close(handle)


def _open_folder(path: Path, *, create: bool) -> int | None:
    try:
        if create and not path.exists():
            _make(path)
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SignatureError(
            f"the folder of the signing key, {path}, cannot be used: {error.strerror}",
            "it must be a folder of yours, not a link; PAIRITY_SIGNING_KEY=/another/folder/signing.key names another",
        ) from None


def _make(path: Path) -> None:
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=_FOLDER_MODE, exist_ok=True)
        if folder == path:
            folder.chmod(_FOLDER_MODE)  # whatever the umask left out


def _require_private(found: os.stat_result, path: Path, is_kind: Callable[[int], bool], mode: int) -> None:
    if not is_kind(found.st_mode):
        kind = "folder" if mode == _FOLDER_MODE else "file"
        raise SignatureError(f"{path} is no {kind}", f"move it away: a {kind} of yours belongs there")
    if found.st_uid != os.geteuid():
        raise SignatureError(
            f"{path} belongs to user {found.st_uid}, this process runs as {os.geteuid()}",
            f"run it as its owner, or: chown {os.geteuid()} {path}",
        )
    if stat.S_IMODE(found.st_mode) & _OTHERS:
        raise SignatureError(
            f"{path} has the mode {stat.S_IMODE(found.st_mode):04o}: others may read or write what signs models",
            f"chmod {mode:o} {path}",
        )


def _require_safe_way(path: Path) -> None:
    """Raise SignatureError where somebody else could exchange a folder on the way to `path`."""
    for folder in path.resolve().parents:
        found = folder.stat()
        mode = stat.S_IMODE(found.st_mode)
        if found.st_uid not in {0, os.geteuid()}:
            raise SignatureError(
                f"{folder}, above the signing key, belongs to user {found.st_uid}",
                "keep the key elsewhere: PAIRITY_SIGNING_KEY=/another/folder/signing.key",
            )
        # A group of the owner's own (the same number) has no other members on the systems that make one per user
        wide = mode & stat.S_IWOTH or (mode & stat.S_IWGRP and found.st_gid != found.st_uid)
        if wide and not mode & stat.S_ISVTX:
            raise SignatureError(
                f"{folder}, above the signing key, has the mode {mode:04o}: others may exchange what lies in it",
                f"chmod go-w {folder}",
            )
