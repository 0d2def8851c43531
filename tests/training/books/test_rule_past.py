"""The volatility target of rules: a study, the process and a replay scale a decision by the same number."""

from types import SimpleNamespace

import pytest

from pairity.books.families import BOOK_FAMILIES
from pairity.books.limits import VOLATILITY_HOURS, BookLimits, limit_book
from pairity.settings import Settings
from pairity_cli.replay import expected_book
from tests.training.books.markets import make_market, make_panel, make_specs
from training.books import present
from training.books.account import BookCosts
from training.books.history_features import FeatureHistory
from training.books.plan import RulePast, measure_realised, plan_book

COSTS, TARGET = BookCosts(5.0, 1.0), BookLimits(volatility=0.02)
LATE = {("N01", 3_700): 30, ("N02", 3_800): 3}
UNIVERSE = 2_159
HOURS = UNIVERSE + VOLATILITY_HOURS + 24 * 14
FAMILIES = ("trend_book", "carry_book", "trend_carry_book", "pair_continuation")
PAIRS = BOOK_FAMILIES["pair_continuation"]


@pytest.fixture(scope="module")
def market():
    return make_market(53, names=11, hours=HOURS)


@pytest.fixture(scope="module")
def history(market):
    return FeatureHistory(make_panel(market, late=LATE))


@pytest.fixture(scope="module")
def able(market):
    return frozenset(market["close"])


def plan(history, family, able, first, limits=TARGET, **more):
    return plan_book(history, BOOK_FAMILIES[family], able, first=first, limits=limits, costs=COSTS, **more)


def list_scales(planned, since=0):
    return {one.hour: [*one.steps] for one in planned if one.hour >= since}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_scale_does_not_depend_on_when_the_study_begins(history, able, family):
    last = HOURS - 24 * 7
    whole = list_scales(plan(history, family, able, UNIVERSE), last)
    assert any(whole.values())
    assert list_scales(plan(history, family, able, last), last) == whole


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_wanted_without_a_target_does_not_change(history, able, family):
    scaled, plain = (plan(history, family, able, UNIVERSE, limits) for limits in (TARGET, None))
    assert [one.target for one in scaled] == [one.target for one in plain]
    assert all(not one.steps and one.weights == one.target.weights for one in plain)


def test_a_rule_begins_anew_before_the_window_of_each_close(history, able):
    """By a plan of its own for each close; and pairs are held there that a book of before holds no more than by z."""
    past, carried = RulePast(history, PAIRS, able), 0
    whole = {one.hour: one.target.pairs for one in plan(history, PAIRS.name, able, UNIVERSE, None)}
    for hour in [hour for hour in whole if hour >= HOURS - 24 * 12][::5]:
        first = hour - VOLATILITY_HOURS - PAIRS.every_hours
        anew = plan(history, PAIRS.name, able, first, None, until=hour)
        assert past.measure(hour) == measure_realised(history.panel, anew, hour)
        carried += whole[first] != anew[0].target.pairs
    assert carried


def test_closes_may_be_asked_for_in_any_order(history, able):
    hours = [HOURS - 9 - 8 * place for place in (3, 0, 20, 1)]
    past = RulePast(history, PAIRS, able)
    assert [past.measure(one) for one in hours] == [RulePast(history, PAIRS, able).measure(one) for one in hours]


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_is_known_before_there_are_sixty_days_with_a_universe(history, able, family):
    """Days before there was anything to choose from would count as days without volatility."""
    past = RulePast(history, BOOK_FAMILIES[family], able)
    begun = UNIVERSE + VOLATILITY_HOURS + BOOK_FAMILIES[family].every_hours
    hours = (0, VOLATILITY_HOURS - 1, 1_535, UNIVERSE, UNIVERSE + 24, begun - 24)
    assert [past.measure(hour) for hour in hours] == [None] * len(hours)
    assert past.measure(begun + 24) is not None


@pytest.mark.parametrize("family", FAMILIES)
def test_study_process_and_replay_scale_alike(market, history, able, family, monkeypatch):
    panel, begin = history.panel, HOURS - 24 * 4
    study = [one for one in plan(history, family, able, UNIVERSE) if one.hour >= begin]
    assert any(one.steps for one in study)
    scales = {one.hour: [*one.steps] for one in study}

    settings = Settings(books={"volatility_target": TARGET.volatility})
    wanted = []
    stored = SimpleNamespace(history=FeatureHistory(panel))
    for name, value in {
        "load_market": lambda *_: stored,
        "read_contracts": lambda _: make_specs(market),
        "read_lake_settlements": lambda *_: {},
        "read_settlement_marks": lambda *_: {},
        "run_book": lambda *_, plan, **__: wanted.extend(plan),
    }.items():
        monkeypatch.setattr(expected_book, name, value)
    within = panel.close_of(begin), panel.close_of(panel.hours - 1)
    expected_book.backtest_book(settings, BOOK_FAMILIES[family], within, (), {})
    # A replay holds to the margin of its account besides.
    said = {one.hour: [step for step in one.steps if step.name == "volatility target"] for one in wanted}
    assert said == scales

    for one in (study[0], study[-1]):
        close = panel.close_of(one.hour)
        known = FeatureHistory(make_panel(market, late=LATE, until=one.hour + 1))
        monkeypatch.setattr(present, "load_market", lambda *_, known=known: SimpleNamespace(history=known))
        chosen = BOOK_FAMILIES[family]
        realised = present.measure_book(Settings(), chosen, TARGET, able, close=close, now=close).realised
        _, steps = limit_book(one.target.weights, TARGET, realised)
        assert steps == one.steps
