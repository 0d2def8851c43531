"""Where a journal is: a file of the data directory, or a schema of a PostgreSQL database."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class JournalDatabase:
    """A journal in PostgreSQL. Each journal has a schema of its own."""

    address: str = field(repr=False)
    """Address for SQLAlchemy, password included; tables are made and looked for in `schema`."""
    schema: str
    file: Path
    """Where the journal of the same data directory would be as a file."""

    def __str__(self) -> str:
        server = self.address.rpartition("@")[2].partition("?")[0]
        return f"PostgreSQL {server}, schema {self.schema}"


JournalPlace = Path | JournalDatabase
