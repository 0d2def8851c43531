from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairity.digest import digest_bytes
from pairity.errors import TimeRangeError
from pairity.settings import StrategySettings
from pairity.strategy.types import ExitReason, PairScore
from pairity.universe import Pair
from tests.training.generated import HOUR, LAG, START, constant_scores, flat_history, random_market, spec
from training.backtest.account import Account
from training.backtest.engine import run_backtest
from training.backtest.policies import BuyAndHold, Strategy
from training.backtest.records import PriceBar, Settlement, Terms

PAIR = Pair("BTC", "ETH")
FREE = Terms(initial_equity=1000.0, taker_fee_bps=0.0, slippage_bps=0.0)
COSTLY = Terms(initial_equity=1000.0, taker_fee_bps=5.0, slippage_bps=1.0)
HOLD = (PairScore(PAIR, 0.5, 0.9),)
LONG = (PairScore(PAIR, -2.0, 0.9),)
SHORT = (PairScore(PAIR, 2.0, 0.9),)
OUT = (PairScore(PAIR, 0.1, 0.9),)
"""z on the other side of a long's entry."""


def trade(history, lines, terms=FREE, strategy=None, train_end=None):
    policy = Strategy(strategy or StrategySettings())
    scores = constant_scores(history.hours, *lines)
    return run_backtest(history, scores, policy, terms, decision_lag=LAG, train_end=train_end)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_equity_change_is_leg_profit_less_fees_less_funding(seed):
    history, scores = random_market(seed, count=40)
    result = run_backtest(history, scores, Strategy(StrategySettings()), COSTLY, decision_lag=LAG, train_end=None)
    trades = result.trades
    booked = trades["leg_pnl"].sum() - trades["fees"].sum() - trades["funding"].sum()
    assert result.equity["equity"][-1] - 1000.0 == pytest.approx(booked, abs=1e-9)
    assert trades["net_pnl"].sum() == pytest.approx(booked, abs=1e-9)
    assert (trades["gross_pnl"] - trades["slippage"] - trades["leg_pnl"]).abs().max() in (
        None,
        pytest.approx(0, abs=1e-9),
    )


def test_random_markets_meet_every_kind_of_exit():
    """Otherwise the comparison with the oracle would say little."""
    reasons = set()
    strategy = StrategySettings(stop_bounds=(0.01, 0.02), target_bounds=(0.01, 0.02), max_missing_bars=0)
    for seed in range(12):
        history, scores = random_market(seed)
        result = run_backtest(history, scores, Strategy(strategy), COSTLY, decision_lag=LAG, train_end=None)
        reasons |= set(result.trades["exit_reason"])
    assert {"z_cross", "stop_loss", "take_profit", "data_missing", "end_of_data"} <= reasons


def test_the_same_market_gives_the_same_trade_log_byte_for_byte():
    """In every process and on every machine: a change of this digest is a change of the strategy or of the books."""
    history, scores = random_market(7, count=120)
    result = run_backtest(history, scores, Strategy(StrategySettings()), COSTLY, decision_lag=LAG, train_end=None)
    assert result.trades.height == 27
    assert digest_bytes(result.trades.write_csv().encode()) == (
        "ae406681b8dffeca54fbd48325e87610643a64f2934a5ae8dd4e2d0ee98a5dd1"
    )


def test_a_decision_fills_at_the_next_bars_open_and_pays_for_it():
    history = flat_history({"BTC": [100.0, 100.0, 101.0, 102.0], "ETH": [50.0] * 4})
    history.bars["BTC"][START + HOUR] = PriceBar(100.5, 101.0, 100.0, 100.8)
    history.bars["BTC"][START + 2 * HOUR] = PriceBar(101.0, 101.5, 100.9, 101.2)
    result = trade(history, [LONG, OUT, HOLD, HOLD], COSTLY)
    (row,) = result.trades.to_dicts()
    assert (row["entry_reference"], row["exit_reference"]) == (100.5, 101.0)
    assert row["entry_price"] == pytest.approx(100.5 * 1.0001)
    assert row["exit_price"] == pytest.approx(101.0 * 0.9999)
    assert row["fees"] == pytest.approx(row["traded_notional"] * 5e-4)
    assert (row["opened_at"], row["closed_at"]) == (START, START + HOUR)
    assert row["exit_reason"] == ExitReason.Z_CROSS


def test_trap_2_profit_is_booked_on_the_traded_asset_not_on_the_reference():
    """The quote asset and BTC move a lot; only the traded base's own move is profit."""
    pair = Pair("ETH", "SOL")
    line = (PairScore(pair, -2.0, 0.9),)
    quiet = (PairScore(pair, -0.5, 0.9),)
    history = flat_history({"BTC": [100.0, 150.0, 300.0], "ETH": [50.0, 50.0, 51.0], "SOL": [10.0, 4.0, 20.0]})
    result = trade(history, [line, quiet, quiet])
    (row,) = result.trades.to_dicts()
    assert row["asset"] == "ETH"
    assert row["leg_pnl"] == pytest.approx(row["size_base"] * 1.0)
    assert result.equity["equity"][-1] == pytest.approx(1000.0 + row["size_base"] * 1.0)


def test_trap_3_a_period_that_training_has_seen_is_refused():
    history = flat_history({"BTC": [100.0] * 4, "ETH": [50.0] * 4})
    with pytest.raises(TimeRangeError, match="was trained on data up to"):
        trade(history, [HOLD] * 4, train_end=START)
    assert trade(history, [HOLD] * 4, train_end=START - HOUR).trades.is_empty()


def test_trap_12_sizes_are_contracts_in_whole_lots():
    specs = {"BTC": spec("BTC", ct_val="0.01", lot="1")}
    history = flat_history({"BTC": [30_000.0, 30_000.0, 30_300.0], "ETH": [50.0] * 3}, specs=specs)
    result = trade(history, [LONG, HOLD, HOLD], strategy=StrategySettings(max_missing_bars=9))
    (row,) = result.trades.to_dicts()
    assert row["contracts"] == "3"  # 950 USDT / (30 000 · 0.01) = 3.17 contracts, not 0.0317 coins, not 3.17
    assert row["size_base"] == pytest.approx(0.03)
    assert row["leg_pnl"] == pytest.approx(0.03 * (row["exit_price"] - 30_000.0))


def test_a_lot_too_large_for_the_balance_is_not_traded():
    specs = {"BTC": spec("BTC", ct_val="1", lot="1")}
    history = flat_history({"BTC": [30_000.0] * 3, "ETH": [50.0] * 3}, specs=specs)
    assert trade(history, [LONG, LONG, LONG]).trades.is_empty()


@pytest.mark.parametrize(("rate", "sign"), [(0.001, 1), (-0.001, -1)])
def test_funding_is_paid_by_the_side_that_owes_it_on_positions_held_into_the_settlement(rate, sign):
    at = START + 2 * HOUR
    funding = {"BTC": [Settlement(START, rate), Settlement(at, rate)]}
    history = flat_history({"BTC": [100.0] * 4, "ETH": [50.0] * 4}, funding=funding)
    keep = (PairScore(PAIR, -0.5, 0.9),)
    result = trade(history, [LONG, keep, keep, keep])
    (row,) = result.trades.to_dicts()
    # opened after the settlement at START: only the one at START + 2h is paid
    assert row["funding"] == pytest.approx(sign * row["size_base"] * 100.0 * 0.001)
    assert result.equity["equity"][-1] == pytest.approx(1000.0 - row["funding"])


def test_an_exit_decided_at_a_settlement_still_pays_it():
    at = START + HOUR
    history = flat_history({"BTC": [100.0] * 4, "ETH": [50.0] * 4}, funding={"BTC": [Settlement(at, 0.001)]})
    (row,) = trade(history, [LONG, OUT, HOLD, HOLD]).trades.to_dicts()
    assert row["closed_at"] == at
    assert row["funding"] > 0


def test_hours_without_a_known_funding_rate_are_counted():
    history = flat_history({"BTC": [100.0] * 4, "ETH": [50.0] * 4})
    for hour in history.hours[1:]:
        history.views[hour]["BTC"] = replace(history.views[hour]["BTC"], funding_rate=None)
    keep = (PairScore(PAIR, -0.5, 0.9),)
    assert trade(history, [LONG, keep, keep, keep]).funding_unknown_hours == 3


def test_without_a_bar_an_entry_is_dropped_and_an_exit_waits():
    history = flat_history({"BTC": [100.0, 100.0, 100.0, 100.0, 103.0, 103.0], "ETH": [50.0] * 6})
    for missing in (1, 3):
        del history.bars["BTC"][START + missing * HOUR]
    result = trade(history, [LONG, LONG, OUT, HOLD, HOLD, HOLD])
    (row,) = result.trades.to_dicts()
    assert result.unfilled_entries == 1
    assert row["opened_at"] == START + HOUR
    assert row["closed_at"] == START + 3 * HOUR  # decided at the second hour, no bar until the fourth opens
    assert row["exit_reason"] == ExitReason.Z_CROSS


def test_an_entry_that_the_margin_does_not_cover_at_the_open_is_dropped():
    history = flat_history({"BTC": [100.0, 100.0, 100.0], "ETH": [50.0] * 3})
    history.bars["BTC"][START + HOUR] = PriceBar(108.0, 108.0, 108.0, 108.0)
    result = trade(history, [LONG, HOLD, HOLD])
    assert result.trades.is_empty()
    assert result.unfilled_entries == 1


def test_what_is_left_is_closed_at_the_end_with_costs():
    history = flat_history({"BTC": [100.0, 100.0, 101.0], "ETH": [50.0] * 3})
    keep = (PairScore(PAIR, -0.5, 0.9),)
    result = trade(history, [LONG, keep, keep], COSTLY)
    (row,) = result.trades.to_dicts()
    assert row["exit_reason"] == ExitReason.END
    assert row["exit_price"] == pytest.approx(101.0 * 0.9999)
    assert result.equity["equity"][-1] == pytest.approx(1000.0 + row["net_pnl"])


def test_a_short_earns_when_the_base_falls():
    history = flat_history({"BTC": [100.0, 100.0, 99.0], "ETH": [50.0] * 3})
    keep = (PairScore(PAIR, 0.5, 0.9),)
    (row,) = trade(history, [SHORT, keep, keep]).trades.to_dicts()
    assert row["side"] == "sell"
    assert row["leg_pnl"] == pytest.approx(row["size_base"])


def test_buy_and_hold_holds_through_anything():
    history = flat_history({"BTC": [100.0, 60.0, 20.0, 110.0]})
    result = run_backtest(history, {}, BuyAndHold("BTC", 0.95), FREE, decision_lag=LAG, train_end=None)
    (row,) = result.trades.to_dicts()
    assert row["stop_price"] is None
    assert row["exit_reason"] == ExitReason.END
    assert result.equity["equity"][-1] == pytest.approx(1000.0 + 9.5 * 10.0)


def test_an_empty_period_is_refused():
    history = flat_history({"BTC": [100.0], "ETH": [50.0]})
    with pytest.raises(TimeRangeError, match="no hour"):
        run_backtest(
            replace(history, hours=()),
            {},
            Strategy(StrategySettings()),
            FREE,
            decision_lag=timedelta(0),
            train_end=None,
        )


def test_one_hour_trades_nothing():
    result = trade(flat_history({"BTC": [100.0], "ETH": [50.0]}), [LONG])
    assert result.trades.is_empty()
    assert result.equity["equity"].to_list() == [1000.0]
    assert result.decisions["action"].to_list() == ["open"]
    assert isinstance(result.trades, pl.DataFrame)


def test_books_that_do_not_balance_are_no_result():
    account = Account(flat_history({"BTC": [100.0] * 3}), COSTLY, protected=False)
    account.live_through(START, None)
    account.trades.append({"leg_pnl": 1e-5, "fees": 0.0, "funding": 0.0})
    with pytest.raises(ArithmeticError, match="the books do not balance"):
        account.finish()
