"""What a book would have done until the newest close, from the stored data as known now."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from pairity.books.families import BookFamily, Target
from pairity.books.fits import BookFit
from pairity.books.limits import BookLimits
from pairity.books.members import MembersLeft, MembersSince, MemberState, MemberStep, PairSides
from pairity.books.present import MeasuredBook
from pairity.errors import MissingDataError
from pairity.settings import Settings
from pairity.timeline import HOUR, format_instant
from training.books.account import BookCosts
from training.books.combined import measure_paper
from training.books.history_features import FeatureHistory
from training.books.plan import PlannedDecision, RulePast, list_passed_over, measure_fitted, plan_book
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
    since = MembersSince() if left is None else _follow_members(history, family, names, left, row, costs)
    if limits.volatility is None:
        return MeasuredBook(since=since)
    if fit is None:
        return MeasuredBook(RulePast(history, family, names).measure(row), since)
    return MeasuredBook(measure_fitted(history, family, names, fit, row, costs=costs), since)


def _follow_members(
    history: FeatureHistory, family: BookFamily, able: frozenset[str], left: MembersLeft, row: int, costs: BookCosts
) -> MembersSince:
    """Return what the members of a combination did since its decision before."""
    panel = history.panel
    begin = (left.close - panel.start) // HOUR
    between: dict[str, tuple[MemberStep, ...]] = {}
    earned: dict[str, float] = {}
    for member in family.books:
        state = left.members.get(member.name, MemberState(begun=False, weights={}))
        planned = _walk_member(history, family, member, able, state, (begin, row), costs)
        if planned:
            between[member.name] = tuple(
                MemberStep(panel.close_of(one.hour), one.target.weights, one.target.pairs) for one in planned
            )
        if family.follows_past and state.begun and begin >= 0:
            # Names without any stored bar move nothing.
            prior, weights = (
                {name: weight for name, weight in own.items() if name in panel.names}
                for own in (state.prior, state.weights)
            )
            held = [(begin - 1, _want(prior)), (begin, _want(weights))]
            plan = [*held, *((one.hour, one.target) for one in planned)]
            earned[member.name] = measure_paper(panel, plan, begin, row, BookCosts(left.cost_bps, 0.0))
    return MembersSince(between, earned)


def _walk_member(
    history: FeatureHistory,
    family: BookFamily,
    member: BookFamily,
    able: frozenset[str],
    state: MemberState,
    rows: tuple[int, int],
    costs: BookCosts,
) -> Sequence[PlannedDecision]:
    """Return what a member decided between two decisions of the combination; nothing, if no more often than it."""
    if member.every_hours >= family.every_hours:
        return ()
    first = max(rows[0] + 1, 0)
    return plan_book(
        history,
        member,
        able,
        first=first,
        costs=costs,
        silent=list_passed_over(history, member, able, (first, rows[1]), ()),
        until=rows[1],
        before=(rows[0], _want(state.weights, state.pairs)),
    )


def _want(weights: Mapping[str, float], pairs: PairSides = MappingProxyType({})) -> Target:
    return Target(weights=weights, scores={}, universe=(), pairs=pairs)
