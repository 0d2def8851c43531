"""Decisions of a family over history: what it wants at each close. An account has no part in them.

Targets follow from what was known of the market, so that one plan serves every account, cost and capital.
Source: docs/formulas.md, Books.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from model_registry.combined_fits import CombinedFit
from model_registry.outcome_fits import OutcomeFit
from model_registry.ranker_fits import RankerFit
from pairity.books.continuation import PairNames
from pairity.books.decision import plan_weights
from pairity.books.families import BookFamily, BookMarket, Target
from pairity.books.features import NameFeatures, choose_universe
from pairity.books.fits import BookFit
from pairity.books.limits import HOURS_PER_YEAR, VOLATILITY_HOURS, BookLimits, Step
from pairity.books.members import PairSides
from pairity.timeline import HOUR
from training.books.account import BookCosts
from training.books.combined import Targets, WalkForwardBooks
from training.books.history_features import FeatureHistory
from training.books.history_windows import read_known
from training.books.outcome_walk import PairDays, look_at_pairs, open_outcomes
from training.books.panel import BookPanel
from training.books.ranker import FrozenRanker, WalkForwardRanker

Floats = NDArray[np.float64]
_DAY = 24
_FIRST_ELAPSED = 24
"""Hours since the decision before the first one: nothing is held then."""


@dataclass(frozen=True, slots=True)
class PlannedDecision:
    """What is wanted at the close of row `hour`: the family's target, and its weights within the limits."""

    hour: int
    target: Target
    weights: Mapping[str, float]
    steps: tuple[Step, ...]
    features: Mapping[str, NameFeatures]
    """Of the names that could be traded."""


def plan_book(
    history: FeatureHistory,
    family: BookFamily,
    able: frozenset[str],
    *,
    first: int = 0,
    phase_h: int = 0,
    limits: BookLimits | None = None,
    costs: BookCosts,
    learnt: frozenset[str] | None = None,
    fit: BookFit | None = None,
    silent: Collection[int] = (),
    until: int | None = None,
    before: tuple[int, Target] | None = None,
) -> tuple[PlannedDecision, ...]:
    """Return the decisions of `family` from row `first` to before `until`; only names of `able` are seen.

    `until`: the last row of the panel where it is not given. `fit`: what the family learnt at one moment, which speaks
    from beginning to end; without one a family that learns does so walk-forward. Nothing is decided at `silent` rows.
    `before`: row and target of the decision before the first one, whose pairs go on being held.

    `learnt`: names that models learn from, where they are others; then the models are those of a book of these names.

    `phase_h`: hours after 00:00 UTC at which a day's first decision is due. `costs`: what families that learn outcomes,
    and those that compare the past of books, take trading to cost; others do not ask. The volatility target of a rule
    knows nothing before sixty days with a universe (`RulePast`), with a `fit` before there are sixty days at all
    (`measure_fitted`), of what learns walk-forward or combines it before sixty days have been planned.
    """
    panel, limits = history.panel, limits or BookLimits()
    decided, target = (None, None) if before is None else before
    planned: list[PlannedDecision] = []
    basis = Basis(able, able if learnt is None else learnt, first, phase_h, costs)
    due = list_due(panel, family, first, panel.hours - 1 if until is None else until, phase_h)
    due = [hour for hour in due if hour not in silent]
    see = _prepare_view(history, family, basis, fit, due)
    past = RulePast(history, family, able, phase_h) if fit is None and family.is_rule else None
    for hour in due:
        features = _see_names(history, able, hour)
        market = BookMarket(
            features=features,
            held_pairs={} if target is None else target.pairs,
            hours_left={} if target is None else target.hours_left,
            elapsed=_FIRST_ELAPSED if decided is None else hour - decided,
            **{"z_scores": {}, **see(hour, features)},
        )
        if limits.volatility is None:
            realised = None
        elif fit is not None:
            realised = measure_fitted(history, family, able, fit, hour, costs=costs)
        elif past is not None:
            realised = past.measure(hour)
        else:
            realised = measure_realised(panel, planned, hour)
        plan = plan_weights(family, market, limits, realised)
        decided, target = hour, plan.target
        planned.append(PlannedDecision(hour, target, plan.weights, plan.steps, features))
    if fit is None and until is None and before is None and not silent:
        _keep_targets(history, family, basis, lambda: planned)
    return tuple(planned)


def list_due(panel: BookPanel, family: BookFamily, first: int, until: int, phase_h: int = 0) -> list[int]:
    """Return the rows from `first` to before `until` at which a family decides."""
    return [
        hour for hour in range(first, until) if not (panel.close_of(hour) - HOUR * phase_h).hour % family.every_hours
    ]


class Basis(NamedTuple):
    """What targets of a family depend on, besides the market."""

    able: frozenset[str]
    learnt: frozenset[str]
    """Names that its models learn from: those of `able`, or of a book whose models it takes."""
    first: int
    phase_h: int
    costs: BookCosts


def _prepare_view(
    history: FeatureHistory, family: BookFamily, basis: Basis, fit: BookFit | None, due: Sequence[int]
) -> Callable[[int, Mapping[str, NameFeatures]], dict[str, Any]]:
    """Return a function of row and features: the fields of `BookMarket` that the family alone asks for.

    It is asked for the rows of `due`, which ascend.
    """
    able, learnt, costs = basis.able, basis.learnt, basis.costs
    if isinstance(fit, RankerFit):
        frozen = FrozenRanker(history=history, fit=fit, able=able, size=family.size)
        return lambda hour, _: {"scores": frozen.score(hour)}
    if isinstance(fit, OutcomeFit):
        return lambda hour, _: {"outlooks": look_at_pairs(history, fit, able, family.size, hour)}
    if isinstance(fit, CombinedFit):
        frozen_plans = {one.name: _plan_frozen(history, one, fit, basis, due) for one in family.books}
        begun = {name: own.past for name, own in fit.members.items() if own.begun}
        return _combine(WalkForwardBooks(history.panel, frozen_plans, costs, begun))
    if family.ranker is not None:
        ranker = WalkForwardRanker(
            history=history,
            kind=family.ranker,
            able=able,
            size=family.size,
            made=_keep_models(history, family, basis),
            learns=able == learnt,
        )
        return lambda hour, _: {"scores": ranker.score(hour)}
    if family.outcome is not None:
        outcomes = open_outcomes(history, family.outcome, learnt, family.size, costs)
        if able == learnt:
            return lambda hour, _: {"outlooks": outcomes.look(hour)}
        days = PairDays(history, able, family.size, costs)
        return lambda hour, _: {"outlooks": outcomes.look_among(days, hour)}
    if family.members:
        return _combine(WalkForwardBooks(history.panel, plan_members(history, family, basis), costs))
    return lambda hour, features: {"z_scores": _score_pairs(history, family, hour, features)}


def _combine(books: WalkForwardBooks) -> Callable[[int, Mapping[str, NameFeatures]], dict[str, Any]]:
    def combine(hour: int, _: Mapping[str, NameFeatures]) -> dict[str, Any]:
        seen, past = books.see(hour)
        return {"books": seen, "past": past}

    return combine


def plan_members(history: FeatureHistory, family: BookFamily, basis: Basis) -> dict[str, Targets]:
    """Return the walk-forward targets of the books that a family combines, each planned once for all that ask."""
    return {one.name: _plan_member(history, one, basis) for one in family.books}


def _plan_frozen(
    history: FeatureHistory, member: BookFamily, fit: CombinedFit, basis: Basis, due: Sequence[int]
) -> Targets:
    """Return the targets of a member over the decisions of a combination, from the first of them on.

    One that decides more often does so between them, too.
    """
    if not due:
        return []
    planned = plan_book(
        history,
        member,
        basis.able,
        first=due[0],
        phase_h=basis.phase_h,
        costs=basis.costs,
        fit=fit.members[member.name].fit,
        silent=list_passed_over(history, member, basis.able, (due[0], due[-1] + 1), due, basis.phase_h),
        until=due[-1] + 1,
    )
    return [(one.hour, one.target) for one in planned]


def list_passed_over(
    history: FeatureHistory,
    member: BookFamily,
    able: frozenset[str],
    rows: tuple[int, int],
    due: Collection[int],
    phase_h: int = 0,
) -> set[int]:
    """Return the rows from `rows[0]` to before `rows[1]` at which a member of a combination decides nothing.

    `due` are the rows at which the combination decides, and every member with it. Between them decides who does so more
    often than once a day, where there was anything to choose from.
    """
    between = {*list_due(history.panel, member, *rows, phase_h)}.difference(due)
    return {
        hour
        for hour in between
        if member.every_hours >= _DAY or not choose_universe(_see_names(history, able, hour), member.size)
    }


def _plan_again(history: FeatureHistory, family: BookFamily, basis: Basis) -> Sequence[PlannedDecision]:
    return plan_book(
        history,
        family,
        basis.able,
        first=basis.first,
        phase_h=basis.phase_h,
        costs=basis.costs,
        learnt=basis.learnt,
    )


def _keep_models(history: FeatureHistory, family: BookFamily, basis: Basis) -> dict[int, Any]:
    """Return the models of a ranker that were made of this history, by row; whoever makes more adds them."""
    key = basis.learnt, family.size, basis.first, basis.phase_h
    made: dict[int, Any] = history.keep(f"models by {family.ranker}", key, dict)
    if not made and basis.able != basis.learnt:
        _plan_again(history, family, basis._replace(able=basis.learnt))
    return made


def _plan_member(history: FeatureHistory, member: BookFamily, basis: Basis) -> Targets:
    """Return the targets of a book that is combined, which the book itself or another combination may have planned."""
    return _keep_targets(history, member, basis, lambda: _plan_again(history, member, basis))


def _keep_targets(
    history: FeatureHistory, family: BookFamily, basis: Basis, plan: Callable[[], Sequence[PlannedDecision]]
) -> Targets:
    """Return targets before any limits: whoever plans a book leaves them with the history, for what combines it."""
    return history.keep(
        f"targets of {family.name}", (family, basis), lambda: [(one.hour, one.target) for one in plan()]
    )


def _see_names(history: FeatureHistory, able: frozenset[str], hour: int) -> dict[str, NameFeatures]:
    return {name: known for name, known in history.name_features(hour).items() if name in able}


def _score_pairs(
    history: FeatureHistory, family: BookFamily, hour: int, features: Mapping[str, NameFeatures]
) -> Mapping[PairNames, float]:
    return history.z_scores(hour, tuple(choose_universe(features, family.size))) if family.needs_pairs else {}


class RulePast:
    """What a rule would have wanted in the sixty days before a close, had it held nothing before them.

    From the last decision before the window on. Pairs that are held depend on when the book began: begun anew for each
    close, the volatility is the same whoever asks, and since when it traded. Rows need not be asked for in any order;
    where they ascend, most of what is wanted was wanted at the close before.
    """

    def __init__(self, history: FeatureHistory, family: BookFamily, able: frozenset[str], phase_h: int = 0) -> None:
        self._history, self._family, self._able, self._phase_h = history, family, able, phase_h
        self._made: dict[int, dict[tuple[tuple[PairNames, int], ...], PlannedDecision]] = {}
        """By row and the pairs that were held: closes that follow each other soon hold the same."""

    def measure(self, hour: int) -> float | None:
        """Return `measure_realised` at row `hour`; None where there was nothing to choose from ahead of the window.

        Days before there was a universe have no volatility: counted as days without any, they would scale a book up.
        """
        panel, every = self._history.panel, self._family.every_hours
        first = max(0, hour - VOLATILITY_HOURS - every)
        for row in [row for row in self._made if row < first]:
            del self._made[row]
        due = list_due(panel, self._family, first, min(first + every, hour), self._phase_h)
        planned: list[PlannedDecision] = []
        for row in range(due[0], hour, every) if due else ():
            planned.append(self._decide(row, planned[-1].target.pairs if planned else {}))
            if not planned[0].target.universe:
                return None
        return measure_realised(panel, planned, hour)

    def _decide(self, hour: int, held: PairSides) -> PlannedDecision:
        made, key = self._made.setdefault(hour, {}), tuple(held.items())
        if key not in made:
            features = _see_names(self._history, self._able, hour)
            scores = _score_pairs(self._history, self._family, hour, features)
            market = BookMarket(features=features, z_scores=scores, held_pairs=held)
            plan = plan_weights(self._family, market, BookLimits(), None)
            made[key] = PlannedDecision(hour, plan.target, plan.weights, plan.steps, features)
        return made[key]


def measure_fitted(
    history: FeatureHistory, family: BookFamily, able: frozenset[str], fit: BookFit, hour: int, *, costs: BookCosts
) -> float | None:
    """Return `measure_realised` at row `hour` of what a fit would have wanted in the sixty days before.

    From the last decision before the window on, smoothed from there: the same, whoever asks, and since when it traded.
    """
    first = max(0, hour - VOLATILITY_HOURS - family.every_hours)
    planned = plan_book(history, family, able, first=first, costs=costs, fit=fit, until=hour)
    return measure_realised(history.panel, planned, hour)


def measure_realised(panel: BookPanel, planned: Sequence[PlannedDecision], hour: int) -> float | None:
    """Return the annualised volatility of the unscaled targets over the sixty days that end at row `hour`.

    Weights of a decision hold from the next hour on, without drift and costs; an hour without a bar moves nothing. Only
    bars count that were known at the close. None before sixty days have been planned, and where nothing moved.
    """
    begin = hour - VOLATILITY_HOURS
    if not planned or planned[0].hour > begin:
        return None
    closes = read_known(panel, panel.closes, hour, VOLATILITY_HOURS + 1)
    moves = np.nan_to_num(closes[1:] / closes[:-1] - 1.0)
    earned = np.zeros(VOLATILITY_HOURS)
    end = VOLATILITY_HOURS
    for one in reversed(planned):
        start = max(0, one.hour - begin)
        for name, weight in one.target.weights.items():
            earned[start:end] += weight * moves[start:end, panel.names.index(name)]
        end = start
        if one.hour <= begin:
            break
    deviation = float(earned.std(ddof=1))
    return deviation * HOURS_PER_YEAR**0.5 if deviation > 0 else None
