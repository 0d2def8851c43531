"""The market of a book at the newest close: what a trading process decides on, whoever reads it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from pairity.books.families import BookFamily, BookMarket
from pairity.books.fits import BookFit
from pairity.books.limits import BookLimits
from pairity.books.members import MembersLeft, MembersSince
from pairity.settings import Settings


@dataclass(frozen=True, slots=True)
class PresentMarket:
    """What a book sees at the close of a bar."""

    market: BookMarket
    realised: float | None
    """Annualised volatility of the unscaled book over sixty days; None where it is not known or not needed."""
    prices: Mapping[str, float]
    """Last known close of each name, USDT."""
    missing: frozenset[str]
    """Names that had bars until now and have none at this close."""
    unusable: Mapping[str, str] = field(default_factory=dict)
    """Names without features of this close, and why."""


@dataclass(frozen=True, slots=True)
class MeasuredBook:
    """What a book would have done until a close."""

    realised: float | None = None
    """That of `PresentMarket`."""
    since: MembersSince = field(default_factory=MembersSince)
    """Of combined books: what their members did since the decision before, `past` left out."""


class MeasureBook(Protocol):
    """Measure of what a book would have done until now: no feature of one close says it."""

    def __call__(
        self,
        settings: Settings,
        family: BookFamily,
        limits: BookLimits,
        able: Collection[str],
        fit: BookFit | None = None,
        left: MembersLeft | None = None,
        *,
        close: datetime,
        now: datetime,
    ) -> MeasuredBook:
        """Return what is measured of the names of `able` at `close`, as known at `now`.

        `fit`: what the book learnt, None for a rule; `left`: what the decision before left of combined books, None
        without one. MissingDataError where no bar of this close is stored.
        """
        ...
