"""Reading the log: lines since an instant and from a level on, and those that are yet to come."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from serving.logs.rotation import list_parts

LEVELS = ("debug", "info", "warning", "error", "critical")
_PAUSE_S = 0.3
_LONGEST_LINE = 1_000_000


class Line(NamedTuple):
    """A line of the log; `row` is all that it says."""

    at: datetime
    level: str
    logger: str
    text: str
    row: dict[str, Any]


class Selection(NamedTuple):
    """Which lines are wanted: since an instant (None: all), from a level on."""

    since: datetime | None
    level: str

    def has(self, line: Line) -> bool:
        """Return whether a line is wanted."""
        new = self.since is None or line.at >= self.since
        return new and LEVELS.index(line.level) >= LEVELS.index(self.level)


def parse_line(text: str) -> Line | None:
    """Return a line of the log; None where it is none: it was cut by a full disk, or is being written."""
    try:
        row = json.loads(text)
        line = Line(datetime.fromisoformat(row["at"]), str(row["level"]), str(row["logger"]), str(row["text"]), row)
    except (KeyError, RecursionError, TypeError, ValueError):
        return None
    return line if line.level in LEVELS and line.at.tzinfo is not None else None


class Tail:
    """Place up to which the parts of a log were read; `read` goes on from there, over rotations."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._begun = b""

    def read(self) -> Iterator[str]:
        """Yield whole lines up to the present end; one that is being written is kept for the next time."""
        while True:
            # Looked for first: what was written to this part before the next one began is read before the next one.
            follower = self._find_next()
            yield from self._read_part()
            if follower is None:
                return
            self.close()
            try:
                self._file = follower.open("rb")
            except FileNotFoundError:  # rotated once more: it is found under its next name
                return

    def close(self) -> None:
        """Close the part that is open."""
        if self._file is not None:
            self._file.close()
            self._file, self._begun = None, b""

    def _read_part(self) -> Iterator[str]:
        while self._file is not None and (read := self._file.readline(_LONGEST_LINE)):
            self._begun += read
            if read.endswith(b"\n") or len(self._begun) >= _LONGEST_LINE:
                text, self._begun = self._begun.decode(errors="replace"), b""
                yield text

    def _find_next(self) -> Path | None:
        """Return the part after the open one, the oldest where none is open or it was removed; None at the newest."""
        parts = list_parts(self._path)
        if self._file is not None:
            own = os.fstat(self._file.fileno())
            for place, part in enumerate(parts):
                with contextlib.suppress(FileNotFoundError):
                    if os.path.samestat(own, part.stat()):
                        return parts[place + 1] if place + 1 < len(parts) else None
        return parts[0] if parts else None


def read_lines(path: Path, selection: Selection) -> Iterator[Line]:
    """Yield the lines that are wanted from all parts of the log, the oldest first."""
    with contextlib.closing(Tail(path)) as tail:
        yield from _select(tail.read(), selection)


def follow_lines(path: Path, selection: Selection, goes_on: Callable[[], bool] = lambda: True) -> Iterator[Line]:
    """Yield the lines that are there and those that come, over rotations, until `goes_on` says no."""
    with contextlib.closing(Tail(path)) as tail:
        while True:
            last = not goes_on()
            yield from _select(tail.read(), selection)
            if last:
                return
            time.sleep(_PAUSE_S)


def _select(texts: Iterator[str], selection: Selection) -> Iterator[Line]:
    for text in texts:
        line = parse_line(text)
        if line is not None and selection.has(line):
            yield line
