"""A journal of version 1, from what the program that wrote that version dumped."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

_DUMP = Path(__file__).with_name("journal_version_1.sql")


def write_version_1(path: Path) -> None:
    """Write a journal of version 1 to `path`: one decision, one open position."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(_DUMP.read_text())
    path.chmod(0o600)
