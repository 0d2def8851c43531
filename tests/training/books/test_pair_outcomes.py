"""Outcomes of pairs: by hand, through the engine, and known only when they are over."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_repo.transforms.outcome_kernels import weigh_legs
from model_registry.outcome_fits import PAIR_FEATURES, list_pairs, place_pairs, tabulate_outcomes
from model_registry.ranker_fits import RANK_FEATURES
from pairity.books.families import BOOK_FAMILIES, Target
from pairity.books.netting import PairStake, net_pairs
from tests.training.books.markets import make_market, make_panel
from tests.training.books.outcome_worlds import NAMES, make_world, make_world_specs
from training.books.account import BookCosts
from training.books.engine import BookTerms, run_book
from training.books.history_features import FeatureHistory
from training.books.pair_outcomes import compute_round_trip, measure_outcomes
from training.books.plan import PlannedDecision

COSTS = BookCosts(5.0, 1.0)
HOUR = 719


@pytest.fixture(scope="module")
def panel():
    return make_world("noise", days=62)


def outcome_by_hand(panel, names, sides, volatilities, hours):
    """One pair in plain floats: buy or sell at the next open, settle at the closes, leave at the open after."""
    total = 0.0
    risk = sum(1 / volatilities[name] for name in names)
    for name, side in zip(names, sides, strict=True):
        place = panel.names.index(name)
        entry, leave = float(panel.opens[HOUR + 1, place]), float(panel.opens[HOUR + 1 + hours, place])
        size = side * (1 / volatilities[name]) / risk / entry
        paid_in, got_out = entry * (1 + side * 1e-4), leave * (1 - side * 1e-4)
        total += size * (got_out - paid_in) - abs(size) * (paid_in + got_out) * 5e-4
        for hour in range(HOUR + 1, HOUR + 1 + hours):
            rate = float(panel.rates[hour, place])
            if not math.isnan(rate):
                total -= size * float(panel.closes[hour, place]) * rate
    return total


@pytest.mark.parametrize("hours", [24, 72])
def test_an_outcome_is_what_a_hand_would_have_earned(panel, hours):
    names, volatilities = ("N1", "N4", "N6"), {"N1": 0.004, "N4": 0.007, "N6": 0.005}
    got = measure_outcomes(panel, HOUR, names, np.array([*volatilities.values()]), hours, COSTS)
    pairs = list_pairs(names)
    for place, pair in enumerate(pairs):
        for row, sides in ((place, (1, -1)), (len(pairs) + place, (-1, 1))):
            assert got.net[row] == pytest.approx(outcome_by_hand(panel, pair, sides, volatilities, hours), rel=1e-12)
    assert set(got.known.tolist()) == {HOUR + 1 + hours}


def test_an_outcome_is_what_the_engine_pays_for_the_pair(panel):
    """Decided at a close, left 24 hours later; lots of a thousandth round a little off."""
    volatilities = {"N2": 0.005, "N5": 0.008}
    stake = PairStake(
        base="N2",
        quote="N5",
        side=-1,
        gross=0.5,
        base_volatility=volatilities["N2"],
        quote_volatility=volatilities["N5"],
    )
    known = FeatureHistory(panel).name_features(HOUR)
    plan = [
        PlannedDecision(at, Target(weights, {}, tuple(weights), {}), weights, (), known)
        for at, weights in ((HOUR, net_pairs([stake])), (HOUR + 24, {"N2": 0.0, "N5": 0.0}))
    ]
    terms = BookTerms(1e7, COSTS)
    # Sizes are by the close of the decision: here it is the open at which the decision is filled.
    level = replace(panel, opens=np.vstack([panel.opens[:1], panel.closes[:-1]]))
    run = run_book(
        FeatureHistory(level), BOOK_FAMILIES["pair_continuation"], terms, make_world_specs(), first=HOUR, plan=plan
    )
    own = float(run.result.trades["net_pnl"].sum()) / 1e7 / 0.5
    got = measure_outcomes(level, HOUR, ("N2", "N5"), np.array([*volatilities.values()]), 24, COSTS)
    assert own == pytest.approx(got.net[1], abs=2e-6)


def test_both_ways_together_cost_two_round_trips(panel):
    """What one side gains the other loses, but for costs, which both pay."""
    volatilities = np.full(len(NAMES), 0.005)
    net = measure_outcomes(panel, HOUR, NAMES, volatilities, 24, COSTS).net
    half = len(net) // 2
    np.testing.assert_allclose(net[:half] + net[half:], -2 * compute_round_trip(COSTS), rtol=0.1)
    free = measure_outcomes(panel, HOUR, NAMES, volatilities, 24, BookCosts(0.0, 0.0)).net
    np.testing.assert_allclose(free[:half], -free[half:], atol=1e-15)


def test_what_is_not_over_or_not_known_has_no_outcome(panel):
    volatilities = np.full(3, 0.005)
    names = ("N0", "N1", "N2")
    assert np.isnan(measure_outcomes(panel, panel.hours - 25, names, volatilities, 24, COSTS).net).all()
    assert not np.isnan(measure_outcomes(panel, panel.hours - 26, names, volatilities, 24, COSTS).net).any()
    opens, rates = panel.opens.copy(), panel.rates.copy()
    opens[HOUR + 25, 0] = np.nan
    rates[HOUR + 1 : HOUR + 9, 2] = np.nan
    holed = measure_outcomes(replace(panel, opens=opens, rates=rates), HOUR, names, volatilities, 24, COSTS)
    assert np.isnan(holed.net).tolist() == [True] * 6  # N0 has no exit, and a third of the funding of N2 is not known
    longer = measure_outcomes(replace(panel, rates=rates), HOUR - 240, names, volatilities, 480, COSTS)
    assert not np.isnan(longer.net).any()


def test_an_outcome_is_known_when_its_last_bar_has_come(panel):
    late = panel.late.copy()
    late[HOUR + 25, 1] = 30
    late[HOUR + 3, 2] = 5
    got = measure_outcomes(replace(panel, late=late), HOUR, ("N0", "N1", "N2"), np.full(3, 0.005), 24, COSTS)
    assert got.known.tolist() == [HOUR + 55, HOUR + 25, HOUR + 55] * 2


def describe_pairs(panel, hour, names):
    history = FeatureHistory(panel)
    table = history.read_columns(hour, RANK_FEATURES)[:, [panel.names.index(name) for name in names]]
    return tabulate_outcomes(names, table, history.pair_columns(hour, names))


def test_features_of_a_pair_the_other_way_are_the_mirror():
    panel = make_panel(make_market(41, hours=2_500))
    names = ("N00", "N01", "N02", "N06", "N07", "N08", "N09")
    table = describe_pairs(panel, 2_399, names)[0]
    half = len(table) // 2
    same = [PAIR_FEATURES.index(name) for name in ("spread_volatility", "correlation")]
    signs = np.where(np.isin(np.arange(len(PAIR_FEATURES)), same), 1.0, -1.0)
    np.testing.assert_array_equal(table[:half] * signs, table[half:])
    assert table.shape == (42, len(PAIR_FEATURES))
    assert not np.isnan(table[:, [*same, PAIR_FEATURES.index("z_1080h")]]).any()


def test_features_of_pairs_are_those_of_loops():
    market = make_market(41, hours=2_500)
    panel, names = make_panel(market), ("N00", "N01", "N02", "N06", "N07", "N08")
    row = dict(zip(PAIR_FEATURES, describe_pairs(panel, 2_399, names)[0][0], strict=True))
    first, second = (market["close"][name][:2_400] for name in names[:2])
    spread = np.log(np.array(first) / np.array(second))
    for hours in (72, 1_080):
        window = spread[-hours:]
        assert row[f"z_{hours}h"] == pytest.approx((window[-1] - window.mean()) / window.std(ddof=1))
    assert row["spread_volatility"] == pytest.approx(np.diff(spread[-721:]).std(ddof=1))
    moves = [np.diff(np.log(np.array(own)[-721:])) for own in (first, second)]
    assert row["correlation"] == pytest.approx(np.corrcoef(*moves)[0, 1])
    paid = [sum(r for h, r in market["funding"][n].items() if 2_399 - 168 < h <= 2_399) / 168 for n in names[:2]]
    assert row["funding_gap"] == pytest.approx(paid[0] - paid[1])
    returns = {n: market["close"][n][2_399] / market["close"][n][2_399 - 24 * 7] for n in names}
    ranked = sorted(names, key=returns.get)
    assert row["return_7d_difference"] == pytest.approx((ranked.index("N00") - ranked.index("N01")) / 5)
    risks = describe_pairs(panel, 2_399, names)[1]
    own, other = weigh_legs(*(one[-720:].std(ddof=1) for one in moves))
    assert risks[0] == risks[15] == pytest.approx((own * moves[0] - other * moves[1]).std(ddof=1))


@pytest.mark.parametrize("hour", [2_303, 2_399])
def test_features_of_pairs_depend_on_nothing_that_comes_later(hour):
    market, names = make_market(41, hours=2_500), ("N00", "N01", "N02", "N06", "N07", "N08")
    late = {("N01", hour): 2}
    whole, cut = make_panel(market, late=late), make_panel(market, late=late, until=hour + 1)
    tables = [describe_pairs(panel, hour, names)[0] for panel in (cut, whole)]
    np.testing.assert_array_equal(*tables, strict=True)


@given(st.floats(1e-5, 1.0), st.floats(1e-5, 1.0))
def test_legs_carry_the_same_risk_and_a_gross_of_one(long, short):
    own, other = weigh_legs(np.array([long]), np.array([short]))
    assert own[0] + other[0] == pytest.approx(1.0)
    assert own[0] * long == pytest.approx(other[0] * short)


def test_rows_are_all_pairs_and_then_all_pairs_the_other_way():
    long, short = place_pairs(4)
    assert list(zip(long[:6].tolist(), short[:6].tolist(), strict=True)) == list_pairs(range(4))
    assert long[6:].tolist() == short[:6].tolist()
    assert short[6:].tolist() == long[:6].tolist()
