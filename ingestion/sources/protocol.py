"""What a source of history is: where rows come from that were not traded through this process."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

import polars as pl

from ingestion.lake.spans import Span


class Source(Protocol):
    """A place with history. Calls block; one source serves one thread at a time."""

    @property
    def name(self) -> str:
        """What commands call it."""
        ...

    @property
    def venue(self) -> str:
        """Where its rows lie in the lake."""
        ...

    @property
    def datasets(self) -> tuple[str, ...]:
        """What it can give."""
        ...

    def assets(self) -> tuple[str, ...]:
        """Short names of what it holds; empty where it cannot tell."""
        ...

    def units(self, dataset: str, since: datetime, until: datetime) -> Iterator[Span]:
        """[since, until) in the pieces in which it is fetched and stored: what a kill can lose is one of them."""
        ...

    def fetch(self, dataset: str, asset: str, since: datetime, until: datetime) -> pl.DataFrame | None:
        """Rows of one unit in the dataset's columns, ascending; None where the source does not have the instrument.

        VenueError where the source does not answer, or not as it promises; DataError where a file cannot be read.
        """
        ...
