"""Placebos: the same weights on other names, seeded, and the rank of a book among them."""

import numpy as np
import pytest

from pairity.books.families import BOOK_FAMILIES
from tests.training.books.markets import make_market, make_panel, make_specs
from training.books.account import BookCosts
from training.books.batch import make_targets
from training.books.bench import BookBench
from training.books.engine import BookTerms
from training.books.history_features import FeatureHistory
from training.books.placebo import Shuffle, permute_targets, rank_among
from training.books.plan import plan_book

FIRST = 2_300


@pytest.fixture(scope="module")
def made():
    market = make_market(11, hours=2_560)
    history, specs = FeatureHistory(make_panel(market)), make_specs(market)
    return (
        history,
        specs,
        plan_book(history, BOOK_FAMILIES["trend_book"], frozenset(specs), first=FIRST, costs=BookCosts(5.0, 1.0)),
    )


@pytest.mark.parametrize("shuffle", list(Shuffle))
def test_weights_are_dealt_to_the_names_of_the_universe_and_to_no_others(made, shuffle):
    history, _, plan = made
    targets, own = permute_targets(history.panel, plan, shuffle, 40, 3), make_targets(history.panel, plan)
    assert targets.shape == (len(plan), 40, len(history.panel.names))
    for row, one in enumerate(plan):
        outside = [place for place, name in enumerate(history.panel.names) if name not in one.target.universe]
        assert not targets[row][:, outside].any()
        for placebo in targets[row]:
            np.testing.assert_array_equal(np.sort(placebo), np.sort(own[row]))
    assert len({row.tobytes() for row in targets[0]}) > 30
    again = permute_targets(history.panel, plan, shuffle, 40, 3)
    assert again.tobytes() == targets.tobytes()
    assert permute_targets(history.panel, plan, shuffle, 40, 4).tobytes() != targets.tobytes()


def test_names_that_are_swapped_throughout_stay_swapped(made):
    history, _, plan = made
    same = next(p for p in range(1, len(plan)) if set(plan[p].target.universe) == set(plan[p - 1].target.universe))
    own = make_targets(history.panel, plan)
    kept = permute_targets(history.panel, plan, Shuffle.THROUGHOUT, 30, 5)
    for account in range(30):
        before, after = kept[same - 1, account], kept[same, account]
        for place in np.flatnonzero(before):
            source = np.flatnonzero(own[same - 1] == before[place])
            assert any(own[same][giver] == after[place] for giver in source)


def test_a_rank_by_hand():
    found = rank_among(1.0, [0.5, 1.5, None, 1.0], Shuffle.THROUGHOUT, with_costs=True)
    assert (found.below, found.permutations) == (3, 4)
    assert found.p == pytest.approx(2 / 5)
    assert (found.median, found.highest) == (1.0, 1.5)
    lost = rank_among(None, [0.5, None], Shuffle.THROUGHOUT, with_costs=True)
    assert lost.below == 1
    nothing = rank_among(1.0, [None], Shuffle.THROUGHOUT, with_costs=False)
    assert (nothing.p, nothing.median, nothing.highest) == (0.5, None, None)


def test_a_book_that_foresees_stands_above_its_placebos(made):
    """Weights of a family that knows the next day: no other dealing of them earns as much."""
    history, specs, plan = made
    panel, rows = history.panel, []
    targets = make_targets(panel, plan)
    for row, one in enumerate(plan):
        ahead = min(one.hour + 24, panel.hours - 1)
        moves = np.nan_to_num(panel.closes[ahead] / panel.closes[one.hour] - 1.0)
        places = np.array([panel.names.index(name) for name in one.target.universe])
        weights = np.zeros(len(panel.names))
        weights[places[moves[places].argsort()]] = np.sort(targets[row, places])
        names = dict(zip(panel.names, weights.tolist(), strict=True))
        rows.append(type(one)(one.hour, one.target, names, (), one.features))
    bench = BookBench(history, BOOK_FAMILIES["trend_book"], BookTerms(1e5, BookCosts(5.0, 1.0)), specs, FIRST)
    bench.__dict__["_plan"] = tuple(rows)
    for shuffle in Shuffle:
        found = bench.try_placebos(shuffle, with_costs=True, count=60)
        assert found.below == 60
        assert found.p == pytest.approx(1 / 61)


def test_without_costs_placebos_cost_nothing(made):
    history, specs, _ = made
    bench = BookBench(history, BOOK_FAMILIES["trend_book"], BookTerms(1e5, BookCosts(50.0, 10.0)), specs, FIRST)
    paid, free = (bench.try_placebos(Shuffle.EACH_DECISION, with_costs=costs, count=30) for costs in (True, False))
    assert paid.median < free.median
