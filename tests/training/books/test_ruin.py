"""Margin, liquidation and ruin of a book: what is left is counted, and a line goes on at nothing."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import polars as pl
import pytest

from pairity.books.families import BOOK_FAMILIES
from tests.oracles.book_money import trade_plan
from tests.training.books.markets import LOT, START, make_market, make_panel, make_specs, shock
from training.backtest.performance import compute_hourly_returns, measure_performance
from training.books.account import LIQUIDATED, BookAccount, BookCosts
from training.books.batch import make_targets, simulate_books
from training.books.bench import BookBench
from training.books.engine import BookTerms, run_book
from training.books.evidence import find_ruin
from training.books.history_features import FeatureHistory
from training.books.placebo import Shuffle
from training.books.plan import plan_book

FIRST, HOUR = 2_300, 2_417
FAMILY = BOOK_FAMILIES["trend_book"]
COSTS = BookCosts(5.0, 1.0, 1.0)
TERMS = BookTerms(100_000.0, COSTS)


@pytest.fixture(scope="module")
def market():
    return make_market(11)


@pytest.fixture(scope="module")
def short(market):
    """A name that is held short at `HOUR`, its base units, and equity and gross notional at that close."""
    run = run_book(FeatureHistory(make_panel(market)), FAMILY, TERMS, make_specs(market), first=FIRST)
    held = run.fills.filter(pl.col("hour") <= HOUR).group_by("name").agg(pl.col("size_base").sum()).sort("size_base")
    sizes = {name: size for name, size in held.iter_rows() if abs(size) > LOT / 2}
    equity = run.result.equity["equity"][HOUR - FIRST]
    gross = sum(abs(size) * market["close"][name][HOUR] for name, size in sizes.items())
    assert gross / equity == pytest.approx(run.result.equity["exposure"][HOUR - FIRST])
    name = min(sizes, key=lambda one: sizes[one] * market["close"][one][HOUR])
    return name, -sizes[name] * market["close"][name][HOUR], equity, gross


def leave(short, rate):
    """The factor of the short name's price at which equity is `rate` of the notional held."""
    _, own, equity, gross = short
    return 1 + (equity - rate * gross) / (1 + rate) / own


def trade(market, delay=0, costs=COSTS):
    history, specs = FeatureHistory(make_panel(market)), make_specs(market)
    plan = plan_book(history, FAMILY, frozenset(specs), first=FIRST, costs=TERMS.costs)
    run = run_book(history, FAMILY, replace(TERMS, costs=costs, delay_h=delay), specs, first=FIRST, plan=plan)
    batch = simulate_books(
        history.panel, plan, make_targets(history.panel, plan), specs, [costs] * 2, [1e5, 1e5], band=FAMILY.band,
        first=FIRST, delay_h=delay,
    )  # fmt: skip
    exact, _, _ = trade_plan(
        market, [(one.hour, one.weights, {n: f.volatility for n, f in one.features.items()}) for one in plan],
        first=FIRST, band=FAMILY.band, worth=1e5, lot=LOT, fee=costs.fee_bps / 1e4, slip=costs.slippage_bps / 1e4,
        impact=costs.impact, maker=None if costs.maker_fee_bps is None else costs.maker_fee_bps / 1e4, delay=delay,
    )  # fmt: skip
    np.testing.assert_allclose(batch[0], run.result.equity["equity"].to_numpy(), rtol=1e-9)
    np.testing.assert_allclose(batch[0], np.array([float(one) for one in exact]), rtol=1e-9)
    assert batch[0].tobytes() == batch[1].tobytes()
    return run


@pytest.mark.parametrize("delay", [0, 24, 30])
@pytest.mark.parametrize("costs", [COSTS, replace(COSTS, maker_fee_bps=2.0)])
def test_what_a_leap_takes_is_lost_to_the_last_cent_and_no_more(market, short, delay, costs):
    run = trade(shock(market, short[0], HOUR, 60.0), delay, costs)
    equity, lost = run.result.equity["equity"], HOUR - FIRST
    assert (equity[:lost] > 0).all()
    assert (equity[lost:] == 0.0).all()
    assert (run.result.equity["positions"][lost:] == 0).all()
    assert float(run.result.trades["net_pnl"].sum()) == pytest.approx(-100_000.0)
    taken = run.result.trades.filter(pl.col("exit_reason") == LIQUIDATED)
    assert taken.height > 5
    assert set(taken["closed_at"]) == {run.result.equity["time"][lost]}
    assert (taken["exit_price"] > 0).all()
    assert find_ruin(run.result) == run.result.equity["time"][lost]


def test_below_the_maintenance_margin_an_account_is_closed_and_goes_on_with_the_rest(market, short):
    run = trade(shock(market, short[0], HOUR, leave(short, 0.004)))
    equity, place = run.result.equity["equity"], HOUR - FIRST
    assert 0 < equity[place] < 0.01 * equity[place - 1]
    assert run.result.equity["positions"][place] == 0
    assert run.result.equity["costs"][place] > run.result.equity["costs"][place - 1]
    assert find_ruin(run.result) is None
    later = run.result.trades.filter(pl.col("opened_at") > run.result.equity["time"][place])
    assert later.height > 3
    assert later["traded_notional"].max() < 1_000


def test_above_it_nothing_happens(market, short):
    run = trade(shock(market, short[0], HOUR, leave(short, 0.02)))
    assert run.result.equity["positions"][HOUR - FIRST] > 5
    closed = run.result.trades.filter(pl.col("exit_reason") == LIQUIDATED)["closed_at"]
    assert run.result.equity["time"][HOUR - FIRST] not in set(closed)


def test_a_ruined_book_has_the_measures_of_a_loss_of_everything(market, short):
    result = trade(shock(market, short[0], HOUR, 60.0)).result
    returns = compute_hourly_returns(result)
    assert np.isfinite(returns).all()
    assert returns.min() == -1.0
    assert (returns[HOUR - FIRST + 1 :] == 0.0).all()
    measures = measure_performance(result)
    assert measures["net_return"] == -1.0
    assert measures["max_drawdown"] == 1.0
    assert all(value is None or np.isfinite(value) for value in measures.values())
    history = FeatureHistory(make_panel(shock(market, short[0], HOUR, 60.0)))
    bench = BookBench(history=history, family=FAMILY, terms=TERMS, specs=make_specs(market), first=FIRST)
    for one in (*bench.trade_costs(), bench.trade_hour(6)):
        assert one.metrics["net_return"] == -1.0
    assert bench.try_placebos(Shuffle.THROUGHOUT, with_costs=True, count=20).permutations == 20


def test_closing_costs_what_it_costs(market):
    account = BookAccount(1_000.0, make_specs(market), BookCosts(10.0, 20.0))
    account.trade("N00", Decimal(-100), 10.0, -1.0, at=START, hour=0)
    assert not account.is_liquidated
    account.marks["N00"] = 19.85
    assert account.is_liquidated
    worth, fees = account.equity, account.costs_paid
    account.liquidate(START, 1)
    paid = 1_985.0 * (0.002 + 0.001 * 1.002)
    assert account.cash == pytest.approx(worth - paid)
    assert account.costs_paid - fees == pytest.approx(paid)
    assert not account.holdings
    assert account.trades[-1]["exit_reason"] == LIQUIDATED
