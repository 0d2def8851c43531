"""Books under all their circumstances, as questions to the market that do not need each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from pairity.books.families import BOOK_FAMILIES
from pairity.progress import Progress
from pairity.settings import Settings
from training.books.bench import BookBench
from training.books.engine import BookRun
from training.books.evidence import Variation
from training.books.market_cases import Question
from training.books.placebo import Placebo, Shuffle
from training.books.stored_market import StoredMarket, make_book_terms

Ask = Callable[[str, Question, Iterable[tuple[object, ...]]], Iterator[Any]]
"""`ask_market` of one market: name, question and cases → what was found, in order."""
_PLACEBOS = ((Shuffle.THROUGHOUT, True), (Shuffle.EACH_DECISION, True), (Shuffle.EACH_DECISION, False))


class BookStudy(NamedTuple):
    """What is found of a family before trials are counted."""

    run: BookRun
    variations: list[Variation]
    capacity: list[tuple[float, Variation]]
    placebos: list[Placebo]


@dataclass(frozen=True, slots=True)
class BooksAsked:
    """What every question is about: plain data, so that it can be sent to a worker."""

    families: tuple[str, ...]
    first: int
    """Row of the market at which the books begin."""
    limit_first: bool

    def open(self, settings: Settings, market: StoredMarket) -> list[BookBench]:
        """Return the books on a market, in order."""
        terms = make_book_terms(settings, limit_first=self.limit_first)
        return [
            BookBench(
                history=market.history, family=BOOK_FAMILIES[name], terms=terms, specs=market.specs, first=self.first
            )
            for name in self.families
        ]


def study_all(ask: Ask, asked: BooksAsked, progress: Progress) -> list[BookStudy]:
    """Return each family under other costs, later, with more capital, and beside placebos."""
    progress.stage("families", len(asked.families))
    studies = []
    cases = ((replace(asked, families=(name,)),) for name in asked.families)
    for name, study in zip(asked.families, ask("book-study", _study, cases), strict=True):
        studies.append(study)
        progress.advance(1, name)
    return studies


def _study(settings: Settings, market: StoredMarket, asked: BooksAsked) -> BookStudy:
    (bench,) = asked.open(settings, market)
    run = bench.run()
    variations = [*bench.trade_costs(), bench.trade_late()]
    capacity = bench.trade_capitals()
    placebos = [bench.try_placebos(shuffle, with_costs=with_costs) for shuffle, with_costs in _PLACEBOS]
    return BookStudy(run, variations, capacity, placebos)


def leave_out(
    ask: Ask, asked: BooksAsked, names: Sequence[str], progress: Progress
) -> dict[str, list[tuple[str, float | None]]]:
    """Trade every book without each name, name by name: what one plans, those that combine it need not plan again."""
    found: dict[str, list[tuple[str, float | None]]] = {family: [] for family in asked.families}
    progress.stage("without one name", len(names))
    for name, ratios in zip(
        names, ask("books-without", _trade_without, ((asked, name) for name in names)), strict=True
    ):
        for family, ratio in zip(asked.families, ratios, strict=True):
            found[family].append((name, ratio))
        progress.advance(1, name)
    return {family: sorted(own, key=lambda pair: pair[1] or 0.0) for family, own in found.items()}


def _trade_without(settings: Settings, market: StoredMarket, asked: BooksAsked, name: str) -> list[float | None]:
    return [bench.leave_out(name) for bench in asked.open(settings, market)]


def try_hours(
    ask: Ask, asked: BooksAsked, benches: Sequence[BookBench], progress: Progress
) -> dict[str, list[Variation]]:
    """Trade every book at other hours of decision, hour by hour: features of one hour serve all books."""
    found: dict[str, list[Variation]] = {family: [] for family in asked.families}
    phases = sorted({phase for bench in benches for phase in bench.list_phases()})
    progress.stage("hours of decision", len(phases))
    for traded in ask("books-at", _trade_at, ((asked, phase) for phase in phases)):
        for family, variation in traded.items():
            found[family].append(variation)
        progress.advance(1)
    return found


def _trade_at(settings: Settings, market: StoredMarket, asked: BooksAsked, phase: int) -> dict[str, Variation]:
    market.history.forget()
    benches = asked.open(settings, market)
    return {bench.family.name: bench.trade_hour(phase) for bench in benches if phase in bench.list_phases()}
