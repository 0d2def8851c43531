"""Many accounts at once against the engine, account by account."""

from dataclasses import replace

import numpy as np
import pytest

from pairity.books.families import BOOK_FAMILIES
from pairity.books.limits import BookLimits
from tests.training.books.markets import make_market, make_panel, make_specs
from training.books.account import BookCosts
from training.books.batch import Contracts, make_targets, simulate_books
from training.books.engine import BookTerms, run_book
from training.books.history_features import FeatureHistory
from training.books.plan import plan_book

FIRST = 2_300
COSTS = (BookCosts(5.0, 1.0), BookCosts(5.0, 1.0, 1.0), BookCosts(15.0, 3.0, 1.0), BookCosts(0.0, 0.0))
CAPITAL = (100_000.0, 50_000.0, 1e6, 2_000.0)
FAMILIES = [
    pytest.param(name, marks=pytest.mark.slow) if family.outcome or family.members else name
    for name, family in BOOK_FAMILIES.items()
]
"""Books that learn outcomes, and those that combine them, are planned anew for the costs of each account."""


@pytest.fixture(scope="module")
def market():
    return make_market(23, hours=2_700)


@pytest.fixture(scope="module")
def history(market):
    return FeatureHistory(make_panel(market, late={("N01", 2_399): 2, ("N06", 2_423): 1}))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("delay", "phase"), [(0, 0), (24, 0), (30, 6)])
def test_every_account_has_the_equity_of_the_engine(market, history, family, delay, phase):
    specs, chosen = make_specs(market), BOOK_FAMILIES[family]
    plan = plan_book(history, chosen, frozenset(specs), first=FIRST, phase_h=phase, costs=COSTS[0])
    targets = make_targets(history.panel, plan)
    got = simulate_books(
        history.panel, plan, targets, specs, COSTS, CAPITAL, band=chosen.band, first=FIRST, delay_h=delay
    )
    for place, (costs, capital) in enumerate(zip(COSTS, CAPITAL, strict=True)):
        terms = BookTerms(capital, costs, phase_h=phase, delay_h=delay)
        expected = run_book(history, chosen, terms, specs, first=FIRST).result.equity["equity"].to_numpy()
        np.testing.assert_allclose(got[place], expected, rtol=1e-9)
    assert len({row.tobytes() for row in got}) == len(COSTS)


@pytest.mark.parametrize("family", ["trend_book", "carry_book", "pair_continuation"])
def test_accounts_trade_nothing_either_where_too_few_names_are_known(family):
    """Whole hours without bars of nine or of all names, at a decision and elsewhere."""
    market = make_market(23, hours=2_700)
    for kind in ("open", "high", "low", "close", "volume"):
        for hour in (2_447, 2_448, 2_519, 2_520):
            for name in sorted(market["close"])[: 9 if hour < 2_500 else 14]:
                market[kind][name][hour] = None
    history, specs, chosen = FeatureHistory(make_panel(market)), make_specs(market), BOOK_FAMILIES[family]
    plan = plan_book(history, chosen, frozenset(specs), first=FIRST, costs=COSTS[0])
    assert any(one.target.is_blind for one in plan)
    got = simulate_books(
        history.panel, plan, make_targets(history.panel, plan), specs, COSTS, CAPITAL, band=chosen.band, first=FIRST
    )
    for place, (costs, capital) in enumerate(zip(COSTS, CAPITAL, strict=True)):
        expected = run_book(history, chosen, BookTerms(capital, costs), specs, first=FIRST).result.equity["equity"]
        np.testing.assert_allclose(got[place], expected.to_numpy(), rtol=1e-9)


@pytest.mark.parametrize("family", list(BOOK_FAMILIES))
@pytest.mark.parametrize(("delay", "phase"), [(0, 0), (30, 6)])
def test_limit_orders_first_are_those_of_the_engine(market, history, family, delay, phase):
    specs, chosen = make_specs(market), BOOK_FAMILIES[family]
    plan = plan_book(history, chosen, frozenset(specs), first=FIRST, phase_h=phase, costs=COSTS[0])
    costs = [replace(one, maker_fee_bps=maker) for one, maker in zip(COSTS, (2.0, -1.0, 6.0, 0.0), strict=True)]
    got = simulate_books(
        history.panel, plan, make_targets(history.panel, plan), specs, costs, CAPITAL, band=chosen.band, first=FIRST,
        delay_h=delay,
    )  # fmt: skip
    for place, (own, capital) in enumerate(zip(costs, CAPITAL, strict=True)):
        terms = BookTerms(capital, own, phase_h=phase, delay_h=delay)
        run = run_book(history, chosen, terms, specs, first=FIRST, plan=plan)
        np.testing.assert_allclose(got[place], run.result.equity["equity"].to_numpy(), rtol=1e-9)
        if run.fills.height:
            assert run.fills["maker"].n_unique() == 2


def test_accounts_of_both_kinds_are_not_traded_together(market, history):
    specs = make_specs(market)
    plan = plan_book(history, BOOK_FAMILIES["trend_book"], frozenset(specs), first=FIRST, costs=COSTS[0])
    both = (COSTS[0], replace(COSTS[0], maker_fee_bps=2.0))
    with pytest.raises(ValueError, match="not traded together"):
        simulate_books(history.panel, plan, make_targets(history.panel, plan), specs, both, (1e5, 1e5), band=0.02)


def test_targets_of_their_own_are_those_of_a_run_with_them(market, history):
    specs, family = make_specs(market), BOOK_FAMILIES["trend_book"]
    able = frozenset(specs) - {"N01"}
    plans = [plan_book(history, family, names, first=FIRST, costs=COSTS[0]) for names in (frozenset(specs), able)]
    targets = np.stack([make_targets(history.panel, plan) for plan in plans], axis=1)
    got = simulate_books(history.panel, plans[0], targets, specs, COSTS[:1] * 2, (1e5, 1e5), band=0.02, first=FIRST)
    alone = run_book(history, family, BookTerms(1e5, COSTS[0]), specs, first=FIRST, leave_out=frozenset({"N01"}))
    np.testing.assert_allclose(got[1], alone.result.equity["equity"].to_numpy(), rtol=1e-9)


def test_lots_are_whole_and_never_more_than_was_asked(market, history):
    specs = make_specs(market)
    contracts = Contracts.of(history.panel, {name: spec for name, spec in specs.items() if name != "N02"})
    asked = np.array([[0.0129] * 14, [-0.3] * 14, [0.0004] * 14])
    got = contracts.round(asked)
    assert got[0, 0] == pytest.approx(0.012)
    assert got[1, 0] == pytest.approx(-0.3)  # three hundred lots, which division in floats makes 299.999…
    assert got[2, 0] == 0.0
    assert (got[:, history.panel.names.index("N02")] == 0.0).all()


def test_limits_reach_the_account(market, history):
    specs, family = make_specs(market), BOOK_FAMILIES["trend_book"]
    limits = BookLimits(gross=0.5)
    terms = replace(BookTerms(1e5, COSTS[0]), limits=limits)
    result = run_book(history, family, terms, specs, first=FIRST).result
    assert result.equity["exposure"].max() < 0.62
    plan = plan_book(history, family, frozenset(specs), first=FIRST, costs=COSTS[0], limits=limits)
    got = simulate_books(
        history.panel, plan, make_targets(history.panel, plan), specs, COSTS[:1], (1e5,), band=0.02, first=FIRST
    )
    np.testing.assert_allclose(got[0], result.equity["equity"].to_numpy(), rtol=1e-9)
    assert "gross limit: gross " in result.decisions["reason"][-1]


@pytest.mark.parametrize("maker", [None, 2.0])
def test_what_the_account_cannot_margin_is_not_held_by_either(market, history, maker):
    """At a leverage of 1 the targets take all of the margin, and what prices have moved needs more."""
    specs, family = make_specs(market), BOOK_FAMILIES["trend_book"]
    limits = BookLimits(gross=5.0, margin=0.99)
    plan = plan_book(history, family, frozenset(specs), first=FIRST, costs=COSTS[0], limits=limits)
    assert any("initial margin: gross 1, at most 0.99" in map(str, one.steps) for one in plan)
    costs = [replace(one, maker_fee_bps=maker) for one in COSTS]
    got = simulate_books(
        history.panel, plan, make_targets(history.panel, plan), specs, costs, CAPITAL, band=family.band, margin=0.99,
        first=FIRST,
    )  # fmt: skip
    for place, (own, capital) in enumerate(zip(costs, CAPITAL, strict=True)):
        run = run_book(history, family, BookTerms(capital, own, limits=limits), specs, first=FIRST, plan=plan)
        assert sum(bool(one.margin) for one in run.decisions) > 3
        np.testing.assert_allclose(got[place], run.result.equity["equity"].to_numpy(), rtol=1e-9)
    free = BookTerms(CAPITAL[0], costs[0])
    other = run_book(history, family, free, specs, first=FIRST, plan=plan).result.equity["equity"].to_numpy()
    assert not np.allclose(got[0], other, rtol=1e-9)


def test_the_volatility_of_sixty_days_is_that_of_loops_over_its_hours():
    market = make_market(5, hours=2_300 + 24 * 70)
    history = FeatureHistory(make_panel(market))
    specs, family = make_specs(market), BOOK_FAMILIES["trend_book"]
    limits = BookLimits(volatility=0.05)
    plan = plan_book(history, family, frozenset(specs), first=FIRST, costs=COSTS[0], limits=limits)
    plain = plan_book(history, family, frozenset(specs), first=FIRST, costs=COSTS[0])
    assert [one.target for one in plan] == [one.target for one in plain]
    # The first universe is that of row 2,159, before the first decision: the sixty days begin with it.
    unknown = [one for one in plan if one.hour - 1_440 - 24 < 2_159]
    assert 0 < len(unknown) < 60
    assert all(step.why == "volatility of 60 days is not known" for one in unknown for step in one.steps)
    assert all("realised" in step.why for one in plan[len(unknown) :] for step in one.steps)
    last = plan[-1]
    returns = []
    for hour in range(last.hour - 1_439, last.hour + 1):
        weights = next(one.target.weights for one in reversed(plain) if one.hour < hour)
        earned = 0.0
        for name, weight in weights.items():
            now, before = market["close"][name][hour], market["close"][name][hour - 1]
            earned += weight * (now / before - 1) if now is not None and before is not None else 0.0
        returns.append(earned)
    realised = float(np.std(returns, ddof=1)) * 8_760**0.5
    assert last.steps[0].long == pytest.approx(min(1.5, 0.05 / realised))
    for name, weight in last.weights.items():
        assert weight == pytest.approx(last.target.weights[name] * last.steps[0].long)
