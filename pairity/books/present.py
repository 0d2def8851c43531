"""The market of a book at the newest close: what a trading process decides on, whoever reads it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pairity.books.families import BookFamily, BookMarket, PairSides
from pairity.books.limits import BookLimits
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


class ReadMarket(Protocol):
    """Reader of the stored market."""

    def __call__(
        self,
        settings: Settings,
        family: BookFamily,
        limits: BookLimits,
        able: Collection[str],
        held_pairs: PairSides,
        *,
        close: datetime,
        now: datetime,
    ) -> PresentMarket:
        """Return the market of the names of `able` at `close`, as known at `now`.

        `held_pairs`: those of the decision before. MissingDataError where no bar of this close is known.
        """
        ...
