"""Sources of the application: what it reads, and the threads in which it does so.

Answers are made in two threads of their own, each with a connection to the journal that cannot write: a quick one for
what is asked often, and a slow one for what reads files. None of them is the thread that trades.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from pairity.layout import Layout
from pairity.settings import Settings
from serving.journal.reading import ReadingJournal
from serving.sightings import Sightings
from serving.status import Status
from serving.views.base import Inputs

T = TypeVar("T")


def _read_clock() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What the application reads of one trading process. `journal` opens a connection; `now` is the clock in use."""

    status: Callable[[], Status]
    journal: Callable[[], ReadingJournal]
    layout: Layout
    settings: Settings
    sightings: Callable[[], Sightings] = field(default=Sightings)
    now: Callable[[], datetime] = _read_clock


class Reader:
    """Reader of the sources in a thread of its own, which opens its journal when it is first needed."""

    def __init__(self, sources: Sources, name: str) -> None:
        self._sources = sources
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"api-{name}")
        self._journal: ReadingJournal | None = None
        self._used_s = 0.0

    async def read(self, view: Callable[[Inputs], T]) -> T:
        """Return what `view` makes of the sources. Raises what it raises, and JournalError."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, view)

    def take_used(self) -> float:
        """Return the seconds of a processor that were used since this was asked last."""
        used_s, self._used_s = self._used_s, 0.0
        return used_s

    def close(self) -> None:
        """End the thread when it is done with what it does, and close its journal."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def _read(self, view: Callable[[Inputs], T]) -> T:
        begun_s = time.thread_time()
        try:
            if self._journal is None:
                self._journal = self._sources.journal()
            return view(
                Inputs(
                    journal=self._journal,
                    status=self._sources.status(),
                    sightings=self._sources.sightings(),
                    settings=self._sources.settings,
                    layout=self._sources.layout,
                    now=self._sources.now(),
                )
            )
        finally:
            self._used_s += time.thread_time() - begun_s
