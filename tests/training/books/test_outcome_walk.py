"""Books by outcomes of pairs: they learn the sign, trade nothing where there is none, and never look ahead."""

from dataclasses import replace

import numpy as np
import pytest

from pairity.books import features
from pairity.books.families import BOOK_FAMILIES, OutcomeModel
from tests.training.books.outcome_worlds import NAMES, make_world, make_world_specs
from training.books import outcome_models, outcome_walk
from training.books.account import BookCosts
from training.books.engine import BookTerms, run_book
from training.books.history_features import FeatureHistory, compute_day_rows
from training.books.outcome_models import LEAST_T, choose_margin, fit_outcomes
from training.books.outcome_walk import PairDay, open_outcomes, overlaps, split_blocks
from training.books.plan import plan_book

COSTS = BookCosts(5.0, 1.0)
ABLE = frozenset(NAMES)
FAMILIES = ("pair_outcome_forest", "pair_outcome_boosting")
BOTH = [pytest.param(FAMILIES[0], marks=pytest.mark.slow), FAMILIES[1]]


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Days instead of years: made-up worlds are short."""
    monkeypatch.setattr(features, "MIN_BARS", 720)
    monkeypatch.setattr(outcome_models, "_TREES", 20)
    for name, value in (("TRAIN_DAYS", 60), ("LEAST_DAYS", 50), ("ROLL_DAYS", 15), ("HORIZONS", (24, 72))):
        monkeypatch.setattr(outcome_walk, name, value)


def plan_world(panel, family, **changes):
    return plan_book(FeatureHistory(panel), BOOK_FAMILIES[family], ABLE, costs=COSTS, **changes)


def measure_signs(panel, plan):
    """Return, per pair that was entered, its side times the sign of how its spread moved in the three days before."""
    closes, column = np.log(panel.closes), panel.names.index
    signs = []
    for one in plan:
        for (first, second), side in one.target.pairs.items():
            if one.target.hours_left[first, second] in outcome_walk.HORIZONS:
                moved = closes[one.hour] - closes[one.hour - 72]
                signs.append(side * np.sign(moved[column(first)] - moved[column(second)]))
    return np.array(signs)


@pytest.mark.parametrize("family", BOTH)
@pytest.mark.parametrize(("kind", "sign"), [("continues", 1), ("reverts", -1)])
def test_the_sign_is_learnt_and_earns_after_costs(kind, sign, family):
    panel = make_world(kind, days=110)
    plan = plan_world(panel, family)
    signs = measure_signs(panel, plan)
    assert len(signs) > 100
    assert sign * signs.mean() > 0.2
    terms = BookTerms(1e5, COSTS)
    result = run_book(FeatureHistory(panel), BOOK_FAMILIES[family], terms, make_world_specs(), plan=plan).result
    assert result.equity["equity"][-1] > 1.02e5


@pytest.mark.parametrize("family", BOTH)
def test_where_there_is_nothing_to_learn_little_is_traded(family):
    plans = [plan_world(make_world("noise", seed=seed, days=110), family) for seed in (5, 6)]
    decided = [one for plan in plans for one in plan if one.hour > 24 * 83]
    assert np.mean([bool(one.weights) for one in decided]) < 0.25


def cut(panel, until):
    """Return the first `until` hours of a panel."""
    tables = ("opens", "closes", "volumes", "late", "rates", "covered")
    return replace(panel, **{name: getattr(panel, name)[:until] for name in tables})


def weights_of(plan):
    return {one.hour: (dict(one.weights), dict(one.target.hours_left)) for one in plan}


@pytest.mark.parametrize("until", [24 * 90 + 5, pytest.param(24 * 100, marks=pytest.mark.slow)])
def test_no_weight_depends_on_what_comes_later(until):
    panel = make_world("continues", days=110)
    whole = weights_of(plan_world(panel, FAMILIES[1]))
    before = weights_of(plan_world(cut(panel, until), FAMILIES[1]))
    assert any(weights for weights, _ in before.values())
    assert before == {hour: whole[hour] for hour in before}
    draw, poison = np.random.default_rng(1), {}
    for name in ("opens", "closes", "rates"):
        poison[name] = getattr(panel, name).copy()
        poison[name][until:] *= draw.uniform(0.5, 2, (panel.hours - until, len(NAMES)))
    after = weights_of(plan_world(replace(panel, **poison), FAMILIES[1]))
    assert {hour: after[hour] for hour in before} == before
    assert after != whole


def test_outlooks_are_the_same_from_whatever_hour_on_and_in_whatever_order():
    panel = make_world("continues", days=100)
    hours = [24 * day - 1 for day in (85, 91, 99)]
    ways = [open_outcomes(FeatureHistory(panel), OutcomeModel.FOREST, ABLE, 10, COSTS) for _ in range(2)]
    forwards = {hour: ways[0].look(hour) for hour in hours}
    assert {hour: ways[1].look(hour) for hour in reversed(hours)} == forwards
    assert ways[0].list_margins() == ways[1].list_margins()


def test_nothing_is_learnt_before_its_outcome_was_known(monkeypatch):
    """Models are made at a close by which the bars of all exits had come; a bar that came later teaches nothing yet."""
    learnt = []
    monkeypatch.setattr(outcome_walk, "fit_outcomes", lambda _kind, rows, _wanted: learnt.append(len(rows)) or None)
    monkeypatch.setattr(outcome_walk, "choose_margin", lambda *_: 0.0)
    monkeypatch.setattr(outcome_walk, "FOLDS", 0)
    panel, made_at, rows_a_day = make_world("noise", days=90), 24 * 80 - 1, 28

    def count_rows(one):
        learnt.clear()
        # Features of bars that all came in time: a name with a bar to come would be in no universe meanwhile.
        history = FeatureHistory(one, lambda _, begin: compute_day_rows(panel, begin))
        open_outcomes(history, OutcomeModel.FOREST, ABLE, 10, COSTS).fit(made_at)
        return learnt[:]

    first = 30  # day at whose end the names are old enough
    assert count_rows(panel) == [rows_a_day * (78 - first + 1), rows_a_day * (76 - first + 1)]
    late = panel.late.copy()
    late[24 * 60, 2] = made_at - 24 * 60 + 1
    # 7 pairs of one name, of the two decisions (four over three days) whose holdings have the bar in them.
    assert [a - b for a, b in zip(count_rows(panel), count_rows(replace(panel, late=late)), strict=True)] == [14, 28]
    late[24 * 60, 2] -= 1
    assert count_rows(replace(panel, late=late)) == count_rows(panel)


def test_folds_are_purged_by_the_longest_holding_and_what_reaches_in_is_left_out():
    empty = np.empty(0)
    days = [PairDay(24 * day - 1, (), empty, empty, empty) for day in range(1, 11)]
    blocks = split_blocks(days, 3)
    assert [len(block) for block in blocks] == [3, 4, 3]
    middle = blocks[1]
    inside = [day.hour for day in days if overlaps(day.hour, middle)]
    assert inside == [24 * day - 1 for day in (4, 5, 6, 7, 8, 9, 10)]
    assert not overlaps(middle[-1].hour + 1 + 72 + 1, middle)
    assert split_blocks(days[:1], 3) == [days[:1]]
    assert split_blocks([], 3) == []


def test_a_margin_needs_a_t_of_1_64_and_the_larger_one_wins_a_tie():
    draw = np.random.default_rng(2)
    noise = draw.normal(0, 1, 400)
    noise -= noise.mean()
    assert choose_margin({0.0: noise, 1.0: noise - 0.1}, 3) is None
    assert choose_margin({0.0: noise + 0.3, 1.0: noise + 0.6, 2.0: noise}, 3) == 1.0
    assert choose_margin({0.0: noise + 0.5, 1.0: noise + 0.5}, 3) == 1.0
    assert choose_margin({0.0: [], 1.0: [0.0] * 50}, 3) is None
    assert LEAST_T == 1.64


@pytest.mark.parametrize("kind", list(OutcomeModel))
def test_models_find_what_there_is_and_give_the_same_bits_whatever_the_threads(kind):
    draw = np.random.default_rng(4)
    rows = draw.uniform(-1, 1, (6_000, 8))
    rows[draw.random(rows.shape) < 0.05] = np.nan
    wanted = np.nan_to_num(rows[:, 3]) + draw.normal(0, 1, len(rows))
    one, two, again = (fit_outcomes(kind, rows, wanted, threads, "abcdefgh").predict(rows) for threads in (1, 2, 1))
    assert one.tobytes() == two.tobytes() == again.tobytes()
    assert np.corrcoef(one, np.nan_to_num(rows[:, 3]))[0, 1] > 0.8


@pytest.mark.parametrize("kind", list(OutcomeModel))
def test_what_cannot_be_split_is_the_mean(kind):
    rows = np.random.default_rng(1).uniform(-1, 1, (30, 4))
    forecast = fit_outcomes(kind, rows, np.full(30, 0.25), names="abcd").predict(rows)
    assert forecast == pytest.approx(np.full(30, 0.25))
    assert fit_outcomes(kind, rows, rows[:, 0], names="abcd").predict(rows) == pytest.approx(
        np.full(30, rows[:, 0].mean()), abs=0.02
    )


@pytest.mark.slow
def test_two_plans_are_the_same_and_the_two_models_are_two():
    panel = make_world("continues", days=90)
    plans = [weights_of(plan_world(panel, family)) for family in (*FAMILIES, FAMILIES[0])]
    assert plans[0] == plans[2]
    assert plans[0] != plans[1]
