import math
import statistics
from dataclasses import replace

import polars as pl
import pytest

from pairity.margin import MarginMode
from pairity.settings import StrategySettings
from tests.training.generated import LAG, START, flat_history, hours, random_market
from training.backtest import performance
from training.backtest.engine import run_backtest
from training.backtest.policies import BuyAndHold, Strategy
from training.backtest.records import EQUITY_SCHEMA, TRADE_SCHEMA, BacktestResult, Terms
from training.evaluation.uncertainty import estimate_sharpe_error

COSTLY = Terms(initial_equity=1000.0, taker_fee_bps=5.0, slippage_bps=1.0)


def result_of(curve, trades=()):
    equity = pl.DataFrame(
        [
            (time, value, 0.5, 1, 0.1 * number, 0.2 * number)
            for number, (time, value) in enumerate(zip(hours(len(curve)), curve, strict=True), 1)
        ],
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
    before_costs = [101.3 / 100, 99.3 / 101, 102.3 / 99]
    assert values["gross_return"] == pytest.approx(math.prod(before_costs) - 1)
    assert values["max_drawdown"] == pytest.approx(2 / 101)
    assert values["win_rate"] == 0.5
    assert values["profit_factor"] == pytest.approx(3.0)
    assert values["average_holding_h"] == pytest.approx(3.0)
    assert values["turnover"] == pytest.approx(4.0)
    assert values["break_even_cost_bps"] == pytest.approx((3.5 - 0.5) / 400 * 1e4)
    assert (values["unfilled_entries"], values["funding_unknown_hours"]) == (2.0, 3.0)
    returns = [101 / 100 - 1, 99 / 101 - 1, 102 / 99 - 1]
    assert values["arithmetic_return"] == pytest.approx(sum(returns))


ANNUAL = ("sharpe", "sharpe_low", "sharpe_high", "sharpe_long_run", "sharpe_geometric")


def wave(count):
    return [100.0 + 0.01 * hour + (hour * 7919 % 13 - 6) / 10 for hour in range(count)]


def test_the_ratio_of_a_month_by_hand():
    curve = wave(720)
    values = performance.measure_performance(result_of(curve))
    returns = [after / before - 1 for before, after in zip([100.0, *curve[:-1]], curve, strict=True)]
    expected = statistics.mean(returns) / statistics.stdev(returns) * math.sqrt(8760)
    assert values["sharpe"] == pytest.approx(expected)
    logs = [math.log1p(value) for value in returns]
    assert values["sharpe_geometric"] == pytest.approx(statistics.mean(logs) / statistics.stdev(logs) * math.sqrt(8760))


@pytest.mark.parametrize("count", [3, 9 * 24, 719])
def test_nothing_is_annualised_from_less_than_a_month(count):
    values = performance.measure_performance(result_of(wave(count)))
    assert {name for name in ANNUAL if values[name] is not None} == set()
    assert values["net_return"] is not None
    assert (values["sharpe_probability"] is None) == (count == 3)  # three hours have no blocks; it is of no year
    assert None not in [performance.measure_performance(result_of(wave(720)))[name] for name in ANNUAL]


def test_a_ratio_has_an_interval_and_a_probability_over_blocks_of_hours():
    curve = [100.0 + 0.3 * hour + (hour * 7919 % 13 - 6) for hour in range(720)]
    values = performance.measure_performance(result_of(curve))
    assert values["sharpe_low"] < values["sharpe"] < values["sharpe_high"]
    assert 0.5 < values["sharpe_probability"] < 1.0
    estimate = estimate_sharpe_error(performance.compute_hourly_returns(result_of(curve)))
    assert (values["sharpe_low"], values["sharpe_high"]) == (estimate.low, estimate.high)
    assert values["sharpe"] == pytest.approx(estimate.value)


def test_the_geometric_ratio_is_negative_where_money_was_lost_and_the_arithmetic_is_nothing():
    """Up and down by 4%, again and again: the mean is nothing, and nearly half is lost."""
    curve, worth = [], 100.0
    for hour in range(720):
        worth *= 0.96 if hour % 2 else 1.04
        curve.append(worth)
    values = performance.measure_performance(result_of(curve))
    assert values["net_return"] < -0.4
    assert values["sharpe"] == pytest.approx(0.0, abs=1e-6)
    assert values["arithmetic_return"] == pytest.approx(0.0, abs=1e-9)
    assert values["sharpe_geometric"] < -1
    ruined = performance.measure_performance(result_of([*curve[:-2], -1.0, 3.0]))
    assert ruined["sharpe"] is not None
    assert ruined["sharpe_geometric"] is None


def test_what_is_not_defined_is_none():
    values = performance.measure_performance(result_of([100.0, 100.0]))
    undefined = {key for key, value in values.items() if value is None}
    error = {"sharpe_low", "sharpe_high", "sharpe_probability", "sharpe_long_run", "sharpe_geometric"}
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
    result = run_backtest(history, scores, Strategy(StrategySettings()), COSTLY, decision_lag=LAG, train_end=None)
    values = performance.measure_performance(result)
    costs = values["fees_usdt"] + values["slippage_usdt"] + values["funding_usdt"]
    assert values["trades"] > 0
    assert values["net_return"] * 1000 == pytest.approx(result.trades["gross_pnl"].sum() - costs)


@pytest.mark.parametrize("legs", ["base", "both"])
@pytest.mark.parametrize(
    "terms",
    [
        {},
        {"fill_model": "limit_maker"},
        {"leverage": 5, "margin_mode": MarginMode.ISOLATED},
        {"taker_fee_bps": 60.0, "slippage_bps": 40.0},
    ],
)
def test_what_the_equity_says_was_paid_is_what_the_trades_say(legs, terms):
    for seed in range(2):
        history, scores = random_market(seed, count=50)
        chosen = replace(COSTLY, **terms)
        strategy = StrategySettings(legs=legs, leverage=chosen.leverage, margin_mode=chosen.margin_mode)
        result = run_backtest(history, scores, Strategy(strategy), chosen, decision_lag=LAG, train_end=None)
        last, trades = result.equity.row(-1, named=True), result.trades
        assert last["costs"] == pytest.approx(trades["fees"].sum() + trades["slippage"].sum(), abs=1e-9)
        assert last["funding"] == pytest.approx(trades["funding"].sum(), abs=1e-9)


def test_gross_is_what_an_account_without_costs_earns():
    """High costs eat the account and its sizes; the gross return of the eaten account is that of a whole one."""
    history, scores = random_market(5, count=400)
    history = replace(history, settlements={})
    strategy = Strategy(StrategySettings(max_position_usdt=-1.0, stop_bounds=(0.2, 0.3), target_bounds=(0.2, 0.3)))
    free = replace(COSTLY, taker_fee_bps=0.0, slippage_bps=0.0)
    dear = replace(COSTLY, taker_fee_bps=80.0, slippage_bps=0.0)
    whole, eaten = (
        performance.measure_performance(
            run_backtest(history, scores, strategy, terms, decision_lag=LAG, train_end=None)
        )
        for terms in (free, dear)
    )
    assert whole["gross_return"] == pytest.approx(whole["net_return"], abs=1e-12)
    assert eaten["net_return"] < -0.3
    assert eaten["gross_return"] == pytest.approx(whole["gross_return"], abs=0.02)


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
