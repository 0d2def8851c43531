from dataclasses import replace

import pytest

from pairity.errors import TimeRangeError
from pairity.settings import StrategySettings
from pairity.strategy.types import ExitReason, PairScore
from pairity.universe import Pair
from tests.training.generated import HOUR, LAG, START, constant_scores, flat_history
from training.backtest.engine import run_backtest
from training.backtest.policies import Strategy
from training.backtest.records import HourScores, PriceBar, Settlement, Terms
from training.backtest.trade_log import group_by_position

PAIR = Pair("BTC", "ETH")
FREE = Terms(initial_equity=1000.0, taker_fee_bps=0.0, slippage_bps=0.0)
COSTLY = Terms(initial_equity=1000.0, taker_fee_bps=5.0, slippage_bps=1.0)
BOTH = StrategySettings(legs="both", target_bounds=(0.5, 0.9), target_default=0.5)


def scored(z):
    return (PairScore(PAIR, z, 0.9, hedge_ratio=1.0),)


LONG, KEEP, OUT = scored(-2.0), scored(-0.5), scored(0.1)


def trade(history, lines, terms=FREE, strategy=BOTH):
    scores = constant_scores(history.hours, *lines)
    return run_backtest(history, scores, Strategy(strategy), terms, decision_lag=LAG, train_end=None)


def market(btc, eth, **more):
    return flat_history({"BTC": btc, "ETH": eth}, **more)


def test_both_legs_fill_at_the_next_open_and_leave_together():
    result = trade(market([100.0, 100.0, 102.0, 103.0], [50.0, 50.0, 49.0, 48.0]), [LONG, KEEP, OUT, OUT], COSTLY)
    base, quote = result.trades.to_dicts()
    assert [(row["leg"], row["asset"], row["side"]) for row in (base, quote)] == [(0, "BTC", "buy"), (1, "ETH", "sell")]
    assert base["position_id"] == quote["position_id"]
    assert (base["opened_at"], base["closed_at"], quote["closed_at"]) == (START, START + 2 * HOUR, START + 2 * HOUR)
    assert (base["exit_reference"], quote["exit_reference"]) == (102.0, 49.0)
    assert base["size_base"] * 100 == pytest.approx(quote["size_base"] * 50, rel=0.05)
    assert quote["entry_price"] == pytest.approx(50.0 * 0.9999)
    assert quote["fees"] == pytest.approx(quote["traded_notional"] * 5e-4)
    assert group_by_position(result.trades)["net_pnl"].item() == pytest.approx(result.equity["equity"][-1] - 1000.0)


def test_a_market_that_moves_as_a_whole_earns_nothing():
    """What hedging is for: both assets rise by 1.5%."""
    result = trade(market([100.0, 100.0, 101.5], [50.0, 50.0, 50.75]), [LONG, KEEP, KEEP])
    assert abs(result.trades["leg_pnl"].sum()) < 0.2 < result.trades["leg_pnl"].max()


def test_each_leg_pays_its_own_funding():
    funding = {"BTC": [Settlement(START + 2 * HOUR, 0.001)], "ETH": [Settlement(START + 2 * HOUR, 0.0004)]}
    result = trade(market([100.0] * 4, [50.0] * 4, funding=funding), [LONG, KEEP, KEEP, KEEP])
    base, quote = result.trades.to_dicts()
    assert base["funding"] == pytest.approx(base["size_base"] * 100 * 0.001)
    assert quote["funding"] == pytest.approx(-quote["size_base"] * 50 * 0.0004)


def test_the_leg_that_is_left_alone_goes_at_the_bars_close():
    history = market([100.0, 100.0, 93.0, 93.0], [50.0, 50.0, 50.5, 50.5])
    result = trade(history, [LONG, KEEP, KEEP, KEEP], COSTLY)
    stopped, other = result.trades.to_dicts()
    assert (stopped["asset"], stopped["exit_reason"]) == ("BTC", ExitReason.STOP_LOSS)
    assert stopped["exit_reference"] == stopped["stop_price"]
    assert (other["asset"], other["exit_reason"]) == ("ETH", ExitReason.OTHER_LEG)
    assert other["exit_reference"] == 50.5
    assert other["exit_price"] == pytest.approx(50.5 * 1.0001)
    assert other["closed_at"] == START + 2 * HOUR
    assert group_by_position(result.trades)["exit_reason"].to_list() == ["stop_loss"]


def test_what_is_left_alone_without_a_bar_goes_at_its_next_open_and_blocks_the_place_until_then():
    history = market([100.0, 100.0, 93.0, 93.0, 93.0], [50.0, 50.0, 50.0, 50.0, 52.0])
    for missing in (2, 3):
        del history.bars["ETH"][START + missing * HOUR]
    history.bars["ETH"][START + 4 * HOUR] = PriceBar(51.0, 52.0, 51.0, 52.0)
    result = trade(history, [LONG, KEEP, LONG, LONG, LONG])
    stopped, other = result.trades.to_dicts()
    assert stopped["exit_reason"] == ExitReason.STOP_LOSS
    assert (other["exit_reason"], other["exit_reference"]) == (ExitReason.OTHER_LEG, 51.0)
    assert other["closed_at"] == START + 3 * HOUR
    assert result.equity["positions"].to_list() == [0, 1, 1, 1, 0]


def test_both_legs_may_meet_their_own_stops_in_one_bar():
    result = trade(market([100.0, 100.0, 90.0], [50.0, 50.0, 55.0]), [LONG, KEEP, KEEP])
    assert result.trades["exit_reason"].to_list() == ["stop_loss", "stop_loss"]


def test_without_a_bar_of_either_leg_nothing_is_opened():
    history = market([100.0] * 3, [50.0] * 3)
    del history.bars["ETH"][START + HOUR]
    result = trade(history, [LONG, KEEP, KEEP])
    assert result.trades.is_empty()
    assert result.unfilled_entries == 1


def test_an_exit_waits_until_both_legs_can_be_traded():
    history = market([100.0] * 5, [50.0] * 5)
    del history.bars["ETH"][START + 3 * HOUR]
    result = trade(history, [LONG, KEEP, OUT, OUT, OUT])
    assert result.trades["closed_at"].to_list() == [START + 3 * HOUR] * 2


def test_margin_is_wanted_for_all_legs():
    history = market([100.0] * 3, [50.0] * 3)
    for asset, price in (("BTC", 104.0), ("ETH", 55.0)):  # each alone would do: together 1 030 of 1 000 USDT
        history.bars[asset][START + HOUR] = PriceBar(price, price, price, price)
    assert trade(history, [LONG, KEEP, KEEP]).unfilled_entries == 1


def test_the_venue_takes_both_legs_when_together_they_are_too_much():
    """Neither leg alone reaches its liquidation price within the bar; at the close both stand against the account."""
    terms = replace(FREE, leverage=20, maintenance_rate=0.48)
    strategy = StrategySettings(
        legs="both", leverage=20, stop_bounds=(0.5, 0.9), stop_default=0.5, target_bounds=(0.5, 0.9), target_default=0.5
    )
    result = trade(market([100.0, 100.0, 97.0], [50.0, 50.0, 51.0]), [LONG, KEEP, KEEP], terms, strategy)
    assert result.trades["exit_reason"].to_list() == ["liquidation", "liquidation"]
    assert result.trades["exit_reference"].to_list() == [97.0, 51.0]


MAKER = replace(COSTLY, fill_model="limit_maker", maker_fee_bps=2.0)


def test_limit_orders_fill_at_the_decisions_close_for_the_makers_fee():
    history = market([100.0, 99.0, 101.0, 101.0], [50.0, 51.0, 50.0, 50.0])
    result = trade(history, [LONG, KEEP, OUT, OUT], MAKER)
    base, quote = result.trades.to_dicts()
    assert (base["entry_price"], quote["entry_price"]) == (100.0, 50.0)
    taken = base["size_base"] * base["exit_price"] * 5e-4
    assert base["fees"] == pytest.approx(base["size_base"] * 100.0 * 2e-4 + taken)


def test_a_limit_that_is_only_touched_is_not_filled():
    result = trade(market([100.0, 100.5, 101.0], [50.0, 49.5, 50.0]), [LONG, KEEP, KEEP], MAKER)
    assert result.trades.is_empty()
    assert result.unfilled_entries == 1


def test_a_leg_whose_partner_was_not_filled_is_closed_at_the_bars_close():
    result = trade(market([100.0, 99.0, 99.0], [50.0, 49.5, 50.0]), [LONG, KEEP, KEEP], MAKER)
    (row,) = result.trades.to_dicts()
    assert (row["asset"], row["exit_reason"], row["exit_reference"]) == ("BTC", ExitReason.OTHER_LEG, 99.0)
    assert row["closed_at"] == START + HOUR
    assert result.unfilled_entries == 1


def test_trap_3_every_hour_must_be_scored_by_a_model_trained_before_it():
    history = market([100.0] * 6, [50.0] * 6)
    first, second = START - HOUR, START + 2 * HOUR
    ends = [first, first, first, second, second, second]
    scores = {t: HourScores(KEEP, train_end=end) for t, end in zip(history.hours, ends, strict=True)}

    def backtest():
        return run_backtest(history, scores, Strategy(BOTH), FREE, decision_lag=LAG, train_end=first)

    assert backtest().trades.is_empty()
    scores[history.hours[2]] = HourScores(KEEP, train_end=second)
    with pytest.raises(TimeRangeError, match=r"1 of 6 hours was scored by models that had seen them; the first is "):
        backtest()
