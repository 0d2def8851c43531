"""The writer of the log: a thread of its own, so that a disk that is slow, full or gone never holds up trading.

Lines wait in a queue of bounded length. What does not fit, and what cannot be written, is counted and lost; the first
line that can be written again says how many.
"""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from pairity.errors import PairityError
from serving.logs.rotation import RotatingFile

WAITING_LINES = 10_000
_AT_ONCE = 500
_CLOSING_S = 2.0


class LogWriter:
    """Writer of lines into a rotating file. `complain` is told once when lines begin to be lost, from the thread."""

    def __init__(self, file: RotatingFile, complain: Callable[[str], None], *, waiting: int = WAITING_LINES) -> None:
        self._file = file
        self._complain = complain
        self._queue: queue.Queue[bytes | None] = queue.Queue(waiting)
        self._lost = 0
        self._unsaid = 0
        self._lock = threading.Lock()
        self._complained = False
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> int:
        """Lines that could not be written so far."""
        return self._lost

    def put(self, line: bytes) -> None:
        """Hand over a line that ends with a line feed; it never waits."""
        try:
            self._queue.put_nowait(line)
        except queue.Full:
            self._lose(1)

    def close(self) -> None:
        """Write what waits, for a few seconds at most, and end."""
        try:
            self._queue.put(None, timeout=_CLOSING_S)
        except queue.Full:
            return  # the disk hangs: the thread ends with the process
        self._thread.join(_CLOSING_S)

    def _run(self) -> None:
        ended = False
        while not ended:
            lines = [self._queue.get()]
            while len(lines) < _AT_ONCE and lines[-1] is not None:
                try:
                    lines.append(self._queue.get_nowait())
                except queue.Empty:
                    break
            ended = lines[-1] is None
            self._write([line for line in lines if line is not None])
        self._file.close()

    def _write(self, lines: list[bytes]) -> None:
        if not lines:
            return
        with self._lock:
            unsaid, self._unsaid = self._unsaid, 0
        said = [_say_lost(unsaid)] if unsaid else []
        try:
            self._file.write(b"".join([*said, *lines]))
            self._complained = False
        except (OSError, PairityError) as error:
            self._file.close()
            self._lose(len(lines), again=unsaid)
            if not self._complained:
                self._complained = True
                what = error.strerror if isinstance(error, OSError) else str(error)
                self._complain(f"the log {self._file.path} cannot be written: {what}; trading goes on without it")

    def _lose(self, lines: int, *, again: int = 0) -> None:
        """Count lines as lost; `again` are those of which it has not been said yet."""
        with self._lock:
            self._lost += lines
            self._unsaid += lines + again


def _say_lost(lines: int) -> bytes:
    row = {"at": datetime.now(UTC).isoformat(), "level": "warning", "logger": "pairity.log"}
    return json.dumps(row | {"text": f"{lines} lines before this one could not be written"}).encode() + b"\n"
