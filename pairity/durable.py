"""Durable files and locks: how everything that somebody reads later, or that must survive a crash, is written.

A file is replaced in four steps, and their order is what makes it safe:

1. The new content goes into a temporary file in the same folder. A rename across file systems would be a copy.
2. The temporary file is flushed. Otherwise its new name could reach the disk before its content does.
3. It is renamed over the old file. Readers see the old file until then and the new one from then on.
4. The folder is flushed. A name is an entry of its folder and reaches the disk on its own.

A process that is killed at any moment, and a machine that loses its power, therefore leave the old file or the new one,
never half of one. What a killed process may leave is a hidden temporary file, `.<name>.<pid>.<random>.tmp`.

What is written is private (`pairity.private_files`): mode 0600, folders 0700, whatever the umask, and never through a
link that stands where the file belongs: the link is replaced.

`durable=False` leaves out steps 2 and 4: a killed process does no harm, a power failure may leave a torn file. It is
for data that can be made again and for readers that notice a torn file.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import IO

from pairity.errors import PrivacyError
from pairity.private_files import FILE_MODE, make_private_folder, open_private

_SUFFIX = ".tmp"
_STREAM_FOLDERS = (Path("/dev"), Path("/dev/fd"), Path("/proc/self/fd"))
# No file takes that long to write: an older temporary file belongs to a process that was killed.
_ABANDONED_AFTER_S = 3600.0
_PIECE_BYTES = 1 << 16
_COPIED_BYTES = 1 << 20
_FLUSHED_SINGLY = 2000
"""Files that are flushed one by one; for more the system flushes all that it has."""
_NO_LINKS = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS}
"""Errors of a file system that has no links, none across this boundary, or no more of this file."""


class AlreadyLockedError(Exception):
    """Refusal of a lock that another process has; `owner` is that process's pid as it wrote it down, or `unknown`."""

    def __init__(self, owner: str) -> None:
        super().__init__(f"locked by process {owner}")
        self.owner = owner


def replace_file(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Put `content` at `path`; the folder is made if needed.

    OSError (no space, no permission) leaves the old file as it was and no temporary one.
    """
    replace_file_with(path, lambda temporary: temporary.write_bytes(content), durable=durable)


def replace_file_with(path: Path, write: Callable[[Path], object], *, durable: bool = True) -> None:
    """Put at `path` the file that `write` writes to the path it is given; the folder is made if needed.

    Whatever `write` raises leaves the old file as it was and no temporary one. A link is replaced, and what it points
    to stays as it is. A pipe or a terminal that a person named as output is written into: a rename would put a file in
    its place; PrivacyError for one of another user.
    """
    if _is_stream(path):
        write(path)
        return
    make_folder(path.parent, durable=durable)
    _remove_abandoned(path)
    temporary = temporary_path(path)
    # Made here, because writers open what they are given: in a shared folder a link might wait for them
    os.close(open_private(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    try:
        write(temporary)
        _make_private(temporary)
        if durable:
            _flush(temporary)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        _flush(path.parent)


def replace_file_with_zeros(path: Path, head: bytes, size: int) -> None:
    """Put at `path` a file of `size` bytes that begins with `head`; the zeros behind it take no room on the disk."""

    def write(temporary: Path) -> None:
        with temporary.open("r+b") as file:
            file.write(head)
            file.truncate(size)

    replace_file_with(path, write, durable=False)


def fill_file(path: Path, content: bytes, head: int) -> None:
    """Write `content` into the file that is at `path`, its first `head` bytes last, when the others are on the disk.

    Until then the file begins as it did. Where another file takes its name meanwhile, that one stays as it is.
    """
    with os.fdopen(open_private(path, os.O_WRONLY), "wb", buffering=0) as file:
        file.seek(head)
        rest = memoryview(content)[head:]
        while rest:
            rest = rest[file.write(rest) :]
        file.truncate(len(content))
        os.fsync(file.fileno())
        file.seek(0)
        file.write(content[:head])


def flush_files(paths: Sequence[Path]) -> None:
    """Wait until files that were not flushed are on the disk, those that are gone too, with the names of all."""
    if len(paths) > _FLUSHED_SINGLY:
        os.sync()
        return
    for path in paths:
        if path.exists():
            _flush(path)
    for folder in sorted({path.parent for path in paths}):
        if folder.exists():
            _flush(folder)


def append_line(path: Path, line: str) -> None:
    """Append `line` (UTF-8) and a line feed to a journal in an existing folder; it is on the disk on return."""
    is_new = not path.exists()
    handle = open_private(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    with os.fdopen(handle, "a", encoding="utf-8") as file:
        file.write(f"{line}\n")
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        _flush(path.parent)


def append_lines(path: Path, lines: Sequence[str]) -> None:
    """Append lines (UTF-8) to a file in an existing folder; all of them are on the disk on return.

    What a killed process left of a line (no line feed) is cut off first. Writers take turns (`take_turns`).
    """
    is_new = not path.exists()
    with os.fdopen(open_private(path, os.O_RDWR | os.O_CREAT), "r+b") as file:
        content_end = _find_last_line_end(file)
        file.truncate(content_end)
        file.seek(content_end)
        file.write("".join(f"{line}\n" for line in lines).encode())
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        _flush(path.parent)


def open_log(path: Path) -> IO[bytes]:
    """Open an empty file for the output of another process; the folder is made if needed."""
    make_private_folder(path.parent)
    return os.fdopen(open_private(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb")


def rename_flushed(source: Path, target: Path, *, durable: bool = True) -> None:
    """Rename a file whose content is on the disk already over `target`, in the same folder."""
    os.replace(source, target)
    if durable:
        _flush(target.parent)


def move_folder(finished: Path, target: Path, *, durable: bool = True) -> None:
    """Give a folder that was filled under a temporary name its own name; `target` must not exist or be empty."""
    # From the leaves up: an entry must not be on the disk before what it names.
    for folder, _, names in os.walk(finished, topdown=False):
        for name in names:
            _make_private(Path(folder, name))
            if durable:
                _flush(Path(folder, name))
        if durable:
            _flush(Path(folder))
    rename_flushed(finished, target, durable=durable)


def make_folder(folder: Path, *, durable: bool = True) -> None:
    """Make a private folder and its parents, so that what is flushed into it survives a power failure too."""
    made = make_private_folder(folder)
    if durable:
        for path in reversed(made):
            _flush(path.parent)


def discard_folder(folder: Path) -> None:
    """Delete a folder: at one moment it is there whole, at the next it is not. It is not flushed."""
    hidden = temporary_path(folder)
    folder.rename(hidden)
    shutil.rmtree(hidden)


def temporary_path(path: Path) -> Path:
    """Where this process prepares what will be called `path`; its ending is none that a reader looks for.

    Every call gives another name, which nobody can foresee.
    """
    # Two that write the same file are kept apart: the last rename wins, and both files are whole.
    return path.with_name(f".{path.name}.{os.getpid()}.{token_hex(4)}{_SUFFIX}")


def link_file(source: Path, target: Path) -> None:
    """Give a file that is never written in place a second name, in a folder that is made; a copy where links cannot be.

    It is not flushed: `move_folder` does that for the folder that is being filled.
    """
    make_private_folder(target.parent)
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        copy_file(source, target)


def copy_file(source: Path, target: Path) -> None:
    """Copy a file's bytes into a new private file, in a folder that is made; it is not flushed."""
    make_private_folder(target.parent)
    with (
        source.open("rb") as given,
        os.fdopen(open_private(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as made,
    ):
        shutil.copyfileobj(given, made, _COPIED_BYTES)


def remove_flushed(paths: Iterable[Path], *, durable: bool = True) -> None:
    """Delete files that may be gone already; on return no power failure brings them back."""
    folders = set()
    for path in paths:
        path.unlink(missing_ok=True)
        folders.add(path.parent)
    if durable:
        for folder in sorted(folder for folder in folders if folder.exists()):
            _flush(folder)


def remove_unfinished(root: Path) -> None:
    """Delete what killed processes were writing anywhere below `root`; only for whoever is the only writer there."""
    for left_over in list(root.rglob(f".*{_SUFFIX}")):
        if left_over.is_dir() and not left_over.is_symlink():
            shutil.rmtree(left_over)
        else:
            left_over.unlink(missing_ok=True)


def lock_exclusively(path: Path) -> IO[str]:
    """Lock the file, making it and its folder if needed; the lock lasts until the returned file is closed.

    The lock belongs to the open file: it ends with the process, however that ends, and needs no cleaning up.
    AlreadyLockedError where another process has it; nothing is waited for.
    """
    make_private_folder(path.parent)
    # Not emptied: the owner's pid must still be there when the lock is refused
    file = os.fdopen(open_private(path, os.O_RDWR | os.O_APPEND | os.O_CREAT), "a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        owner = file.read().strip() or "unknown"
        file.close()
        raise AlreadyLockedError(owner) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


@contextmanager
def take_turns(path: Path) -> Iterator[None]:
    """Wait until no other process is inside this block for the same lock file; make the file and its folder."""
    make_private_folder(path.parent)
    with os.fdopen(open_private(path, os.O_WRONLY | os.O_CREAT), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _find_last_line_end(file: IO[bytes]) -> int:
    """Return the place after the last line feed of a file; 0 where there is none."""
    end = file.seek(0, os.SEEK_END)
    while end:
        begin = max(0, end - _PIECE_BYTES)
        file.seek(begin)
        place = file.read(end - begin).rfind(b"\n")
        if place >= 0:
            return begin + place + 1
        end = begin
    return 0


def _is_stream(path: Path) -> bool:
    """Return whether `path` is a pipe, a terminal or another device; PrivacyError where it is another user's."""
    # /dev/stdout is a link, to a file even where the output is redirected into one
    if path.parent in _STREAM_FOLDERS:
        return True
    try:
        found = path.stat()
    except OSError:
        return False
    if stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode):
        return False
    if not {found.st_uid, path.lstat().st_uid} <= {os.geteuid(), 0}:
        raise PrivacyError(f"{path} belongs to user {found.st_uid}", "name another file")
    return True


def _make_private(path: Path) -> None:
    """Take what others may do from a file that a library made."""
    if stat.S_IMODE(path.lstat().st_mode) != FILE_MODE:
        path.chmod(FILE_MODE)


def _flush(path: Path) -> None:
    """Wait until a file's content, or a folder's entries, are on the disk."""
    # fsync flushes the file whoever wrote it: a library may have written and closed it before.
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove_abandoned(path: Path) -> None:
    """Delete what processes that were killed long ago had prepared for the name of `path`."""
    oldest = time.time() - _ABANDONED_AFTER_S
    with os.scandir(path.parent) as entries:
        for entry in entries:
            # Names first: a stat of every file in the folder would cost more than the write.
            if entry.name.startswith(f".{path.name}.") and entry.name.endswith(_SUFFIX):
                try:
                    if entry.stat().st_mtime < oldest:
                        os.unlink(entry.path)
                except FileNotFoundError:  # its writer has just renamed it, or another process removed it
                    continue
