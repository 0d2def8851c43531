"""The volatility that a book would have had until the newest close, from the stored data as known now."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from pairity.books.families import BookFamily
from pairity.books.fits import BookFit
from pairity.books.limits import VOLATILITY_HOURS, BookLimits
from pairity.errors import MissingDataError
from pairity.settings import Settings
from pairity.timeline import HOUR, format_instant
from training.books.plan import measure_fitted, measure_realised, plan_book
from training.books.stored_market import load_market, make_book_terms


def measure_book(
    settings: Settings,
    family: BookFamily,
    limits: BookLimits,
    able: Collection[str],
    fit: BookFit | None = None,
    *,
    close: datetime,
    now: datetime,
) -> float | None:
    """Return the annualised volatility of the unscaled book over sixty days, as `MeasureBook` describes.

    None without a target of volatility: nothing is read then.
    """
    if limits.volatility is None:
        return None
    history = load_market(settings, now, close).history
    panel = history.panel
    row = (close - panel.start) // HOUR
    if row != panel.hours - 1:
        raise MissingDataError(
            f"no bar that closed at {format_instant(close)} is stored", "look at what ingestion says of this hour"
        )
    costs = make_book_terms(settings).costs
    if fit is not None:
        return measure_fitted(history, family, frozenset(able), fit, row, costs=costs)
    # From the last decision before the window on: what is planned earlier moves nothing.
    first = max(0, row - VOLATILITY_HOURS - family.every_hours)
    plan = plan_book(history, family, frozenset(able), first=first, costs=costs)
    return measure_realised(panel, plan, row)
