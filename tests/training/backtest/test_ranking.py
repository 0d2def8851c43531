import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairity.errors import ConfigError
from pairity.strategy.types import (
    Action,
    AssetView,
    ExitReason,
    Leg,
    MarketView,
    PairPosition,
    PairScore,
    StrategyState,
)
from pairity.universe import Pair
from tests.training.generated import HOUR, LAG, START, flat_history, hours, spec
from training.backtest.engine import run_backtest
from training.backtest.ranking import RankingPolicy, SingleAssetPolicy
from training.backtest.records import HourScores, Terms

NAMES = ("BTC", "ETH", "SOL", "XRP", "ADA")
FREE = Terms(initial_equity=1000.0, taker_fee_bps=0.0, slippage_bps=0.0)
COSTLY = Terms(initial_equity=1000.0, taker_fee_bps=5.0, slippage_bps=1.0)


def forecasts(*values, names=NAMES):
    return tuple(PairScore(Pair(name, "USDT"), value, None) for name, value in zip(names, values, strict=False))


def market(at=START, price=10.0, **views):
    assets = {
        name: AssetView(asset=name, close=price, atr=None, volatility=None, funding_rate=None, spec=spec(name))
        for name in NAMES
    }
    return MarketView(at + LAG, at, assets | views)


def opened(state, decision):
    for item in decision.entries:
        (leg,) = item.legs
        legs = (Leg(asset=leg.asset, side=leg.side, contracts=leg.contracts, entry_price=leg.reference_price),)
        record = PairPosition(
            position_id=item.position_id,
            pair=item.pair,
            direction=item.direction,
            legs=legs,
            opened_at=START,
            entry_z=0.0,
            entry_score=0.0,
            last_z=0.0,
        )
        spent = float(leg.contracts) * 0.01 * leg.reference_price
        state = replace(state, positions=(*state.positions, record), available_usdt=state.available_usdt - spent)
    return state


def places(decision):
    return [(item.legs[0].asset, str(item.legs[0].side)) for item in decision.entries]


def test_the_best_are_bought_and_the_worst_sold_at_equal_notional():
    decision = RankingPolicy(2, 1, 4).decide(StrategyState(1000.0), forecasts(0.1, 0.5, -0.4, 0.3, 0.0), market())
    assert decision.action is Action.REBALANCE
    assert places(decision) == [("ETH", "buy"), ("XRP", "buy"), ("SOL", "sell")]
    notionals = [float(item.legs[0].contracts) * 0.01 * 10.0 for item in decision.entries]
    assert notionals == pytest.approx([950.0 / 3] * 3, abs=0.01)  # one lot is 0.01 USDT
    assert [item.direction for item in decision.entries] == [1, 1, -1]


def test_only_what_changes_is_traded_at_the_next_rebalancing():
    policy = RankingPolicy(1, 1, 4)
    first = policy.decide(StrategyState(1000.0), forecasts(1.0, 0.0, -1.0), market())
    state = opened(first.state, first)
    between = policy.decide(state, forecasts(-1.0, 0.0, 1.0), market(START + HOUR))
    assert (between.action, between.reason) == (Action.HOLD, "between rebalancings")
    same = policy.decide(state, forecasts(0.5, 0.1, -0.1), market(START + 4 * HOUR))
    assert (same.action, same.reason) == (Action.HOLD, "nothing to change")
    changed = policy.decide(state, forecasts(0.5, -2.0, 0.0), market(START + 8 * HOUR))
    assert [(item.position_id, item.reason) for item in changed.exits] == [("SOL@20250301T0000Z", ExitReason.SIGNAL)]
    assert places(changed) == [("ETH", "sell")]
    turned = policy.decide(state, forecasts(-0.5, 0.0, 2.0), market(START + 8 * HOUR))
    assert len(turned.exits) == 2
    assert places(turned) == [("SOL", "buy"), ("BTC", "sell")]


def test_the_phase_is_a_property_of_the_clock_and_not_of_the_start():
    policy = RankingPolicy(1, 1, 24, phase_hours=5)
    trading = [t for t in hours(72) if policy.decide(StrategyState(1000.0), forecasts(1, 0), market(t)).entries]
    assert [t.hour for t in trading] == [5, 5, 5]


def test_what_has_no_forecast_price_or_contract_is_not_ranked():
    views = {
        "BTC": AssetView(asset="BTC", close=None, atr=None, volatility=None, funding_rate=None, spec=spec("BTC")),
        "ETH": AssetView(asset="ETH", close=10.0, atr=None, volatility=None, funding_rate=None, spec=None),
    }
    scores = (
        *forecasts(9.0, -9.0, math.nan, 0.2),
        PairScore(Pair("ADA", "USDT"), 5.0, None, "stale"),
        PairScore(Pair("DOT", "USDT"), -5.0, None),
    )
    decision = RankingPolicy(1, 1, 1).decide(StrategyState(1000.0), scores, market(**views))
    assert (decision.action, decision.reason) == (Action.HOLD, "1 of 2 assets can be ranked")
    assert RankingPolicy(1, 0, 1).decide(StrategyState(1000.0), scores, market(**views)).entries[0].pair.base == "XRP"


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.floats(-3, 3), min_size=5, max_size=5),
    top=st.integers(0, 2),
    bottom=st.integers(1, 2),
    available=st.floats(0, 5000),
    gross=st.floats(0.1, 3),
)
def test_the_ranking_is_right_and_within_its_exposure(values, top, bottom, available, gross):
    policy = RankingPolicy(top, bottom, 1, gross_exposure=gross, leverage=3)
    decision = policy.decide(StrategyState(available), forecasts(*values), market())
    held = {item.legs[0].asset: str(item.legs[0].side) for item in decision.entries}
    total = sum(float(item.legs[0].contracts) * 0.1 for item in decision.entries)
    assert total <= gross * available + 1e-6
    by_name = dict(zip(NAMES, values, strict=True))
    longs = [by_name[name] for name, side in held.items() if side == "buy"]
    shorts = [by_name[name] for name, side in held.items() if side == "sell"]
    others = [value for name, value in by_name.items() if name not in held]
    if held:
        assert (len(longs), len(shorts)) == (top, bottom)
        assert all(value >= max(others) for value in longs)
        assert all(value <= min(others) for value in shorts)


@pytest.mark.parametrize(
    "make",
    [
        lambda: RankingPolicy(0, 0, 1),
        lambda: RankingPolicy(1, -1, 1),
        lambda: RankingPolicy(1, 1, 0),
        lambda: RankingPolicy(1, 1, 1, gross_exposure=1.5),
        lambda: SingleAssetPolicy(-0.1),
        lambda: SingleAssetPolicy(0.1, balance_fraction=1.1),
        lambda: SingleAssetPolicy(0.1, leverage=0),
    ],
)
def test_what_cannot_be_traded_is_refused(make):
    with pytest.raises(ConfigError, match="cannot be traded"):
        make()


def test_a_backtest_of_the_ranking_earns_the_difference_of_its_sides():
    paths = {"BTC": [100.0, 100.0, 101.0], "ETH": [50.0, 50.0, 50.0], "SOL": [20.0, 20.0, 19.6]}
    history = flat_history(paths)
    scores = {START: HourScores(forecasts(1.0, 0.0, -1.0))}
    result = run_backtest(history, scores, RankingPolicy(1, 1, 1), FREE, decision_lag=LAG, train_end=None)
    assert result.trades["exit_reason"].to_list() == ["end_of_data"] * 2
    assert result.equity["equity"][-1] == pytest.approx(1000.0 + 475 * 0.01 + 475 * 0.02)
    assert result.equity["exposure"][1] == pytest.approx(0.95)


def test_an_outage_of_one_asset_does_not_keep_the_others_out():
    history = flat_history({name: [100.0] * 5 for name in NAMES})
    del history.bars["BTC"][START + 2 * HOUR]
    scores = {
        START: HourScores(forecasts(1.0, 0.0, -1.0)),
        START + HOUR: HourScores(forecasts(0.0, 0.1, -1.0, 2.0, 0.0)),
    }
    result = run_backtest(history, scores, RankingPolicy(1, 1, 1), FREE, decision_lag=LAG, train_end=None)
    by_asset = {row["asset"]: row for row in result.trades.to_dicts()}
    assert by_asset["BTC"]["closed_at"] == START + 2 * HOUR  # an hour late: there was no bar
    assert by_asset["BTC"]["bars_held"] == 2
    # its margin was not free yet when the other one came
    assert (result.unfilled_entries, "XRP" in by_asset) == (1, False)
    small = RankingPolicy(1, 1, 1, gross_exposure=0.5)
    result = run_backtest(history, scores, small, FREE, decision_lag=LAG, train_end=None)
    entered = {row["asset"]: row["opened_at"] for row in result.trades.to_dicts()}
    assert entered["XRP"] == START + HOUR
    assert result.unfilled_entries == 0


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), every=st.integers(1, 6))
def test_books_balance_whatever_is_ranked(seed, every):
    rng = np.random.default_rng(seed)
    paths = {name: (100 * np.exp(np.cumsum(rng.normal(0, 0.02, 60)))).tolist() for name in NAMES}
    for name in NAMES:
        for gap in rng.integers(1, 60, 4):
            paths[name][gap] = None
    history = flat_history(paths)
    scores = {time: HourScores(forecasts(*rng.normal(size=5).tolist())) for time in history.hours}
    policy = RankingPolicy(2, 2, every, gross_exposure=2.0, leverage=3)
    result = run_backtest(history, scores, policy, replace(COSTLY, leverage=3), decision_lag=LAG, train_end=None)
    booked = (result.trades["leg_pnl"] - result.trades["fees"] - result.trades["funding"]).sum()
    assert result.equity["equity"][-1] - 1000.0 == pytest.approx(booked, abs=1e-6)
    assert result.trades.height >= 4


def follow(*values, policy=None, **changes):
    history = flat_history({"BTC": [100.0] * len(values)})
    scores = {
        time: HourScores((replace(forecasts(value)[0], **changes),))
        for time, value in zip(history.hours, values, strict=True)
        if value is not None
    }
    return run_backtest(history, scores, policy or SingleAssetPolicy(0.5), COSTLY, decision_lag=LAG, train_end=None)


def test_a_single_asset_follows_the_sign_of_its_forecast():
    result = follow(0.6, 0.9, -0.6, -0.7, 0.2, 0.0)
    rows = result.trades.select("side", "opened_at", "closed_at", "exit_reason").rows()
    assert rows == [
        ("buy", START, START + 2 * HOUR, "signal"),
        ("sell", START + 2 * HOUR, START + 4 * HOUR, "signal"),
    ]
    assert result.decisions["action"].to_list() == ["open", "hold", "switch", "hold", "close", "hold"]


def test_no_forecast_changes_nothing_but_an_unusable_one_does():
    assert follow(0.6, None, None, None).trades["exit_reason"].to_list() == ["end_of_data"]
    assert follow(0.6, math.nan, math.nan).trades["exit_reason"].to_list() == ["data_missing"]
    assert follow(0.6, 0.6, unusable="stale").trades.is_empty()
