"""One writer per data directory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pairity.durable import AlreadyLockedError, lock_exclusively
from pairity.errors import DataError

LOCK_FILE = ".writer.lock"


class WriterBusyError(DataError):
    """Refusal of the writer lock: another process has it."""


@contextmanager
def single_writer(root: Path) -> Iterator[None]:
    """Own the data directory's writer lock inside the block; WriterBusyError names the process that has it already."""
    try:
        file = lock_exclusively(root / LOCK_FILE)
    except AlreadyLockedError as error:
        raise WriterBusyError(
            f"another process (pid {error.owner}) is writing to {root}",
            "wait until it has finished, or give this one a data directory of its own with PAIRITY_HOME",
        ) from None
    with file:
        yield
