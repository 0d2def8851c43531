"""Opening of a process that trades a book: the champion's, or one that is asked for by name and knows no gate."""

from __future__ import annotations

import contextlib

from pairity.books.account_limits import make_limits
from pairity.books.present import MeasureBook
from pairity.errors import ConfigError
from pairity.progress import Progress
from pairity.settings import Settings
from serving.books.deciding import TradedBook
from serving.books.kind import Trading
from serving.books.parts import BookParts, choose_book
from serving.child_jobs import DailyJob
from serving.execution.okx import OkxVenue
from serving.models.book_champion import BookChampion
from serving.models.deciding_model import DecidingBook
from serving.opening import Opening, make_run
from serving.parts import GuardParts
from serving.presence import Presence
from serving.replay.stand_ins import StandIns
from serving.report import describe_model
from serving.retraining import Retrainer
from serving.risk import Mode, check_leverage


class BookOpening(Opening):
    """Opening of one process that trades a book. Raises what `choose_book` raises.

    A champion that is a book may trade what the gate lets it, as a model of pairs may. ConfigError for real money where
    the book is asked for by name: then no gate has judged what would be traded. `asked` are the settings as they were
    given: a retraining has these.
    """

    def __init__(
        self,
        trading: Trading,
        asked: Settings,
        mode: Mode,
        progress: Progress,
        stack: contextlib.AsyncExitStack,
        venue: OkxVenue,
        presence: Presence,
        stand_ins: StandIns | None = None,
        measure_book: MeasureBook | None = None,
    ) -> None:
        settings = trading.settings
        stand_in = None if stand_ins is None else stand_ins.book
        self.family = choose_book(settings, by_version=trading.by_champion or stand_in is not None)
        self._by_champion = trading.by_champion
        self._asked = asked
        if mode is Mode.LIVE and not self._by_champion:
            raise ConfigError(
                f"{self.family.name} is not traded with real money: no gate has judged a book that is named",
                "leave out --live; for real money train it (pairity train --family "
                f"{self.family.name}) and start without --book once a version has passed and is champion",
            )
        if measure_book is None:
            by = "champion is the book" if self._by_champion else "strategy.book is"
            raise ConfigError(f"{by} {self.family.name}, and this command trades pairs", "use pairity serve for it")
        self._measure_book = measure_book
        super().__init__(settings, mode, progress, stack, venue, presence, stand_ins)
        self._assets = settings.universe.assets
        self._book_parts: BookParts | None = None
        self._book_champion: DecidingBook | None = stand_in

    def prepare(self, pinned: str | None) -> None:
        """Read the contracts, and load the champion where it is traded. ConfigError for a version beside a name."""
        if not self._by_champion and pinned is not None:
            raise ConfigError(
                f"--model-version {pinned} was given, and {self.family.name} is asked for by name",
                "leave out one of the two",
            )
        self._read_contracts()
        if self._by_champion and self._book_champion is None:
            self._book_champion = BookChampion(self._settings, self._mode, pinned=pinned)
            if (trial := self._book_champion.ref.explain_trial()) is not None:
                self._progress.say(trial)

    async def open_book(self, guard: GuardParts, pinned: str | None) -> BookParts:
        """Open what decides, once; after a failure it may be called again. Raises what its parts raise."""
        if self._book_parts is not None:
            return self._book_parts
        settings, journal = self._settings, guard.journal
        self.prepare(pinned)
        champion = self._book_champion
        terms = TradedBook(
            self.family,
            make_limits(settings),
            guard.contracts,
            version=None if champion is None else champion.ref,
            fit=None if champion is None else champion.book.fit,
        )
        name, version, sha256 = terms.model
        if champion is None:
            guard.status.model = {"name": name, "version": version, "sha256": sha256}
        else:
            guard.status.model, guard.sightings.model = describe_model(champion.ref), champion.ref
        async with contextlib.AsyncExitStack() as opened:
            data = await self._open_data(opened, guard.clock)
            if not journal.books.count_held():
                check_leverage(settings, guard.contracts)
            run = make_run(settings, guard.clock, self._mode, name, version, sha256)
            jobs: list[DailyJob] = []
            if champion is not None and settings.serve.retrain:
                retrainer = Retrainer(
                    self._asked, guard.clock, journal, run.run_id, guard.status, guard.events, self._progress.say
                )
                opened.push_async_callback(retrainer.aclose)
                jobs.append(retrainer)
            journal.record_run(run)
            self._book_parts = BookParts(
                **{name: getattr(guard, name) for name in GuardParts.__dataclass_fields__},
                data=data,
                run_id=run.run_id,
                jobs=tuple(jobs),
                terms=terms,
                measure_book=self._measure_book,
                champion=champion,
            )
            self._stack.push_async_callback(opened.pop_all().aclose)
        return self._book_parts
