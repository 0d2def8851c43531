"""The engine against a backtester in exact decimals, on random markets with gaps, holes, funding and stops."""

from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairity.settings import StrategySettings
from tests.oracles.decimal_backtest import backtest
from tests.training.generated import LAG, random_market
from training.backtest.engine import run
from training.backtest.policies import Strategy
from training.backtest.records import Terms

ASSETS = ("BTC", "ETH", "SOL", "XRP")


def compare(history, scores, strategy, terms):
    """Equal trades (when, what, how much, why) and equity to 1e-9; the number of exits by reason."""
    found = run(history, scores, Strategy(strategy), terms, decision_lag=LAG, train_end=None)
    books = backtest(history, scores, strategy, LAG, terms)
    columns = ["position_id", "leg", "asset", "side", "contracts", "opened_at", "closed_at", "exit_reason",
               "entry_price", "exit_price", "funding", "fees"]  # fmt: skip
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
        "stop_bounds": (stop, 2 * stop), "target_bounds": (stop, 3 * stop), "stop_default": stop,
        "target_default": stop, "max_position_usdt": 700.0, "correlation_max": 1.0,
    }  # fmt: skip
    return StrategySettings(**(defaults | changes))


def levered(positions, rate):
    """Twice the equity in each position, and a venue that wants nearly all of the equity for them."""
    return Terms(1000.0, 5.0, 1.0, leverage=20, maintenance_rate=rate / positions)


def ruinous(legs, positions):
    """Held for days behind stops that are never met."""
    return strategy_of(
        0.3, legs=legs, target_bounds=(0.3, 0.9), leverage=20, max_position_usdt=1000.0,
        max_concurrent_positions=positions, min_hold_bars=40, max_missing_bars=40,
    )  # fmt: skip


@settings(max_examples=50, deadline=None)
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
        stop, legs=legs, cooldown_bars=cooldown, max_missing_bars=missing, switch_threshold=switch,
        max_concurrent_positions=positions, hedge_tolerance=0.1,
    )  # fmt: skip
    compare(history, scores, strategy, Terms(1000.0, 5.0, 1.0, fill_model=fill_model))


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    legs=st.sampled_from(["base", "both"]),
    positions=st.integers(1, 3),
    rate=st.floats(0.4, 0.51),
)
def test_equals_an_exact_decimal_backtest_of_an_account_at_its_limit(seed, legs, positions, rate):
    history, scores = random_market(seed, assets=ASSETS)
    compare(history, scores, ruinous(legs, positions), levered(positions, rate))


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
        met += compare(history, scores, strategy_of(0.01, legs=legs, max_missing_bars=0), Terms(1000.0, 5.0, 1.0))
        met += compare(history, scores, ruinous(legs, 1), levered(1, 0.5))
    assert set(met) == reasons
