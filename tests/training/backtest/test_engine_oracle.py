"""The engine against a backtester in exact decimals, on random markets with gaps, holes, funding and stops."""

from collections import Counter
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairity.settings import StrategySettings
from pairity.strategy.types import PairScore
from pairity.universe import Pair
from tests.examples import examples
from tests.oracles.decimal_backtest import backtest, backtest_of
from tests.training.generated import LAG, random_market
from training.backtest.engine import run_backtest
from training.backtest.policies import Strategy
from training.backtest.ranking import RankingPolicy, SingleAssetPolicy
from training.backtest.records import HourScores, Terms

ASSETS = ("BTC", "ETH", "SOL", "XRP")


def compare(history, scores, strategy, terms):
    """Equal trades (when, what, how much, why) and equity to 1e-9; the number of exits by reason."""
    found = run_backtest(history, scores, Strategy(strategy), terms, decision_lag=LAG, train_end=None)
    return same(found, backtest(history, scores, strategy, LAG, terms))


def same(found, books):
    columns = [
        "position_id",
        "leg",
        "asset",
        "side",
        "contracts",
        "opened_at",
        "closed_at",
        "exit_reason",
        "entry_price",
        "exit_price",
        "funding",
        "fees",
    ]
    rows = list(found.trades.select(columns).iter_rows())
    assert [(*row[:4], Decimal(row[4]), *row[5:8]) for row in rows] == [
        (t.position_id, t.leg, t.asset, t.side, t.contracts, t.opened_at, t.closed_at, t.reason) for t in books.trades
    ]
    for row, trade in zip(rows, books.trades, strict=True):
        exact = [float(value) for value in (trade.entry, trade.exit, trade.funding, trade.fees)]
        assert list(row[8:]) == pytest.approx(exact, rel=1e-9, abs=1e-9)
    assert found.equity["equity"].to_list() == pytest.approx([float(v) for v in books.equity], rel=1e-9)
    assert found.unfilled_entries == books.unfilled
    return Counter(trade.reason.value for trade in books.trades)


def strategy_of(stop=0.01, **changes):
    defaults = {
        "stop_bounds": (stop, 2 * stop),
        "target_bounds": (stop, 3 * stop),
        "stop_default": stop,
        "target_default": stop,
        "max_position_usdt": 700.0,
        "correlation_max": 1.0,
    }
    return StrategySettings(**(defaults | changes))


def levered(positions, rate):
    """Twice the equity in each position, and a venue that wants nearly all of the equity for them."""
    return Terms(
        initial_equity=1000.0, taker_fee_bps=5.0, slippage_bps=1.0, leverage=20, maintenance_rate=rate / positions
    )


def ruinous(legs, positions):
    """Held for days behind stops that are never met."""
    return strategy_of(
        0.3,
        legs=legs,
        target_bounds=(0.3, 0.9),
        leverage=20,
        max_position_usdt=1000.0,
        max_concurrent_positions=positions,
        min_hold_bars=40,
        max_missing_bars=40,
    )


@settings(max_examples=examples(50), deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    legs=st.sampled_from(["base", "both"]),
    fill_model=st.sampled_from(["next_open_taker", "limit_maker"]),
    stop=st.sampled_from([0.004, 0.01, 0.03]),
    cooldown=st.integers(0, 2),
    switch=st.sampled_from([None, 0.3]),
    missing=st.integers(0, 2),
    positions=st.integers(1, 3),
)
def test_equals_an_exact_decimal_backtest(seed, legs, fill_model, stop, cooldown, switch, missing, positions):
    history, scores = random_market(seed, assets=ASSETS)
    strategy = strategy_of(
        stop,
        legs=legs,
        cooldown_bars=cooldown,
        max_missing_bars=missing,
        switch_margin=switch,
        max_concurrent_positions=positions,
        hedge_tolerance=0.1,
    )
    compare(
        history,
        scores,
        strategy,
        Terms(initial_equity=1000.0, taker_fee_bps=5.0, slippage_bps=1.0, fill_model=fill_model),
    )


@settings(max_examples=examples(20), deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    legs=st.sampled_from(["base", "both"]),
    positions=st.integers(1, 3),
    rate=st.floats(0.4, 0.51),
)
def test_equals_an_exact_decimal_backtest_of_an_account_at_its_limit(seed, legs, positions, rate):
    history, scores = random_market(seed, assets=ASSETS)
    compare(history, scores, ruinous(legs, positions), levered(positions, rate))


def forecasts(seed, hours):
    rng = np.random.default_rng(seed)
    return {
        hour: HourScores(tuple(PairScore(Pair(name, "USDT"), float(rng.normal()), None) for name in ASSETS))
        for hour in hours
        if rng.random() > 0.05
    }


@settings(max_examples=examples(50), deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    top=st.integers(0, 2),
    every=st.integers(1, 5),
    exposure=st.sampled_from([0.5, 0.95, 3.0]),
    fill_model=st.sampled_from(["next_open_taker", "limit_maker"]),
)
def test_rankings_equal_the_exact_backtest(seed, top, every, exposure, fill_model):
    history, _ = random_market(seed, assets=ASSETS)
    scores = forecasts(seed, history.hours)
    policy = RankingPolicy(top, 1, every, gross_exposure=exposure, leverage=4)
    terms = Terms(
        initial_equity=1000.0,
        taker_fee_bps=5.0,
        slippage_bps=1.0,
        leverage=4,
        maintenance_rate=0.2,
        fill_model=fill_model,
    )
    found = run_backtest(history, scores, policy, terms, decision_lag=LAG, train_end=None)
    same(found, backtest_of(policy.decide, False, history, scores, LAG, terms))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), threshold=st.floats(0, 1.5))
def test_a_single_assets_backtest_equals_the_exact_one(seed, threshold):
    history, _ = random_market(seed, assets=ASSETS)
    scores, policy = forecasts(seed, history.hours), SingleAssetPolicy(threshold)
    terms = Terms(initial_equity=1000.0, taker_fee_bps=5.0, slippage_bps=1.0)
    found = run_backtest(history, scores, policy, terms, decision_lag=LAG, train_end=None)
    same(found, backtest_of(policy.decide, False, history, scores, LAG, terms))


@pytest.mark.parametrize(
    ("legs", "reasons"),
    [
        ("base", {"z_cross", "stop_loss", "take_profit", "data_missing", "liquidation", "end_of_data"}),
        ("both", {"z_cross", "stop_loss", "take_profit", "data_missing", "liquidation", "end_of_data", "other_leg"}),
    ],
)
def test_random_markets_meet_every_kind_of_exit(legs, reasons):
    """Otherwise the comparison with the oracle would say little."""
    met = Counter()
    for seed in range(6):
        history, scores = random_market(seed, assets=ASSETS, count=80)
        met += compare(
            history,
            scores,
            strategy_of(0.01, legs=legs, max_missing_bars=0),
            Terms(initial_equity=1000.0, taker_fee_bps=5.0, slippage_bps=1.0),
        )
        met += compare(history, scores, ruinous(legs, 1), levered(1, 0.5))
    assert set(met) == reasons
