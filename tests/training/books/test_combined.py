"""Books that are combined date by date: what each had earned on paper, and no share that knows more."""

from dataclasses import replace

import numpy as np
import pytest

from pairity.books import combination, features
from pairity.books.families import BOOK_FAMILIES, Target
from tests.training.books.outcome_worlds import NAMES, make_world
from training.books.account import BookCosts
from training.books.combined import WalkForwardBooks, measure_paper
from training.books.history_features import FeatureHistory
from training.books.plan import plan_book

COSTS = BookCosts(5.0, 1.0)
RATE = 6e-4
COMBINED = ("combined_equal", "combined_shrunk", "picked_past")


def want(**weights):
    return Target(weights, {}, tuple(weights), {})


PLAN = [(10, want()), (20, want(N0=0.2, N1=-0.2)), (28, want(N0=0.1, N1=-0.1, N2=0.3)), (50, want(N2=0.3))]


@pytest.fixture(scope="module")
def panel():
    return make_world("continues", days=100)


def earn_by_hand(panel, begin, end):
    total = 0.0
    for hour in range(begin, end):
        held = [one for at, one in PLAN if at <= hour]
        if any(at == hour for at, _ in PLAN):
            before = held[-2].weights if len(held) > 1 else {}
            now = held[-1].weights
            total -= RATE * sum(abs(now.get(name, 0.0) - before.get(name, 0.0)) for name in NAMES)
        for name, weight in (held[-1].weights if held else {}).items():
            place = NAMES.index(name)
            move = panel.closes[hour + 1, place] / panel.closes[hour, place] - 1
            rate = panel.rates[hour + 1, place]
            total += weight * (move - (0.0 if np.isnan(rate) else rate))
    return total


@pytest.mark.parametrize(("begin", "end"), [(0, 15), (15, 25), (20, 44), (28, 50), (24, 60), (50, 70), (60, 84)])
def test_what_a_book_earns_on_paper_is_what_a_hand_adds_up(panel, begin, end):
    assert measure_paper(panel, PLAN, begin, end, COSTS) == pytest.approx(earn_by_hand(panel, begin, end), abs=1e-14)


def test_a_bar_that_came_late_moves_nothing_on_the_day(panel):
    late = panel.late.copy()
    late[40, 0] = 5
    missed = measure_paper(replace(panel, late=late), PLAN, 28, 40, COSTS)
    move = panel.closes[40, 0] / panel.closes[39, 0] - 1
    assert missed == pytest.approx(earn_by_hand(panel, 28, 40) - 0.1 * move, abs=1e-14)


def test_a_member_counts_from_the_first_decision_that_wants_anything(panel):
    walk = WalkForwardBooks(panel, {"own": PLAN, "never": [(10, want()), (40, want())]}, COSTS)
    assert walk.see(12) == ({}, {})
    books, past = walk.see(24)
    assert books == {"own": PLAN[1][1]}
    assert past == {"own": []}
    books, past = walk.see(48)
    assert books == {"own": PLAN[2][1]}
    assert past == {"own": [measure_paper(panel, PLAN, 24, 48, COSTS)]}


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(features, "MIN_BARS", 720)
    monkeypatch.setattr(combination, "LEAST_DAYS", 20)


def plan_all(panel, history=None):
    history = history or FeatureHistory(panel)
    return {
        name: plan_book(history, BOOK_FAMILIES[name], frozenset(NAMES), first=24 * 40 - 1, costs=COSTS)
        for name in COMBINED
    }


def test_no_share_depends_on_what_comes_later(panel, short):
    until = 24 * 80 + 3
    whole = plan_all(panel)
    tables = ("opens", "closes", "volumes", "late", "rates", "covered")
    before = plan_all(replace(panel, **{name: getattr(panel, name)[:until] for name in tables}))
    poison = {
        name: np.concatenate([getattr(panel, name)[:until], getattr(panel, name)[until:][::-1]]) for name in tables
    }
    after = plan_all(replace(panel, **poison))
    for name in COMBINED:
        assert len(before[name]) > 35
        assert any(one.weights for one in before[name])
        own = [one.target for one in before[name]]
        assert own == [one.target for one in whole[name][: len(own)]]
        assert own == [one.target for one in after[name][: len(own)]]
        assert whole[name] != after[name]


def test_a_combination_is_the_netted_sum_of_its_members(panel, short):
    history = FeatureHistory(panel)
    plans = plan_all(panel, history)
    members = {
        name: {
            one.hour: one.target
            for one in plan_book(history, BOOK_FAMILIES[name], frozenset(NAMES), first=24 * 40 - 1, costs=COSTS)
        }
        for name in BOOK_FAMILIES["combined_equal"].members
    }
    begun = [name for name, own in members.items() if any(one.weights for one in own.values())]
    assert {"trend_book", "carry_book", "pair_continuation"} <= set(begun)
    last = plans["combined_equal"][-1]
    for name in NAMES:
        expected = sum(members[one][last.hour].weights.get(name, 0.0) for one in begun) / len(begun)
        assert last.weights.get(name, 0.0) == pytest.approx(expected, abs=1e-12)
    shares = plans["combined_shrunk"][-1].target.parts
    assert set(shares) == set(begun)
    assert plans["combined_shrunk"][-1].weights != last.weights
    (picked,) = [one for one, own in plans["picked_past"][-1].target.parts.items() if any(own.values())]
    assert plans["picked_past"][-1].weights == pytest.approx(members[picked][last.hour].weights)


def test_members_are_planned_once_for_all_combinations(panel, short, monkeypatch):
    from training.books import plan as plan_module

    made, real = [], plan_module.plan_book

    def plan(history, family, *rest, **named):
        made.append(family.name)
        return real(history, family, *rest, **named)

    monkeypatch.setattr(plan_module, "plan_book", plan)
    plan_all(panel)
    assert sorted(made) == sorted(BOOK_FAMILIES["combined_equal"].members)
