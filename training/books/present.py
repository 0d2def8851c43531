"""What a book would have done until the newest close, from the stored data as known now."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from pairity.books.families import BookFamily, Target
from pairity.books.fits import BookFit
from pairity.books.limits import VOLATILITY_HOURS, BookLimits
from pairity.books.members import MembersLeft, MemberState, MemberStep
from pairity.books.present import MeasuredBook
from pairity.errors import MissingDataError
from pairity.settings import Settings
from pairity.timeline import HOUR, format_instant
from training.books.account import BookCosts
from training.books.history_features import FeatureHistory
from training.books.plan import list_passed_over, measure_fitted, measure_realised, plan_book
from training.books.stored_market import load_market, make_book_terms


def measure_book(
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
    """Return the annualised volatility of the unscaled book over sixty days, and what members of it decided lately.

    As `MeasureBook` describes. The volatility is None without a target of it. Nothing is read where nothing is asked.
    """
    if limits.volatility is None and left is None:
        return MeasuredBook()
    history = load_market(settings, now, close).history
    panel = history.panel
    row = (close - panel.start) // HOUR
    if row != panel.hours - 1:
        raise MissingDataError(
            f"no bar that closed at {format_instant(close)} is stored", "look at what ingestion says of this hour"
        )
    costs, names = make_book_terms(settings).costs, frozenset(able)
    between = {} if left is None else _walk_members(history, family, names, left, row, costs)
    if limits.volatility is None:
        return MeasuredBook(between=between)
    if fit is not None:
        return MeasuredBook(measure_fitted(history, family, names, fit, row, costs=costs), between)
    # From the last decision before the window on: what is planned earlier moves nothing.
    first = max(0, row - VOLATILITY_HOURS - family.every_hours)
    plan = plan_book(history, family, names, first=first, costs=costs)
    return MeasuredBook(measure_realised(panel, plan, row), between)


def _walk_members(
    history: FeatureHistory, family: BookFamily, able: frozenset[str], left: MembersLeft, row: int, costs: BookCosts
) -> dict[str, tuple[MemberStep, ...]]:
    """Return what members that decide more often than the combination decided since its decision before."""
    panel = history.panel
    begin = (left.close - panel.start) // HOUR
    found: dict[str, tuple[MemberStep, ...]] = {}
    for member in family.books:
        if member.every_hours >= family.every_hours:
            continue
        state = left.members.get(member.name, MemberState(begun=False, weights={}))
        planned = plan_book(
            history,
            member,
            able,
            first=max(begin + 1, 0),
            costs=costs,
            silent=list_passed_over(history, member, able, (max(begin + 1, 0), row), ()),
            until=row,
            before=(begin, Target(weights=state.weights, scores={}, universe=(), pairs=state.pairs)),
        )
        found[member.name] = tuple(
            MemberStep(panel.close_of(one.hour), one.target.weights, one.target.pairs) for one in planned
        )
    return found
