"""A version of a combination over history: its members' fits speak, and nothing that came later does."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from model_registry.combined_fits import CombinedFit, MemberFit
from pairity.books import combination, features
from pairity.books.families import BOOK_FAMILIES, BookFamily
from tests.training.books.outcome_worlds import NAMES, make_world
from training.books import plan as plan_module
from training.books.account import BookCosts
from training.books.combined import measure_paper
from training.books.history_features import FeatureHistory
from training.books.plan import list_passed_over, measure_fitted, plan_book

COSTS = BookCosts(5.0, 1.0)
FIRST = 24 * 40 - 1
RULES = ("trend_book", "carry_book", "pair_continuation")
TABLES = ("opens", "highs", "lows", "closes", "volumes", "late", "rates", "covered")


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(features, "MIN_BARS", 720)
    monkeypatch.setattr(combination, "LEAST_DAYS", 20)
    monkeypatch.setattr(plan_module, "VOLATILITY_HOURS", 24 * 12)


@pytest.fixture(scope="module")
def panel():
    return make_world("continues", days=68)


def of_rules(family: str) -> BookFamily:
    """Return a combination of the three books of which nothing is learnt: everything else of it is as ever."""
    return replace(BOOK_FAMILIES[family], members=RULES)


def make_fit(past=()):
    return CombinedFit(datetime(2025, 2, 8, tzinfo=UTC), {name: MemberFit(None, bool(past), past) for name in RULES})


def plan(panel, family, fit, **options):
    given = {"first": FIRST, "costs": COSTS, "fit": fit, **options}
    return plan_book(FeatureHistory(panel), of_rules(family), frozenset(NAMES), **given)


def cut(panel, until):
    return replace(panel, **{name: getattr(panel, name)[:until] for name in TABLES})


@pytest.mark.parametrize("family", ["combined_equal", "combined_shrunk"])
def test_from_the_first_decision_on_it_decides_as_the_walk_of_these_books_does(panel, family):
    """Of books that learn nothing a version that knows nothing of before is the walk that begins with it."""
    frozen, walked = plan(panel, family, make_fit()), plan(panel, family, None)
    assert [one.target for one in frozen] == [one.target for one in walked]
    assert any(one.weights for one in frozen)


@pytest.mark.parametrize("family", ["combined_equal", "combined_shrunk"])
def test_nothing_that_comes_later_is_in_it(panel, family):
    until = 24 * 60 + 3
    past = tuple(np.random.default_rng(7).normal(0, 0.01, 15).tolist())
    whole, before = plan(panel, family, make_fit(past)), plan(cut(panel, until), family, make_fit(past))
    own = [one.target for one in before]
    assert len(own) > 15
    assert own == [one.target for one in whole[: len(own)]]


def test_a_past_goes_on_from_that_of_the_version(panel):
    fresh = plan(panel, "combined_shrunk", make_fit())
    past = {name: tuple(np.random.default_rng(place).normal(0, 0.01, 30).tolist()) for place, name in enumerate(RULES)}
    known = CombinedFit(
        datetime(2025, 2, 8, tzinfo=UTC), {name: MemberFit(None, True, own) for name, own in past.items()}
    )
    aged = plan(panel, "combined_shrunk", known)
    expected = combination.share_books(combination.Rule.SHRUNK, past)
    ours, theirs = aged[0].target.parts["carry_book"], fresh[0].target.parts["carry_book"]
    # Carry and pairs alone want anything of so short a history; with a past all three have begun
    assert len(fresh[0].target.parts) == 2
    assert ours == pytest.approx({name: 2 * expected["carry_book"] * weight for name, weight in theirs.items()})
    assert expected["carry_book"] != pytest.approx(1 / 3)


def test_decisions_that_nobody_made_are_measured_over_and_members_that_decide_more_often_walk_on(panel):
    gone = {FIRST + 24 * 3, FIRST + 24 * 4}
    whole = plan(panel, "combined_equal", make_fit())
    held = plan(panel, "combined_equal", make_fit(), silent=gone)
    assert [one.hour for one in held] == [one.hour for one in whole if one.hour not in gone]
    # None of the three smooths or counts hours: what they want at a close does not depend on how many were missed,
    # and the pairs of the one that decides every eight hours are those that it held through them.
    assert [one.target.parts for one in held] == [one.target.parts for one in whole if one.hour not in gone]


def test_a_step_between_of_which_nothing_is_known_is_passed_over(panel):
    history, member = FeatureHistory(panel), BOOK_FAMILIES["pair_continuation"]
    rows = (FIRST, FIRST + 25)
    assert list_passed_over(history, member, frozenset(NAMES), rows, {FIRST, FIRST + 24}) == set()
    late = panel.late.copy()
    late[FIRST + 8] = 5
    history = FeatureHistory(replace(panel, late=late))
    assert list_passed_over(history, member, frozenset(NAMES), rows, {FIRST, FIRST + 24}) == {FIRST + 8}
    daily = BOOK_FAMILIES["trend_book"]
    assert list_passed_over(history, daily, frozenset(NAMES), (FIRST, FIRST + 49), {FIRST}) == {FIRST + 24, FIRST + 48}


def test_its_volatility_is_the_same_for_whoever_asks_and_since_whenever_it_trades(panel):
    family, fit, hour = of_rules("combined_shrunk"), make_fit((0.01, -0.02)), 24 * 64 - 1
    able = frozenset(NAMES)
    found = {
        measure_fitted(FeatureHistory(one), family, able, fit, hour, costs=COSTS)
        for one in (panel, cut(panel, hour + 2))
    }
    assert len(found) == 1
    assert None not in found


def test_what_is_kept_of_a_rule_is_that_of_a_whole_walk(panel):
    """Members of a version are planned over its own decisions alone: no study may find these in their place."""
    history, able = FeatureHistory(panel), frozenset(NAMES)
    plan_book(history, of_rules("combined_equal"), able, first=FIRST, costs=COSTS, fit=make_fit(), until=FIRST + 30)
    walked = plan_book(history, of_rules("combined_equal"), able, first=FIRST, costs=COSTS)
    alone = plan(panel, "combined_equal", None)
    assert [one.target for one in walked] == [one.target for one in alone]
    assert measure_paper(panel, [(one.hour, one.target) for one in walked], FIRST, FIRST + 240, COSTS) != 0.0
