"""The ranker: features that do not look ahead, targets by loops, models that have seen nothing of their test."""

import math
import statistics
from dataclasses import replace

import numpy as np
import pytest

from model_registry.ranker_fits import RANK_FEATURES, rank_columns
from pairity.books.families import BOOK_FAMILIES, Ranker
from tests.oracles.book_features import describe
from tests.training.books.markets import make_market, make_panel, make_specs
from training.books import ranker as ranker_module
from training.books.account import BookCosts
from training.books.history_features import FeatureHistory
from training.books.plan import plan_book
from training.books.rank_features import compute_targets, find_settled
from training.books.ranker import WalkForwardRanker, fit_ranker

FIRST = 2_183
"""A close at midnight soon after the first universe."""


@pytest.fixture(scope="module")
def market():
    return make_market(41, hours=2_760)


@pytest.fixture(scope="module")
def panel(market):
    return make_panel(market, late={("N01", 2_399): 2})


@pytest.fixture
def short(monkeypatch):
    """Days instead of years: made-up markets are short."""
    for name, value in (("TRAIN_DAYS", 12), ("LEAST_DAYS", 5), ("ROLL_DAYS", 4)):
        monkeypatch.setattr(ranker_module, name, value)


def read_features(panel, hour):
    return FeatureHistory(panel).read_columns(hour, RANK_FEATURES)


@pytest.mark.parametrize("hour", [2_303, 2_399, 2_640])
def test_features_depend_on_nothing_that_comes_later(market, panel, hour):
    cut = make_panel(market, late={("N01", 2_399): 2}, until=hour + 1)
    np.testing.assert_array_equal(read_features(cut, hour), read_features(panel, hour))


@pytest.mark.parametrize("name", ["N02", "N04", "N05"])
def test_features_are_those_of_loops_over_plain_lists(market, panel, name):
    hour = 2_640
    bars = {
        at: (close, market["volume"][name][at])
        for at, close in enumerate(market["close"][name][: hour + 1])
        if close is not None
    }
    expected = describe(bars, market["funding"][name], hour)
    found = dict(zip(RANK_FEATURES, read_features(panel, hour)[:, panel.names.index(name)], strict=True))
    for column, value in found.items():
        assert value == pytest.approx(math.nan if expected[column] is None else expected[column], nan_ok=True), column


def test_what_is_not_known_is_not_made_up(panel):
    late = read_features(panel, 2_399)[:, panel.names.index("N01")]
    assert np.isnan(late).all()
    unpaid = dict(zip(RANK_FEATURES, read_features(panel, 2_400)[:, panel.names.index("N05")], strict=True))
    assert math.isnan(unpaid["funding_7d"])
    assert unpaid["funding_share_7d"] == 0.0


def test_targets_are_those_of_loops(market, panel):
    hour, days, names = 2_400, 3, ["N00", "N02", "N05", "N06", "N07", "N08"]
    columns = [panel.names.index(name) for name in names]
    moved = {n: math.log(market["open"][n][hour + 73] / market["open"][n][hour + 1]) for n in names}
    mean = statistics.mean(moved.values())
    volatility = read_features(panel, hour)[RANK_FEATURES.index("volatility"), columns]
    got = dict(zip(names, compute_targets(panel, hour, columns, days, volatility), strict=True))
    for name in names:
        closes = market["close"][name]
        risk = statistics.stdev([math.log(closes[i] / closes[i - 1]) for i in range(hour - 719, hour + 1)])
        assert got[name] == pytest.approx(max(-4, min(4, (moved[name] - mean) / (risk * math.sqrt(72)))))
    assert np.isnan(compute_targets(panel, panel.hours - 73, columns, days, volatility)).all()


def score_all(history, kind=Ranker.RIDGE, until=2_750):
    able = frozenset(history.panel.names)
    walk = WalkForwardRanker(history=history, kind=kind, able=able, size=12)
    return {hour: walk.score(hour) for hour in range(FIRST, min(until, history.panel.hours), 24)}


def test_scores_are_the_same_whatever_comes_later(market, panel, short):
    whole = score_all(FeatureHistory(panel))
    cut = score_all(FeatureHistory(make_panel(market, late={("N01", 2_399): 2}, until=2_560)))
    assert any(cut.values())
    assert cut == {hour: whole[hour] for hour in cut}


def test_scores_change_with_what_was_known_at_training(panel, short):
    """Opens of one day are poisoned: scores before its targets are known keep their bits, later ones do not."""
    opens = panel.opens.copy()
    opens[2_500:2_524] *= np.exp(np.random.default_rng(1).normal(0, 0.2, (24, len(panel.names))))
    poisoned = score_all(FeatureHistory(replace(panel, opens=opens)))
    whole = score_all(FeatureHistory(panel))
    different = [hour for hour in whole if whole[hour] != poisoned[hour]]
    assert different
    assert min(different) >= 2_500


GAP = 2_160 + 24 * 8
"""The hour after a decision at midnight, at whose open its targets begin."""


def fit_at(market, hour, *, late, price=1.0):
    """Return what is fitted at a row, where an hour of one name came `late` hours after its close, at another price."""
    opens = list(market["open"]["N02"])
    opens[GAP] *= price
    panel = make_panel({**market, "open": {**market["open"], "N02": opens}}, late={("N02", GAP): late}, until=hour + 1)
    walk = WalkForwardRanker(history=FeatureHistory(panel), kind=Ranker.RIDGE, able=frozenset(panel.names), size=12)
    fitted = walk.fit(hour)
    assert fitted is not None
    return fitted.models


def test_a_bar_that_came_after_the_fit_is_not_learnt_from(short, monkeypatch):
    """An hour is filled in 20 days later: a model of 5 days after it knows nothing of it, one of 21 days after does."""
    monkeypatch.setattr(ranker_module, "TRAIN_DAYS", 30)
    market = make_market(41, hours=GAP + 24 * 21)
    before, after, late = GAP + 24 * 5 - 1, GAP + 24 * 21 - 1, 24 * 20
    unknown = fit_at(market, before, late=late)
    assert fit_at(market, before, late=late, price=1.5) == unknown
    assert fit_at(market, before, late=0, price=1.5) != fit_at(market, before, late=0) != unknown
    assert fit_at(market, after, late=late, price=1.5) != fit_at(market, after, late=late)


def test_targets_are_those_of_the_bars_that_had_come(market):
    hour, days = 2_400, 3
    panel = make_panel(market, late={("N02", hour + 73): 30, ("N05", hour + 1): 80})
    columns = [panel.names.index(name) for name in ("N00", "N02", "N05", "N06")]
    volatility = read_features(panel, hour)[RANK_FEATURES.index("volatility"), columns]
    whole = compute_targets(panel, hour, columns, days, volatility)
    assert find_settled(panel, hour, columns, days) == hour + 73 + 30
    for known_at, left_out in ((hour + 73, [1, 2]), (hour + 82, [1]), (hour + 102, [1]), (hour + 103, [])):
        opens = panel.opens.copy()
        opens[hour + 73, [columns[place] for place in left_out]] = np.nan
        expected = compute_targets(replace(panel, opens=opens), hour, columns, days, volatility)
        found = compute_targets(panel, hour, columns, days, volatility, known_at)
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(found, whole)
    assert find_settled(panel, panel.hours - 2, columns, days) == panel.hours - 2  # no target: nothing to wait for


def test_nothing_is_scored_before_there_is_enough_to_learn_from(panel, short):
    scores = score_all(FeatureHistory(panel))
    scored = [hour for hour, found in scores.items() if found]
    assert scored
    begun = 2_159  # the first close at which names are old enough
    assert scored[0] >= begun + 24 * 5
    assert all(len(scores[hour]) == 12 for hour in scored)


@pytest.mark.parametrize("kind", list(Ranker))
def test_a_ranker_finds_what_there_is_and_gives_the_same_bits(kind):
    rng = np.random.default_rng(4)
    rows = rng.uniform(-0.5, 0.5, (4_000, len(RANK_FEATURES)))
    rows[rng.random(rows.shape) < 0.05] = np.nan
    wanted = 1.5 * np.nan_to_num(rows[:, 3]) + rng.normal(0, 1, 4_000)
    one, two = (fit_ranker(kind, rows, wanted).predict(rows) for _ in range(2))
    assert one.tobytes() == two.tobytes()
    assert np.corrcoef(one, np.nan_to_num(rows[:, 3]))[0, 1] > 0.8


def test_ridge_is_that_of_the_normal_equations():
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(5)
    rows = rng.uniform(-0.5, 0.5, (300, 5))
    wanted = rows @ [1, 2, 0, -1, 0.5] + rng.normal(0, 0.1, 300) + 3
    peer = Ridge(alpha=10.0, fit_intercept=False).fit(rows, wanted - wanted.mean())
    np.testing.assert_allclose(fit_ranker(Ranker.RIDGE, rows, wanted).predict(rows), peer.predict(rows) + wanted.mean())


def test_ranks_of_features_are_within_the_universe():
    names = tuple("ABCDEFG")
    table = np.array([[3.0, 1.0, 2.0, 9.0, 4.0, np.nan, 5.0], [np.nan] * 3 + [1.0] * 4])
    ranks = rank_columns(table, names)
    assert ranks.shape == (7, 2)
    assert ranks[3, 0] == 0.5
    assert math.isnan(ranks[5, 0])
    assert np.isnan(ranks[:, 1]).all()  # four names have no ranks


def test_a_ranker_is_a_book_with_both_sides(market, panel, short):
    specs, family = make_specs(market), BOOK_FAMILIES["book_ranker_ridge"]
    plan = plan_book(FeatureHistory(panel), family, frozenset(specs), first=FIRST, costs=BookCosts(5.0, 1.0))
    held = [one for one in plan if one.weights]
    assert held
    for one in held:
        assert sum(w for w in one.weights.values() if w > 0) <= 0.5 + 1e-9
        assert sum(w for w in one.weights.values() if w < 0) >= -0.5 - 1e-9
        assert set(one.weights) <= set(one.target.universe)
