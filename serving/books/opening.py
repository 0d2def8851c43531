"""Opening of a process that trades a book: no model and no gate, and no real money either."""

from __future__ import annotations

import contextlib

from pairity.books.limits import BookLimits
from pairity.books.margin import with_margin
from pairity.books.present import MeasureBook
from pairity.errors import ConfigError
from pairity.progress import Progress
from pairity.settings import Settings
from serving.books.deciding import TradedBook
from serving.books.parts import BookParts, choose_book
from serving.execution.okx import OkxVenue
from serving.journal.book_records import BOOK_VERSION
from serving.opening import Opening, make_run
from serving.parts import GuardParts
from serving.presence import Presence
from serving.replay.stand_ins import StandIns
from serving.risk import Mode, check_leverage


class BookOpening(Opening):
    """Opening of one process that trades the book of `strategy.book`. Raises what `choose_book` raises.

    ConfigError for real money: no gate has judged a book.
    """

    def __init__(
        self,
        settings: Settings,
        mode: Mode,
        progress: Progress,
        stack: contextlib.AsyncExitStack,
        venue: OkxVenue,
        presence: Presence,
        stand_ins: StandIns | None = None,
        measure_book: MeasureBook | None = None,
    ) -> None:
        self.family = choose_book(settings)
        if mode is Mode.LIVE:
            raise ConfigError(
                f"{self.family.name} is not traded with real money: no gate has judged a book",
                "leave out --live: books trade on the demo and on a paper exchange",
            )
        if measure_book is None:
            raise ConfigError(
                f"strategy.book is {self.family.name}, and this command trades pairs", "set no strategy.book for it"
            )
        self._measure_book = measure_book
        super().__init__(settings, mode, progress, stack, venue, presence, stand_ins)
        self._assets = settings.universe.assets
        self._book_parts: BookParts | None = None

    def prepare(self, pinned: str | None) -> None:
        """Read the contracts. ConfigError where a version of a model is asked for."""
        if pinned is not None:
            raise ConfigError(
                f"--model-version {pinned} was given, and {self.family.name} is no registered model",
                "leave out one of the two",
            )
        self._read_contracts()

    async def open_book(self, guard: GuardParts, pinned: str | None) -> BookParts:
        """Open what decides, once; after a failure it may be called again. Raises what its parts raise."""
        if self._book_parts is not None:
            return self._book_parts
        settings, journal = self._settings, guard.journal
        self.prepare(pinned)
        own = settings.books
        limits = BookLimits(volatility=own.volatility_target, gross=own.gross_max, net=own.net_max)
        terms = TradedBook(self.family, with_margin(limits, settings.strategy.leverage), guard.contracts)
        guard.status.model = {"name": self.family.name, "version": BOOK_VERSION, "sha256": terms.digest}
        async with contextlib.AsyncExitStack() as opened:
            data = await self._open_data(opened, guard.clock)
            if not journal.books.count_held():
                check_leverage(settings, guard.contracts)
            run = make_run(settings, guard.clock, self._mode, self.family.name, BOOK_VERSION, terms.digest)
            journal.record_run(run)
            self._book_parts = BookParts(
                **{name: getattr(guard, name) for name in GuardParts.__dataclass_fields__},
                data=data,
                run_id=run.run_id,
                terms=terms,
                measure_book=self._measure_book,
            )
            self._stack.push_async_callback(opened.pop_all().aclose)
        return self._book_parts
