"""Books without one name: what learns keeps its models, and does not trade the name."""

from __future__ import annotations

import pytest

from pairity.books import features
from pairity.books.families import BOOK_FAMILIES
from tests.training.books.markets import make_market, make_panel
from tests.training.books.outcome_worlds import make_world
from training.books import outcome_models, outcome_walk, ranker
from training.books.account import BookCosts
from training.books.history_features import FeatureHistory
from training.books.plan import plan_book

COSTS = BookCosts(5.0, 1.0)
LEFT_OUT = "N02"


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Days instead of years."""
    monkeypatch.setattr(outcome_models, "_TREES", 20)
    for name, value in (("TRAIN_DAYS", 60), ("LEAST_DAYS", 50), ("ROLL_DAYS", 15), ("HORIZONS", (24, 72))):
        monkeypatch.setattr(outcome_walk, name, value)
    for name, value in (("TRAIN_DAYS", 12), ("LEAST_DAYS", 5), ("ROLL_DAYS", 4)):
        monkeypatch.setattr(ranker, name, value)


def plan(history, family, names, first=0, learnt=None):
    return plan_book(history, BOOK_FAMILIES[family], frozenset(names), first=first, costs=COSTS, learnt=learnt)


def weights_of(planned):
    return {one.hour: dict(one.weights) for one in planned}


@pytest.fixture(scope="module")
def market():
    return make_panel(make_market(41, hours=2_500))


@pytest.fixture
def world(monkeypatch):
    monkeypatch.setattr(features, "MIN_BARS", 720)
    return make_world("continues", days=105)


@pytest.mark.parametrize("family", ["book_ranker_ridge", "pair_outcome_boosting"])
def test_models_are_made_once_and_a_name_that_is_left_out_is_not_traded(request, monkeypatch, family):
    of_pairs = BOOK_FAMILIES[family].outcome is not None
    panel = request.getfixturevalue("world" if of_pairs else "market")
    module, fit = (outcome_walk, "fit_outcomes") if of_pairs else (ranker, "fit_ranker")
    made, honest = [], getattr(module, fit)
    monkeypatch.setattr(module, fit, lambda *given: made.append(1) or honest(*given))
    history, names, first = FeatureHistory(panel), frozenset(panel.names), 0 if of_pairs else 2_183
    whole = plan(history, family, names, first)
    assert any(one.weights for one in whole)
    assert made
    # With nobody left out it is the very same book.
    again = plan(history, family, names, first, learnt=names)
    assert weights_of(again) == weights_of(whole)
    count = len(made)
    held = min(name for one in whole for name, weight in one.weights.items() if weight)
    without = plan(history, family, names - {held}, first, learnt=names)
    assert len(made) == count
    assert any(one.weights for one in without)
    assert all(held not in one.weights for one in without)
    fitted_anew = plan(history, family, names - {held}, first)
    assert len(made) > count
    assert weights_of(fitted_anew) != weights_of(without)


def test_models_that_nobody_made_yet_are_made_of_all_names(market):
    names = frozenset(market.names)
    history = FeatureHistory(market)
    plan(history, "book_ranker_ridge", names, 2_183)
    known = plan(history, "book_ranker_ridge", names - {LEFT_OUT}, 2_183, learnt=names)
    alone = plan(FeatureHistory(market), "book_ranker_ridge", names - {LEFT_OUT}, 2_183, learnt=names)
    assert weights_of(known) == weights_of(alone)
    assert any(weights_of(alone).values())


def test_a_combination_without_a_name_has_members_without_it_and_their_models(market, monkeypatch):
    made, honest = [], ranker.fit_ranker
    monkeypatch.setattr(ranker, "fit_ranker", lambda *given: made.append(1) or honest(*given))
    history, names = FeatureHistory(market), frozenset(market.names)
    plan(history, "combined_equal", names, 2_183)
    count = len(made)
    without = plan(history, "combined_equal", names - {LEFT_OUT}, 2_183, learnt=names)
    assert len(made) == count > 0
    assert all(LEFT_OUT not in one.weights for one in without)
    member = weights_of(plan(history, "book_ranker", names - {LEFT_OUT}, 2_183, learnt=names))
    part = {one.hour: one.target.parts.get("book_ranker", {}) for one in without}
    assert any(part.values())
    assert {name for weights in part.values() for name in weights} <= {
        name for weights in member.values() for name in weights
    }
