"""Placebos: the same weights on other names, seeded, and the rank of a book among them."""

import tracemalloc

import numpy as np
import pytest

from pairity.books.families import BOOK_FAMILIES
from tests.training.books.markets import make_market, make_panel, make_specs
from training.books.account import BookCosts
from training.books.batch import make_targets, simulate_books
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


def deal(*arguments):
    return np.stack(list(permute_targets(*arguments)))


def deal_at_once(panel, plan, shuffle, count, seed):
    """All decisions in one array, decisions × `count` × names."""
    draw = np.random.default_rng(seed)
    column = {name: place for place, name in enumerate(panel.names)}
    giving, taking = (draw.random((count, len(panel.names))) for _ in range(2))
    targets = np.zeros((len(plan), count, len(panel.names)))
    for row, one in enumerate(plan):
        places = np.array([column[name] for name in one.target.universe], dtype=np.int64)
        if len(places):
            weights = np.array([one.weights.get(name, 0.0) for name in one.target.universe])
            if shuffle is Shuffle.EACH_DECISION:
                to = draw.random((count, len(places))).argsort(axis=1)
                dealt = np.broadcast_to(weights, (count, len(places)))
            else:
                to = taking[:, places].argsort(axis=1)
                dealt = weights[giving[:, places].argsort(axis=1)]
            targets[row, np.arange(count)[:, None], places[to]] = dealt
    return targets


@pytest.mark.parametrize("shuffle", list(Shuffle))
@pytest.mark.parametrize("delay", [0, 24])
def test_targets_one_decision_at_a_time_are_those_of_one_array_to_the_bit(made, shuffle, delay):
    history, specs, plan = made
    whole = deal_at_once(history.panel, plan, shuffle, 40, 3)
    assert deal(history.panel, plan, shuffle, 40, 3).tobytes() == whole.tobytes()
    costs, capital = [BookCosts(5.0, 1.0, 1.0)] * 40, [1e5] * 40
    dealt = permute_targets(history.panel, plan, shuffle, 40, 3)
    first, second = (
        simulate_books(history.panel, plan, one, specs, costs, capital, band=0.02, first=FIRST, delay_h=delay)
        for one in (whole, dealt)
    )
    assert first.tobytes() == second.tobytes()
    assert len({row.tobytes() for row in first}) > 20


def test_placebos_need_no_memory_that_grows_with_decisions(made):
    history, specs, plan = made
    bench = BookBench(
        history=history,
        family=BOOK_FAMILIES["trend_book"],
        terms=BookTerms(1e5, BookCosts(5.0, 1.0)),
        specs=specs,
        first=FIRST,
    )
    bench.try_placebos(Shuffle.THROUGHOUT, with_costs=True, count=2)
    peaks = []
    for decisions in (plan[:2], plan):
        bench.__dict__["_plan"] = decisions
        bench.__dict__.pop("_targets", None)
        tracemalloc.start()
        bench.try_placebos(Shuffle.THROUGHOUT, with_costs=True, count=1_000)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # All targets at once would be this much more.
    assert peaks[1] - peaks[0] < 0.25 * len(plan) * 1_000 * len(history.panel.names) * 8


@pytest.mark.parametrize("shuffle", list(Shuffle))
def test_weights_are_dealt_to_the_names_of_the_universe_and_to_no_others(made, shuffle):
    history, _, plan = made
    targets, own = deal(history.panel, plan, shuffle, 40, 3), make_targets(history.panel, plan)
    assert targets.shape == (len(plan), 40, len(history.panel.names))
    for row, one in enumerate(plan):
        outside = [place for place, name in enumerate(history.panel.names) if name not in one.target.universe]
        assert not targets[row][:, outside].any()
        for placebo in targets[row]:
            np.testing.assert_array_equal(np.sort(placebo), np.sort(own[row]))
    assert len({row.tobytes() for row in targets[0]}) > 30
    again = deal(history.panel, plan, shuffle, 40, 3)
    assert again.tobytes() == targets.tobytes()
    assert deal(history.panel, plan, shuffle, 40, 4).tobytes() != targets.tobytes()


def test_names_that_are_swapped_throughout_stay_swapped(made):
    history, _, plan = made
    same = next(p for p in range(1, len(plan)) if set(plan[p].target.universe) == set(plan[p - 1].target.universe))
    own = make_targets(history.panel, plan)
    kept = deal(history.panel, plan, Shuffle.THROUGHOUT, 30, 5)
    for account in range(30):
        before, after = kept[same - 1, account], kept[same, account]
        for place in np.flatnonzero(before):
            source = np.flatnonzero(own[same - 1] == before[place])
            assert any(own[same][giver] == after[place] for giver in source)


def test_a_rank_by_hand():
    found = rank_among(1.0, [0.5, 1.5, None, 1.0], Shuffle.THROUGHOUT, with_costs=True)
    assert (found.below, found.permutations) == (2, 4)  # the equal one is not below
    assert found.p == pytest.approx(3 / 5)
    assert (found.median, found.highest) == (1.0, 1.5)
    lost = rank_among(None, [0.5, None], Shuffle.THROUGHOUT, with_costs=True)
    assert (lost.below, lost.p) == (0, 1.0)
    ruined = rank_among(-6.0, [-6.0] * 99, Shuffle.THROUGHOUT, with_costs=True)
    assert (ruined.below, ruined.p) == (0, 1.0)
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
    bench = BookBench(
        history=history,
        family=BOOK_FAMILIES["trend_book"],
        terms=BookTerms(1e5, BookCosts(5.0, 1.0)),
        specs=specs,
        first=FIRST,
    )
    bench.__dict__["_plan"] = tuple(rows)
    for shuffle in Shuffle:
        found = bench.try_placebos(shuffle, with_costs=True, count=60)
        assert found.below == 60
        assert found.p == pytest.approx(1 / 61)


def test_without_costs_placebos_cost_nothing(made):
    history, specs, _ = made
    bench = BookBench(
        history=history,
        family=BOOK_FAMILIES["trend_book"],
        terms=BookTerms(1e5, BookCosts(50.0, 10.0)),
        specs=specs,
        first=FIRST,
    )
    paid, free = (bench.try_placebos(Shuffle.EACH_DECISION, with_costs=costs, count=30) for costs in (True, False))
    assert paid.median < free.median
