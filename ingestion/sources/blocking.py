"""Sources that block: files, archives and plain HTTP clients become asynchronous by working in a thread."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar, ParamSpec, TypeVar

import polars as pl

from ingestion.lake.spans import Span
from ingestion.sources.protocol import UnitAnswer
from pairity.errors import UnknownNameError
from pairity.timeline import DAY, months_between, next_month

P = ParamSpec("P")
R = TypeVar("R")


@dataclass
class BlockingSource(ABC):
    """Base of the sources whose work blocks. A child says what it has (`list_assets`) and reads one unit (`read`).

    One thread at a time works for a source, so that a child may keep a connection or a cache without locks. A
    cancelled `fetch` ends at once; its thread finishes the unit, whose rows nobody stores.
    """

    snapshots: ClassVar[tuple[str, ...]] = ()
    concurrency: ClassVar[int] = 1
    # Archives are published a day late, and corrected once more on the day after.
    settles_after: ClassVar[timedelta] = 2 * DAY
    _turn: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)

    @abstractmethod
    def list_assets(self) -> tuple[str, ...]:
        """Return the short names of what the source has; empty where it cannot tell. May block."""

    @abstractmethod
    def read(self, dataset: str, asset: str, since: datetime, until: datetime) -> pl.DataFrame | UnitAnswer | None:
        """Return one unit's rows as `Source.fetch` does. May block."""

    def units(self, dataset: str, since: datetime, until: datetime) -> Iterator[Span]:
        """Cut [since, until) into calendar months."""
        for month in months_between(since, until):
            yield max(month, since), min(next_month(month), until)

    async def assets(self) -> tuple[str, ...]:
        """Return the short names of what the source has; empty where it cannot tell."""
        return await asyncio.to_thread(self._take_turn, self.list_assets)

    async def fetch(
        self, dataset: str, asset: str, since: datetime, until: datetime
    ) -> pl.DataFrame | UnitAnswer | None:
        """Return one unit's rows; see `Source.fetch`."""
        return await asyncio.to_thread(self._take_turn, self.read, dataset, asset, since, until)

    async def snapshot(self, dataset: str, asset: str) -> pl.DataFrame:
        """Raise UnknownNameError: a source of history has no present state."""
        raise UnknownNameError("dataset with a present state", dataset, self.snapshots)

    def _take_turn(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        # The thread of a cancelled call may still be at work when the next call comes.
        with self._turn:
            return work(*args, **kwargs)
