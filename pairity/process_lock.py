"""A lock between processes that ends with the process that holds it, however that ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO


class LockHeldError(Exception):
    """Another process holds the lock; `holder` is its pid as it wrote it down, or `unknown`."""

    def __init__(self, holder: str) -> None:
        super().__init__(f"held by process {holder}")
        self.holder = holder


def lock_exclusively(path: Path) -> IO[str]:
    """Lock the file, creating it and its folder if needed; the lock is held until the returned file is closed.

    LockHeldError where another process holds it; nothing is waited for.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise LockHeldError(holder) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file
