"""How answers of a source become staged rows: unit by unit (history), or all of a dataset at once (a live hour)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import polars as pl

from feature_repo.knowledge_time import live_known_at
from feature_repo.raw_datasets import DATASETS, INSTANT
from ingestion.containment import containing
from ingestion.lake.spans import Span, clip, union
from ingestion.report import InstrumentFailure
from ingestion.sources.protocol import ANSWER, Answer, BatchSource, NotServedError, Source, UnitAnswer
from ingestion.staging import Staging
from ingestion.targets import Target
from pairity.errors import DataError, VenueError
from pairity.timeline import Clock

# A row without a length (a settlement, a sample) is complete at its own instant; spans are half-open.
_INSTANT_ITSELF = timedelta(milliseconds=1)
_ARRIVED = "arrived"
_Arrival = tuple[Answer, datetime]
Heed = Callable[[str, str, Span, pl.Series], None]
"""Takes dataset, asset, a unit that was answered whole, and the times of all its rows."""


class Intake(Protocol):
    """Takes units from a source and stages their rows."""

    async def take(self, target: Target, dataset: str, asset: str, unit: Span | None) -> tuple[str, ...]:
        """Ask for one unit (None: the present state); return what was left out of it, and why.

        Errors as `Source.fetch`; whatever else the source's code raises is a DataError.
        """
        ...

    def finish(self) -> list[InstrumentFailure]:
        """Stage what was taken and not staged yet; return what could not be read of it."""
        ...


@dataclass(frozen=True, slots=True)
class UnitIntake:
    """Stages each unit as soon as it is there: a kill loses the units that are under way, and no others.

    `arrivals` stamps live rows, None is for history. What lies before `settled_until` will not change any more.
    """

    source: Source
    staging: Staging
    arrivals: Clock | None
    settled_until: datetime
    listed: dict[str, datetime] = field(default_factory=dict)
    """When instruments were listed, as far as the source said so."""
    heed: Heed | None = None
    """Is told what was answered of a unit that was answered whole."""

    async def take(self, target: Target, dataset: str, asset: str, unit: Span | None) -> tuple[str, ...]:
        """Ask for one unit and stage its rows; only what is proven counts as fetched."""
        with containing(self.source.name, dataset, asset):
            if unit is None:
                answer: pl.DataFrame | UnitAnswer | None = await self.source.snapshot(dataset, asset)
            else:
                try:
                    answer = await self.source.fetch(dataset, asset, *unit)
                except NotServedError:
                    self._tell(dataset, asset, unit, None)
                    raise
        if not isinstance(answer, UnitAnswer):
            self._tell(dataset, asset, unit, answer)
        if answer is None:
            return ()
        if not isinstance(answer, UnitAnswer):
            answer = UnitAnswer(answer, proven=(unit,) if unit else ())
        if answer.listed_at is not None:
            self.listed[asset] = answer.listed_at
        rows = answer.rows
        if self.arrivals is not None:
            rows = rows.with_columns(live_known_at(self.arrivals.now()))
        newest = rows[DATASETS[dataset].time].max()
        assert newest is None or isinstance(newest, datetime)
        settled = settled_part(dataset, newest, unit, self.settled_until) if unit else ()
        self.staging.add(dataset, asset, rows, [part for span in answer.proven for part in clip(settled, *span)])
        return answer.left_out

    def _tell(self, dataset: str, asset: str, unit: Span | None, rows: pl.DataFrame | None) -> None:
        if self.heed is not None and unit is not None:
            kind = DATASETS[dataset]
            self.heed(dataset, asset, unit, (kind.empty() if rows is None else rows)[kind.time])

    def finish(self) -> list[InstrumentFailure]:
        """Return nothing: every unit was staged when it came."""
        return []


@dataclass(frozen=True, slots=True)
class HourIntake:
    """Keeps the answers of a live hour and stages one frame per dataset when all instruments have answered.

    The number of library calls does not depend on the number of instruments. `arrivals` stamps each answer when it
    comes; what lies before `settled_until` will not change any more.
    """

    source: BatchSource
    staging: Staging
    arrivals: Clock
    settled_until: datetime
    _answers: dict[tuple[bool, str, str], list[_Arrival]] = field(default_factory=dict)
    """Answers and their arrivals by (is optional, target, dataset)."""

    async def take(self, target: Target, dataset: str, asset: str, unit: Span | None) -> tuple[str, ...]:
        """Ask for one unit and keep the answer."""
        with containing(self.source.name, dataset, asset):
            answer = await self.source.ask(dataset, asset, unit)
        key = not target.required, target.name, dataset
        self._answers.setdefault(key, []).append((answer, self.arrivals.now()))
        return ()

    def finish(self) -> list[InstrumentFailure]:
        """Stage all answers. One that cannot be read is a failure of its instrument and target alone.

        An instrument that lacks a required target is of no use: nothing else of it is staged.
        """
        failures: list[InstrumentFailure] = []
        lost: set[str] = set()
        for (is_optional, target, dataset), taken in sorted(self._answers.items(), key=lambda item: item[0]):
            kept = [(answer, arrived) for answer, arrived in taken if answer.asset not in lost]
            try:
                self._stage(dataset, kept)
            except (VenueError, DataError):
                errors = {answer.asset: error for answer, _ in kept if (error := self._try_to_read(dataset, answer))}
                failures += [InstrumentFailure(asset, str(error), target) for asset, error in errors.items()]
                lost |= set() if is_optional else set(errors)
                self._stage(dataset, [item for item in kept if item[0].asset not in errors])
        self._answers.clear()
        return failures

    def _stage(self, dataset: str, kept: Sequence[_Arrival]) -> None:
        """Read and stage all answers of a dataset; VenueError or DataError where one of them cannot be read."""
        if not kept:
            return
        answers = [answer for answer, _ in kept]
        with containing(self.source.name, dataset, " ".join(answer.asset for answer in answers)):
            rows = self.source.read(dataset, answers)
        place = rows[ANSWER]
        rows = rows.with_columns(
            pl.Series("asset", [answer.asset for answer in answers], pl.String).gather(place),
            pl.Series(_ARRIVED, [arrived for _, arrived in kept], INSTANT).gather(place),
        ).with_columns(live_known_at(pl.col(_ARRIVED)))
        newest = dict(rows.group_by(ANSWER).agg(pl.col(DATASETS[dataset].time).max()).iter_rows())
        covered: dict[str, list[Span]] = {}
        for number, answer in enumerate(answers):
            if answer.unit is not None and answer.is_first_hand:
                own = settled_part(dataset, newest.get(number), answer.unit, self.settled_until)
                covered.setdefault(answer.asset, []).extend(own)
        self.staging.add_all(dataset, rows, covered)

    def _try_to_read(self, dataset: str, answer: Answer) -> Exception | None:
        try:
            with containing(self.source.name, dataset, answer.asset):
                self.source.read(dataset, [answer])
        except (VenueError, DataError) as error:
            return error
        return None


def settled_part(dataset: str, newest: datetime | None, unit: Span, settled_until: datetime) -> tuple[Span, ...]:
    """Return the part of `unit` that will not change any more: up to `settled_until`, or to its `newest` row.

    A source gives rows in their order: below one that is there, a hole stays a hole. Above it, a hole may still be
    filled while it is young.
    """
    since, until = unit
    settled = min(until, settled_until)
    if newest is not None:
        settled = max(settled, min(until, newest + max(DATASETS[dataset].known_after, _INSTANT_ITSELF)))
    return union([(since, settled)])
