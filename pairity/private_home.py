"""The data directory as a private place: its owner, its mode, and the folders above it."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Callable
from pathlib import Path

from pairity.errors import ConfigError, PrivacyError
from pairity.private_files import FOLDER_MODE, others_can_write

_OF_OTHERS = 0o077
_OURS = frozenset(
    {"lake", "features", "feast", "mlflow", "gx", "quarantine", "staging", "reports", "reference", "journal.db"}
    | {"settings.json", ".settings.lock"}
    | {".writer.lock", ".lake.generation", "retrain.lock", ".pairity-demo"}
)
"""Entries by which a data directory is known."""
_DEMO = "demo-"
_ELSEWHERE = "choose another PAIRITY_HOME"


def secure_home(root: Path, say: Callable[[str], None]) -> None:
    """Make sure that nobody else can read or replace what lies in the data directory; it need not exist yet.

    One that others can enter is closed to them (mode 0700), which is said. Raises PrivacyError where it, or a link in
    its place, belongs to another user, where it is open and not a data directory of ours, and where others can rename
    it because a folder above it is theirs, or open to them.
    """
    real = require_own_home(root)
    if real is None:
        return
    try:
        handle = os.open(real, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # a link to a folder that is yet to be made
    except NotADirectoryError:
        raise ConfigError(f"{root} is no folder", _ELSEWHERE) from None
    try:
        found = os.fstat(handle)
        _require_own(root, found)
        mode = stat.S_IMODE(found.st_mode)
        if mode & _OF_OTHERS:
            _close(root, handle, mode)
            say(f"{root} was open to other users (mode {mode:03o}); it is closed to them now (mode {FOLDER_MODE:o})")
    finally:
        os.close(handle)


def require_own_home(root: Path) -> Path | None:
    """Return where a data directory really is, None where it does not exist; nothing is changed.

    Raises PrivacyError where it, or a link in its place, belongs to another user, and where others can put another one
    there.
    """
    _require_safe_parents(root)
    try:
        link = os.lstat(root)
    except FileNotFoundError:
        return None
    _require_own(root, link)
    real = root.resolve()
    if real != root and stat.S_ISLNK(link.st_mode):
        _require_safe_parents(real)
    return real


def _close(root: Path, handle: int, mode: int) -> None:
    """Take what others may do from the folder; PrivacyError where it is not ours alone, or cannot be closed."""
    entries = os.listdir(handle)
    # A mistyped PAIRITY_HOME must not close a folder that others need
    ours = not mode & stat.S_ISVTX and (not entries or any(_is_ours(name) for name in entries))
    try:
        if ours:
            os.fchmod(handle, FOLDER_MODE)
            return
        why = f"others can enter {root} (mode {mode:03o}), and it holds what pairity has not made"
    except OSError as error:
        why = f"others can enter {root} (mode {mode:03o}), and it cannot be closed to them: {error.strerror}"
    raise PrivacyError(why, f"{_ELSEWHERE}, or run: chmod {FOLDER_MODE:o} {shlex.quote(str(root))}")


def _is_ours(name: str) -> bool:
    return name in _OURS or name.startswith(_DEMO)


def _require_own(root: Path, found: os.stat_result) -> None:
    if found.st_uid != os.geteuid():
        raise PrivacyError(f"{root} belongs to user {found.st_uid}, not to user {os.geteuid()}", _ELSEWHERE)


def _require_safe_parents(root: Path) -> None:
    """Raise PrivacyError where somebody else can put another home there.

    So can the owner of a folder above, and all others, or its group, where it is open to them and not sticky.
    """
    for folder in root.parents:
        try:
            found = folder.stat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        if found.st_uid not in {0, os.geteuid()}:
            raise PrivacyError(f"{folder} belongs to user {found.st_uid}, and {root} lies in it", _ELSEWHERE)
        if others_can_write(found) and not found.st_mode & stat.S_ISVTX:
            whom = "all" if found.st_mode & stat.S_IWOTH else f"group {found.st_gid}"
            raise PrivacyError(
                f"{folder} is open to {whom} (mode {stat.S_IMODE(found.st_mode):03o}), and {root} lies in it",
                f"{_ELSEWHERE}, or run: chmod go-w {shlex.quote(str(folder))}",
            )
