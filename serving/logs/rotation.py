"""Rotating files: `serve.jsonl` is written, `serve.jsonl.1` is the one before it, and so on; the oldest are removed."""

from __future__ import annotations

import os
from pathlib import Path

from pairity.durable import take_turns
from pairity.private_files import make_private_folder, open_private


class RotatingFile:
    """A file of lines that is closed at `max_bytes`; `keep` files are kept in all. Several processes may write to it.

    Not flushed to the disk line by line: a power cut may take the last seconds, a killed process takes nothing that
    was written.
    """

    def __init__(self, path: Path, *, max_bytes: int, keep: int) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._keep = keep
        self._handle: int | None = None
        self._torn = False

    def write(self, lines: bytes) -> None:
        """Append whole lines; OSError (no space, no folder, no right) and PrivacyError leave the rest unwritten.

        After a line that was cut short the next one begins on a line of its own.
        """
        handle = self._open()
        size = os.fstat(handle).st_size
        if size and size + len(lines) > self._max_bytes:
            self._rotate()
            handle = self._open()
        content = b"\n" + lines if self._torn else lines
        written = os.write(handle, content)
        self._torn = written < len(content)
        while written < len(content):
            written += os.write(handle, content[written:])
        self._torn = False

    def close(self) -> None:
        """Close the file; a later `write` opens it again."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _open(self) -> int:
        """Return the open file that has the name now: somebody else may have rotated or removed it."""
        if self._handle is not None and not self._is_current(self._handle):
            self.close()
        if self._handle is None:
            make_private_folder(self.path.parent)
            self._handle = open_private(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        return self._handle

    def _is_current(self, handle: int) -> bool:
        try:
            named = os.stat(self.path, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(named, os.fstat(handle))

    def _rotate(self) -> None:
        """Give each file the next number; one writer at a time, and only where nobody has done so meanwhile."""
        with take_turns(self.path.with_suffix(".lock")):
            handle = self._handle
            if handle is None or not self._is_current(handle):
                return
            self.close()
            numbered = [self.path, *(list_part(self.path, number) for number in range(1, self._keep))]
            numbered[-1].unlink(missing_ok=True)
            for older, newer in zip(reversed(numbered), list(reversed(numbered))[1:], strict=False):
                if newer.exists():
                    os.replace(newer, older)
            self._remove_beyond()

    def _remove_beyond(self) -> None:
        """Remove parts beyond `keep`: it was larger once."""
        number = self._keep
        while (part := list_part(self.path, number)).exists():
            part.unlink()
            number += 1


def list_part(path: Path, number: int) -> Path:
    """Return the name of the part before the `number` newest ones."""
    return path.with_name(f"{path.name}.{number}")


def list_parts(path: Path) -> list[Path]:
    """Return the parts that exist, the oldest first and the one being written last."""
    number, parts = 1, []
    while (part := list_part(path, number)).exists():
        parts.append(part)
        number += 1
    return [*reversed(parts), *([path] if path.exists() else [])]
