"""Private files and folders: made for their owner alone, and never opened through what somebody else has put there.

Modes are set, whatever the umask: 0600 for files, 0700 for folders. A file is opened without following a link in its
place, and used only where it is a file, has one name and belongs to this process's user.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import shlex
import stat
from collections.abc import Iterable
from pathlib import Path

from pairity.errors import PrivacyError

FILE_MODE = 0o600
FOLDER_MODE = 0o700
_OF_OTHERS = 0o077
_WRITABLE_BY_OTHERS = 0o022


def open_private(path: Path, flags: int) -> int:
    """Open a file for writing and return its descriptor; `flags` are those of `os.open`, and O_TRUNC is allowed.

    A new file gets mode 0600, and one that is there is given it. Raises PrivacyError for a link, for anything that is
    no file, for a file of another user and for one that has a second name; OSError as `os.open` does.
    """
    try:
        # Emptied only when it is known whose it is; a pipe without a reader must not block
        handle = os.open(path, flags & ~os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, FILE_MODE)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.EMLINK} and path.is_symlink():
            raise PrivacyError(f"{path} is a link", f"remove it, if it is yours: rm {shlex.quote(str(path))}") from None
        if error.errno == errno.ENXIO:
            raise PrivacyError(f"{path} is no file", "move it away") from None
        raise
    try:
        _require_own_file(path, os.fstat(handle))
        if stat.S_IMODE(os.fstat(handle).st_mode) != FILE_MODE:
            os.fchmod(handle, FILE_MODE)
        os.set_blocking(handle, True)
        if flags & os.O_TRUNC:
            os.ftruncate(handle, 0)
    except BaseException:
        os.close(handle)
        raise
    return handle


def make_private_folder(folder: Path) -> list[Path]:
    """Make a folder and those above it that are missing, each with mode 0700; return those that were made.

    Raises PrivacyError where another user was faster, FileExistsError where something that is no folder is there.
    """
    missing = []
    for candidate in (folder, *folder.parents):
        if candidate.is_dir():
            break
        missing.append(candidate)
    for path in reversed(missing):
        try:
            path.mkdir(mode=FOLDER_MODE)
        except FileExistsError:
            if not path.is_dir():
                raise
            if os.stat(path).st_uid != os.geteuid():
                raise PrivacyError(
                    f"{path} belongs to user {os.stat(path).st_uid}", "choose another PAIRITY_HOME"
                ) from None
        else:
            if stat.S_IMODE(path.stat().st_mode) != FOLDER_MODE:  # a umask that takes from the owner too
                path.chmod(FOLDER_MODE)
    return missing


def find_exposure(path: Path, *, others_may_read: bool = False) -> PrivacyError | None:
    """Return why a file that exists is not safe to use: another user's, or open to others; the remedy is a command."""
    found = path.stat()
    for owner in (path.lstat().st_uid, found.st_uid):  # of a link, and of what it leads to
        if owner not in {os.geteuid(), 0}:
            return PrivacyError(
                f"{path} belongs to user {owner}", "use it only if you trust them: copy it to a file of your own"
            )
    mode = stat.S_IMODE(found.st_mode)
    if others_can_write(found) if others_may_read else mode & _OF_OTHERS:
        wanted = mode & ~_WRITABLE_BY_OTHERS if others_may_read else FILE_MODE
        can = "write" if mode & _WRITABLE_BY_OTHERS else "read"
        return PrivacyError(
            f"others can {can} {path} (mode {mode:03o})", f"run: chmod {wanted:03o} {shlex.quote(str(path.absolute()))}"
        )
    return None


def others_can_write(found: os.stat_result) -> bool:
    """Return whether the mode of a file or folder lets others write.

    So does the group's bit, unless the group is the owner's own: of the same number or name, as systems make one for
    each user.
    """
    if found.st_mode & stat.S_IWOTH:
        return True
    return bool(found.st_mode & stat.S_IWGRP) and found.st_gid != found.st_uid and not _has_own_group(found)


def _has_own_group(found: os.stat_result) -> bool:
    try:
        group = grp.getgrgid(found.st_gid)
        owner = pwd.getpwuid(found.st_uid).pw_name
    except KeyError:
        return False
    return group.gr_name == owner and set(group.gr_mem) <= {owner}


def require_private(paths: Iterable[Path]) -> None:
    """Raise PrivacyError for those that are there and are links, of another user, or open to others.

    The remedy is one command for all of them.
    """
    wide = []
    for path in paths:
        try:
            found = os.lstat(path)
        except FileNotFoundError:
            continue
        if stat.S_ISLNK(found.st_mode):
            raise PrivacyError(f"{path} is a link", "put the file itself there, or point PAIRITY_HOME to its folder")
        _require_own_file(path, found, one_name=False)
        if stat.S_IMODE(found.st_mode) & _OF_OTHERS:
            wide.append(path)
    if wide:
        command = " ".join(shlex.quote(str(path)) for path in wide)
        what = f"others can read {', '.join(str(path) for path in wide)}"
        raise PrivacyError(what, f"run: chmod {FILE_MODE:o} {command}")


def _require_own_file(path: Path, found: os.stat_result, *, one_name: bool = True) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise PrivacyError(f"{path} is no file", "move it away")
    if found.st_uid != os.geteuid():
        raise PrivacyError(f"{path} belongs to user {found.st_uid}", "move it away, or choose another PAIRITY_HOME")
    if one_name and found.st_nlink > 1:
        raise PrivacyError(f"{path} is a second name of another file", "move it away")
