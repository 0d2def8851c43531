"""One writer per data directory."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pairity.errors import DataError

LOCK_FILE = ".writer.lock"


@contextmanager
def single_writer(root: Path) -> Iterator[None]:
    """Hold the data directory's writer lock; DataError names the process that holds it already.

    The lock belongs to the open file: it ends with the process, however that ends.
    """
    root.mkdir(parents=True, exist_ok=True)
    path = root / LOCK_FILE
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise DataError(
                f"another process (pid {holder}) is writing to {root}",
                "wait until it has finished, or give this one a data directory of its own with PAIRITY_HOME",
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
