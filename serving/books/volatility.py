"""The volatility that a book's target was compared with, measured again from the stored data as known then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from pairity.books.families import BOOK_FAMILIES
from pairity.books.limits import BookLimits
from pairity.books.present import MeasureBook
from pairity.errors import PairityError
from pairity.settings import Settings
from serving.books.lineage import load_fit
from serving.journal import BookRecord, DecisionRecord
from serving.journal.book_records import RealisedVolatility
from validation.parity import is_same

SERVICE, FEATURE = "book", "realised_volatility"
"""Under which it stands beside the values of feature services."""


@dataclass(frozen=True, slots=True)
class VolatilityRecomputation:
    """Annualised volatility of the unscaled book over sixty days: as decided on, and measured again."""

    recorded: RealisedVolatility
    again: float | None
    fault: str | None = None
    """Why it could not be measured again."""

    @property
    def is_same(self) -> bool:
        """Whether both are the same float, or neither was known."""
        return self.fault is None and is_same(self.recorded.value, self.again)


def measure_again(
    settings: Settings, decision: DecisionRecord, book: BookRecord, measure: MeasureBook
) -> VolatilityRecomputation | None:
    """Measure over the names of a decision, at its close, as known when it was measured, with what was learnt then.

    None where the decision has no such number: no target was set, or an earlier release made it.
    """
    recorded = book.volatility
    if recorded is None:
        return None
    family = BOOK_FAMILIES.get(book.family)
    if family is None:
        return VolatilityRecomputation(recorded, None, f"{book.family} is no book of this release")
    # Names of today's universe that the decision did not have must not be asked for, and those that left must be.
    universe = settings.universe.model_copy(update={"assets": recorded.names})
    try:
        measured = measure(
            settings.model_copy(update={"universe": universe}),
            family,
            BookLimits(volatility=recorded.target),
            recorded.names,
            load_fit(settings, decision, book),
            close=book.close,
            now=recorded.known_at,
        )
    except PairityError as error:
        return VolatilityRecomputation(recorded, None, error.what)
    return VolatilityRecomputation(recorded, measured.realised)


def measure_all_again(
    settings: Settings, decided: Iterable[tuple[DecisionRecord, BookRecord]], measure: MeasureBook
) -> tuple[Counter[str], list[tuple[BookRecord, VolatilityRecomputation]]]:
    """Return what was compared, counted as `serving.parity.FeatureParity` does, and the decisions that differ."""
    counts: Counter[str] = Counter()
    found = []
    for decision, book in decided:
        one = measure_again(settings, decision, book, measure)
        if one is None:
            continue
        counts.update(compared=1)
        if not one.is_same:
            missing, extra = one.recorded.value is None, one.again is None
            counts.update(different=1, missing=int(missing), extra=int(extra))
            found.append((book, one))
    return counts, found
