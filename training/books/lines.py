"""Books as lines of the leaderboard: traded over the very hours of the other families, with the same measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pairity.books.families import BOOK_FAMILIES, BookFamily
from pairity.errors import MissingDataError
from pairity.progress import Progress
from pairity.settings import Settings
from pairity.timeline import HOUR
from training.backtest.comparison import Contender
from training.backtest.performance import measure_performance
from training.backtest.records import BacktestResult
from training.books.engine import run_book
from training.books.evidence import find_ruin
from training.books.market_cases import ask_market
from training.books.ranker import LEAST_DAYS
from training.books.stored_market import StoredMarket, load_hours, make_book_terms, name_trial


@dataclass(frozen=True, slots=True)
class BookLine:
    """One family of books that was traded."""

    trial: str
    """What the ledger of trials calls it."""
    contender: Contender


def trade_book_lines(
    settings: Settings,
    families: Sequence[BookFamily],
    hours: Sequence[datetime],
    now: datetime,
    progress: Progress,
) -> tuple[list[BookLine], list[str]]:
    """Trade each family from the first to the last of `hours` (bar closes), as known at `now`; return lines and notes.

    Nothing is fitted, so that no fold has a model: hours before the first are history that features use. Costs are the
    others', with the impact of size; equity begins as in `pairity books`. A note says which families are left out and
    why, and from when on there is a universe.
    """
    if not families:
        return [], []
    names = ", ".join(family.name for family in families)
    try:
        market, universe = load_hours(settings, hours[0], hours[-1], now)
    except MissingDataError as error:
        progress.advance(len(families), "books are left out")
        return [], [f"{names}: left out: {error.what}"]
    notes = []
    if universe > hours[0]:
        notes.append(f"{names}: nothing is held before {universe:%Y-%m-%d %H:%M} UTC, for want of a universe")
    lines = []
    first = (hours[0] - market.history.panel.start) // HOUR
    traded = ask_market(
        settings, market, "book", _trade, ((family.name, first) for family in families), now=now, until=hours[-1]
    )
    terms = make_book_terms(settings)
    for family, result in zip(families, traded, strict=True):
        contender = Contender(family.name, f"book: {family.description}", result, measure_performance(result))
        lines.append(BookLine(name_trial(family, terms), contender))
        if (lost := find_ruin(result)) is not None:
            notes.append(f"{family.name} is ruined at {lost:%Y-%m-%d %H:%M} UTC: nothing is left of it")
        if family.learns:
            note = note_begin(family, hours[0], min(result.trades["opened_at"].to_list(), default=None))
            notes += [] if note is None else [note]
        if not family.is_choice:
            notes.append(explain_comparison(family))
        progress.advance(1)
    return lines, notes


def _trade(settings: Settings, market: StoredMarket, name: str, first: int) -> BacktestResult:
    """Return the family of this name, traded from row `first` on to the end of the market."""
    return run_book(market.history, BOOK_FAMILIES[name], make_book_terms(settings), market.specs, first=first).result


def note_begin(family: BookFamily, first: datetime, begun: datetime | None) -> str | None:
    """Return the note about a family that learns and held nothing at first; None where it held from its first decision.

    `first`: first close of the hours that were traded; `begun`: fill of what it held first, None where it held nothing.
    """
    if begun is None:
        return f"{family.name}: nothing is held, {_explain_idle(family)}"
    # The first decision is due at most so many hours after the first close, and filled in the hour after it
    if begun <= first + (family.every_hours + 1) * HOUR:
        return None
    return f"{family.name}: nothing is held before {begun:%Y-%m-%d}, {_explain_idle(family)}"


def _explain_idle(family: BookFamily) -> str:
    """Return why a family that learns may hold nothing."""
    if family.outcome is None:
        return f"for want of {LEAST_DAYS} days of decisions to learn from"
    return f"for want of {LEAST_DAYS} days of outcomes to learn from, or of an edge that earlier folds were paid for"


def explain_comparison(family: BookFamily) -> str:
    """Return what a family is that nobody may choose."""
    return f"{family.name}: for comparison alone, what picking the best of the past would have done; no book to choose"
