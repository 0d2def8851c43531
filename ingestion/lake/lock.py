"""One writer per data directory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pairity.errors import DataError
from pairity.process_lock import LockHeldError, lock_exclusively

LOCK_FILE = ".writer.lock"


@contextmanager
def single_writer(root: Path) -> Iterator[None]:
    """Hold the data directory's writer lock; DataError names the process that holds it already.

    The lock belongs to the open file: it ends with the process, however that ends.
    """
    try:
        file = lock_exclusively(root / LOCK_FILE)
    except LockHeldError as error:
        raise DataError(
            f"another process (pid {error.holder}) is writing to {root}",
            "wait until it has finished, or give this one a data directory of its own with PAIRITY_HOME",
        ) from None
    with file:
        yield
