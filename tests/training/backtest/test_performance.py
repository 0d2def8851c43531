import math
import statistics

import polars as pl
import pytest

from pairity.settings import StrategySettings
from tests.training.generated import LAG, START, flat_history, hours, random_market
from training.backtest import performance
from training.backtest.engine import run_backtest
from training.backtest.policies import BuyAndHold, Strategy
from training.backtest.records import EQUITY_SCHEMA, TRADE_SCHEMA, BacktestResult, Terms

COSTLY = Terms(initial_equity=1000.0, taker_fee_bps=5.0, slippage_bps=1.0)


def result_of(curve, trades=()):
    equity = pl.DataFrame(
        [(time, value, 0.5, 1) for time, value in zip(hours(len(curve)), curve, strict=True)],
        schema=EQUITY_SCHEMA,
        orient="row",
    )
    return BacktestResult(
        initial_equity=100.0,
        trades=pl.DataFrame(list(trades), schema=TRADE_SCHEMA),
        equity=equity,
        decisions=pl.DataFrame(),
        unfilled_entries=2,
        funding_unknown_hours=3,
    )


def a_trade(net, gross=None, notional=200.0, funding=0.0, held_h=5, pair="A__B", position=None, leg=0):
    return {
        "position_id": position or f"{pair}{net}",
        "leg": leg,
        "pair_id": pair,
        "exit_reason": "z_cross",
        "opened_at": START,
        "closed_at": START.replace(hour=held_h),
        "net_pnl": net,
        "gross_pnl": net if gross is None else gross,
        "slippage": 0.1,
        "leg_pnl": net,
        "fees": 0.2,
        "funding": funding,
        "traded_notional": notional,
    }


def test_by_hand():
    values = performance.measure_performance(
        result_of([101.0, 99.0, 102.0], [a_trade(3.0, 4.0, funding=0.5), a_trade(-1.0, -0.5, held_h=1)])
    )
    assert set(values) == set(performance.KEYS)
    assert values["net_return"] == pytest.approx(0.02)
    assert values["gross_return"] == pytest.approx(0.035)
    assert values["max_drawdown"] == pytest.approx(2 / 101)
    assert values["win_rate"] == 0.5
    assert values["profit_factor"] == pytest.approx(3.0)
    assert values["average_holding_h"] == pytest.approx(3.0)
    assert values["turnover"] == pytest.approx(4.0)
    assert values["break_even_cost_bps"] == pytest.approx((3.5 - 0.5) / 400 * 1e4)
    assert (values["unfilled_entries"], values["funding_unknown_hours"]) == (2.0, 3.0)
    returns = [101 / 100 - 1, 99 / 101 - 1, 102 / 99 - 1]
    expected = statistics.mean(returns) / statistics.stdev(returns) * math.sqrt(8760)
    assert values["sharpe"] == pytest.approx(expected)
    assert values["sharpe_low"] < values["sharpe"] < values["sharpe_high"]
    assert 0.5 < values["sharpe_probability"] < 1.0


def test_what_is_not_defined_is_none():
    values = performance.measure_performance(result_of([100.0, 100.0]))
    undefined = {key for key, value in values.items() if value is None}
    error = {"sharpe_low", "sharpe_high", "sharpe_probability"}
    trades = {"win_rate", "profit_factor", "average_holding_h", "break_even_cost_bps"}
    assert undefined == {"sharpe", *error, *trades}
    assert values["max_drawdown"] == 0.0
    assert performance.measure_performance(result_of([101.0]))["sharpe"] is None


def test_a_loss_from_the_start_is_a_drawdown():
    assert performance.measure_performance(result_of([90.0, 95.0]))["max_drawdown"] == pytest.approx(0.1)


def test_at_the_break_even_cost_nothing_is_earned():
    """The same trades, charged what they could bear: flat."""
    history, scores = random_market(11, count=100)
    free = Terms(initial_equity=1000.0, taker_fee_bps=0.0, slippage_bps=0.0)
    policy = Strategy(StrategySettings(max_position_usdt=300.0))
    before = run_backtest(history, scores, policy, free, decision_lag=LAG, train_end=None)
    bearable = performance.measure_performance(before)["break_even_cost_bps"]
    charged = before.trades["traded_notional"].sum() * bearable * 1e-4
    assert before.trades["net_pnl"].sum() == pytest.approx(charged)


def test_costs_are_the_difference_between_gross_and_net():
    history, scores = random_market(3, count=100)
    values = performance.measure_performance(
        run_backtest(history, scores, Strategy(StrategySettings()), COSTLY, decision_lag=LAG, train_end=None)
    )
    costs = values["fees_usdt"] + values["slippage_usdt"] + values["funding_usdt"]
    assert values["trades"] > 0
    assert values["net_return"] * 1000 == pytest.approx(values["gross_return"] * 1000 - costs)


def test_every_contender_has_the_same_keys():
    history = flat_history({"BTC": [100.0, 101.0, 102.0]})
    hold = run_backtest(history, {}, BuyAndHold("BTC", 0.95), COSTLY, decision_lag=LAG, train_end=None)
    idle = run_backtest(history, {}, Strategy(StrategySettings()), COSTLY, decision_lag=LAG, train_end=None)
    assert (
        set(performance.measure_performance(hold))
        == set(performance.measure_performance(idle))
        == set(performance.KEYS)
    )


def test_per_pair_best_first():
    table = performance.summarise_by_pair(
        result_of([100.0], [a_trade(-1.0, pair="A__B"), a_trade(2.0, pair="A__C"), a_trade(1.0, pair="A__B")]).trades
    )
    assert table["pair_id"].to_list() == ["A__C", "A__B"]
    assert table["trades"].to_list() == [1, 2]
    assert table["win_rate"].to_list() == [1.0, 0.5]
    assert performance.summarise_by_pair(result_of([100.0]).trades).is_empty()


def test_two_legs_are_one_trade():
    """One leg wins 3, the other loses 1: a position that won 2."""
    legs = [a_trade(3.0, position="x", held_h=4), a_trade(-1.0, position="x", leg=1)]
    values = performance.measure_performance(result_of([102.0], legs))
    assert (values["trades"], values["win_rate"], values["profit_factor"]) == (1.0, 1.0, None)
    assert values["average_holding_h"] == pytest.approx(5.0)
    assert values["turnover"] == pytest.approx(4.0)
    assert performance.summarise_by_pair(result_of([102.0], legs).trades)["trades"].to_list() == [1]
