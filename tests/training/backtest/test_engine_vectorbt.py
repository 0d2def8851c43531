"""vectorbt keeps the same books: it is handed the engine's fills, and must arrive at the same equity hour by hour."""

from dataclasses import replace

import numpy as np
import pytest

from pairity.settings import StrategySettings
from tests.oracles.vectorbt_books import make_orders, simulate
from tests.training.generated import LAG, random_market
from training.backtest.engine import run_backtest
from training.backtest.policies import Strategy
from training.backtest.records import Terms

pytestmark = pytest.mark.slow
"""Importing and compiling vectorbt takes longer than what is compared; the exact-decimal oracle is in every run."""


@pytest.mark.parametrize("legs", ["base", "both"])
@pytest.mark.parametrize("fill_model", ["next_open_taker", "limit_maker"])
def test_the_same_orders_give_the_same_equity_at_every_hour(legs, fill_model):
    """Without settlements: vectorbt books no funding."""
    history, scores = random_market(3, count=300, assets=("BTC", "ETH", "SOL", "XRP"))
    history = replace(history, settlements={})
    terms = Terms(initial_equity=1000.0, taker_fee_bps=5.0, slippage_bps=1.0, fill_model=fill_model)
    trials = [
        run_backtest(
            history,
            scores,
            Strategy(
                StrategySettings(
                    legs=legs,
                    z_entry=z,
                    stop_bounds=(0.01, 0.02),
                    target_bounds=(0.01, 0.03),
                    stop_default=0.01,
                    target_default=0.01,
                    max_position_usdt=700.0,
                    correlation_max=1.0,
                    max_missing_bars=0,
                )
            ),
            terms,
            decision_lag=LAG,
            train_end=None,
        )
        for z in (0.8, 1.0, 1.2)
    ]
    orders = make_orders(trials, history, terms)
    filled = sum(trial.trades.height for trial in trials)
    assert np.count_nonzero(~np.isnan(orders.size)) == 2 * filled > 100
    assert len({trial.equity["equity"][-1] for trial in trials}) == 3
    reasons = set().union(*(trial.trades["exit_reason"] for trial in trials))
    assert reasons >= {"z_cross", "stop_loss", "take_profit", "data_missing"}
    found = simulate(orders)
    for column, trial in enumerate(trials):
        np.testing.assert_allclose(found[:, column], trial.equity["equity"].to_numpy(), rtol=1e-10)


def test_a_fill_that_is_a_hundredth_off_is_seen():
    """The comparison would be worth nothing if both looked at the same number."""
    history, scores = random_market(3, count=60)
    history, terms = replace(history, settlements={}), Terms(initial_equity=1000.0, taker_fee_bps=5.0, slippage_bps=1.0)
    trial = run_backtest(history, scores, Strategy(StrategySettings()), terms, decision_lag=LAG, train_end=None)
    orders = make_orders([trial], history, terms)
    row, column = np.argwhere(~np.isnan(orders.price))[0]
    orders.price[row, column] += 0.01
    found = simulate(orders)[:, 0]
    assert abs(found[-1] - trial.equity["equity"][-1]) > 1e-3
