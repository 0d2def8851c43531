"""Parts of a process that trades a book."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

from model_registry.stored_books import STORED_BOOKS, UNTRADED
from pairity.books.account_limits import make_limits
from pairity.books.families import BOOK_FAMILIES, BookFamily
from pairity.books.present import MeasureBook
from pairity.errors import ConfigError, UnknownNameError
from pairity.margin import MarginMode
from pairity.settings import Settings
from pairity.universe import inst_id, short_name
from serving.books.deciding import TradedBook
from serving.books.executions import Executions
from serving.books.moves import Move, name_position
from serving.books.rebalancer import Rebalancer
from serving.books.reconciler import BookReconciler
from serving.books.staying import explain_excess
from serving.books.stops import DisasterStops
from serving.execution.limit_entries import LimitTerms
from serving.journal import BookRecord, Purpose
from serving.journal.event_records import Severity
from serving.limits import Limiter
from serving.models.deciding_model import DecidingBook
from serving.parts import DecidingParts, GuardParts
from serving.rivals import RivalWatch


@dataclass(frozen=True, kw_only=True)
class BookParts(DecidingParts):
    """Everything that the loop of a book talks to."""

    terms: TradedBook
    measure_book: MeasureBook
    champion: DecidingBook | None = None
    """Version that defines the book, and may be another one at the next decision; None: no version does."""

    def name_terms(self) -> TradedBook:
        """Return what the book is traded by at this moment."""
        champion = self.champion
        if champion is None:
            return self.terms
        return replace(self.terms, version=champion.ref, fit=champion.book.fit)


def choose_book(settings: Settings, *, by_version: bool = False) -> BookFamily:
    """Return the family of `strategy.book`; `by_version`: a registered version of it decides.

    UnknownNameError lists those that exist; ConfigError for one that the process cannot trade, or not without a
    version, and for settings that do not fit a book.
    """
    name = settings.strategy.book
    served = {key: family for key, family in STORED_BOOKS.items() if by_version or family.is_rule}
    if name is None or name not in BOOK_FAMILIES:
        raise UnknownNameError("family of books", str(name), served)
    if name not in served:
        raise ConfigError(*_explain_unserved(name, served))
    family = served[name]
    if settings.strategy.margin_mode is not MarginMode.CROSS:
        raise ConfigError(
            f"strategy.margin_mode is {settings.strategy.margin_mode}, and the names of a book share their margin",
            "set it to cross",
        )
    universe = settings.universe
    if family.reads_pairs and (others := sorted({*universe.assets} - {*universe.traded})):
        raise ConfigError(
            f"{name} holds pairs of any two names, and universe.pair_assets lacks {', '.join(others)}",
            "leave universe.pair_assets out, or take these names out of universe.assets",
        )
    most = min(family.books, key=lambda one: one.every_hours)
    minutes = most.every_hours * 60
    if minutes % settings.serve.interval_minutes:
        raise ConfigError(
            f"serve.interval_minutes is {settings.serve.interval_minutes}, and {most.name} decides every "
            f"{most.every_hours} hours",
            "set it to 60",
        )
    return family


def _explain_unserved(name: str, served: Iterable[str]) -> tuple[str, str]:
    """Return why the process does not trade a family by its name, and what can be done."""
    if name in STORED_BOOKS:
        does, held = ("combines books", "what they") if STORED_BOOKS[name].members else ("learns", "what it")
        return (
            f"strategy.book is {name}, which {does}: {held} learnt is in its versions, and none is named",
            f"train it (pairity train --family {name}) and start without --book once a version is champion; a replay "
            "takes one with --model",
        )
    return (
        f"strategy.book is {name}, which the process does not trade: {UNTRADED}",
        f"choose one of {', '.join(served)}",
    )


class BookDesk:
    """What carries a book out between its decisions: one reconciler with its rebalancer and its stops."""

    def __init__(self, parts: GuardParts, family: BookFamily, rivals: RivalWatch, limiter: Limiter) -> None:
        executor, settings = parts.executor, parts.settings
        self._parts = parts
        self._every = timedelta(hours=family.every_hours)
        self._limiter = limiter
        self._measured_for: str | None = None
        executions = Executions(executor.desk)
        self.reconciler = BookReconciler(
            executor,
            Rebalancer(executor, LimitTerms.of(settings), settings.strategy.leverage),
            DisasterStops(executor, executions, settings.books.disaster_stop),
            executions,
            parts.supervisor,
            is_over=self._is_over,
            find_refusal=self._find_refusal,
            cry=lambda text: parts.events.record("reconciliation", Severity.CRITICAL, text),
            rivals=rivals,
        )

    def _is_over(self, book: BookRecord) -> bool:
        """Return whether a rebalance is taken no further: the next decision is due, or a person closed everything."""
        if self._parts.clock.now() >= book.close + self._every:
            return True
        return any(state.flatten and state.at >= book.close for state in self._parts.journal.states.all())

    async def _find_refusal(self, move: Move) -> str | None:
        """Return which limit an increase would exceed; the account is measured anew once its reductions are made."""
        if self._measured_for != move.decision_id:
            await self._limiter.measure()
            self._measured_for = move.decision_id
        book = self._parts.journal.books.newest()
        wanted = None if book is None else book.find(move.name)
        if book is None or wanted is None or wanted.price is None:
            return "no price of it is known"
        if (why := self._explain_excess(book, move)) is not None:
            return why
        return await self._limiter.find_increase_refusal(move.name, move.contracts, abs(wanted.contracts), wanted.price)

    def _explain_excess(self, book: BookRecord, move: Move) -> str | None:
        """Return which limit of the book an increase would exceed, with what it holds and cannot trade.

        Without such a name the decision is within its limits, and nothing is measured: the process does what the
        backtest does. With one, what was to leave is held beside what was to take its place. Increases go out in the
        order of the decision while both fit into `books.gross_max` and the account's margin, and do not move the book
        further beyond `books.net_max`; the others are made later in the day if the instrument trades again.
        """
        journal, idle = self._parts.journal, self._parts.executor.idle
        held = {short_name(name): count for name, count in journal.books.count_held().items()}
        staying = {name for name in held if inst_id(name) in idle}
        if not staying:
            return None
        ids = {one.name: name_position(book, one.name) for one in book.names}
        begun = {name for name, known in ids.items() if journal.intents(known, 0, Purpose.INCREASE)}
        return explain_excess(
            book, move, held, staying, begun, self._parts.contracts, make_limits(self._parts.settings)
        )
