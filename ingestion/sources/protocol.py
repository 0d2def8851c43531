"""What a source is: a place from which raw rows come, whether it answers at once or blocks for minutes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import polars as pl

from ingestion.lake.spans import Span
from pairity.errors import VenueError


class NotServedError(VenueError):
    """The source does not have the dataset of this instrument, whatever the range: asking for more of it is useless."""


@dataclass(frozen=True, slots=True)
class UnitAnswer:
    """What a source gave of one unit where its rows alone do not say it: some of the range is not proven by them.

    A plain frame instead of it stands for the whole unit: where it has no row, the source has none.
    """

    rows: pl.DataFrame
    """In the dataset's columns, ascending; complete bars only."""
    proven: tuple[Span, ...]
    """Parts of the unit that were answered to their end; only they may count as fetched."""
    left_out: tuple[str, ...] = ()
    """What could not be used: how many rows or which file, why, an example. Each is reported as a failure.

    What is left out by rule and of no use to anybody is a remark (`remarks.Remarks`), and no failure.
    """
    listed_at: datetime | None = None
    """When the instrument was listed, where the source says so and the unit begins before it."""


class Source(Protocol):
    """A place with raw rows of one venue. The collector talks to every source in this way."""

    @property
    def name(self) -> str:
        """Name on the command line."""
        ...

    @property
    def venue(self) -> str:
        """Venue under which the rows are stored in the lake."""
        ...

    @property
    def datasets(self) -> tuple[str, ...]:
        """Datasets with a history: what `fetch` can give."""
        ...

    @property
    def snapshots(self) -> tuple[str, ...]:
        """Datasets without a history: what `snapshot` can give besides."""
        ...

    @property
    def concurrency(self) -> int:
        """How many instruments may be collected at the same time."""
        ...

    @property
    def settles_after(self) -> timedelta:
        """How long after a row's time the source may still bring it: a younger hole does not count as fetched."""
        ...

    async def assets(self) -> tuple[str, ...]:
        """Return the short names of what the source has; empty where it cannot tell."""
        ...

    def units(self, dataset: str, since: datetime, until: datetime) -> Iterator[Span]:
        """Cut [since, until) into the pieces that are fetched and stored as a whole: a kill loses at most one."""
        ...

    async def fetch(
        self, dataset: str, asset: str, since: datetime, until: datetime
    ) -> pl.DataFrame | UnitAnswer | None:
        """Return one unit's rows (since <= time < until) in the dataset's columns, ascending; complete bars only.

        A frame stands for all of the unit, a `UnitAnswer` for what it says is proven. None where the source has nothing
        for this unit and may have something later, such as a month whose archive is not there yet: the unit does not
        count as fetched. NotServedError where it has nothing for any unit, VenueError where it does not answer or not
        as it promises, DataError where a file cannot be read.
        """
        ...

    async def snapshot(self, dataset: str, asset: str) -> pl.DataFrame:
        """Return what the source shows of `dataset` now. NotServedError where it does not have it."""
        ...


@runtime_checkable
class LocalSource(Source, Protocol):
    """A source of files on this machine: what was read of them holds while they are the same, and read alike."""

    @property
    def manner(self) -> str:
        """How files are read where they do not say it themselves; another manner may give other rows."""
        ...

    @property
    def root(self) -> Path:
        """The folder or file that `--folder` names."""
        ...

    def files(self, dataset: str, asset: str) -> tuple[Path, ...]:
        """Return the files that may hold rows of the dataset and asset; none where there is no such file.

        ConfigError where the folder is not there, DataError where its names cannot be used.
        """
        ...


ANSWER = "answer"
"""Column with the place of the answer that a row came in."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a source answered to one question: its rows as they came, to be read later together with others."""

    asset: str
    unit: Span | None
    """The range that was asked for; None for a snapshot."""
    rows: list[Any]
    is_first_hand: bool = True
    """False where something else said that there are no rows: that alone completes no range."""


@runtime_checkable
class BatchSource(Source, Protocol):
    """A source whose answers can be read together: many instruments at the cost of one."""

    async def ask(self, dataset: str, asset: str, unit: Span | None) -> Answer:
        """Return the source's rows of one unit, unread; `unit` None asks for the present state. Errors as `fetch`."""
        ...

    def read(self, dataset: str, answers: Sequence[Answer]) -> pl.DataFrame:
        """Return the rows of all answers in the dataset's columns, and `ANSWER`, the place of each row's answer.

        Sorted by answer and time; complete bars only. VenueAnswerError where an answer breaks the protocol.
        """
        ...
