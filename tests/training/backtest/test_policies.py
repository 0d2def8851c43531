from dataclasses import replace
from decimal import Decimal

import pytest

from pairity.settings import StrategySettings
from pairity.strategy.selection import find_threshold
from pairity.strategy.stops import choose_stop_rule, compute_stop_prices
from pairity.strategy.types import Action, AssetView, MarketView, Side, StrategyState
from tests.training.generated import LAG, START, random_market, spec
from training.backtest.engine import run_backtest
from training.backtest.policies import BuyAndHold, Strategy, choose_baseline_pair, make_baseline_strategy
from training.backtest.records import Terms


@pytest.mark.parametrize("atr", [None, 0.001, 1.0, 50.0])
def test_the_baselines_stops_are_fixed_whatever_the_volatility(atr):
    settings = make_baseline_strategy(StrategySettings(stop_model="volatility"))
    view = AssetView(asset="BTC", close=100.0, atr=atr, volatility=0.05, funding_rate=0.0, spec=spec("BTC"))
    reference = AssetView(asset="BTC", close=100.0, atr=atr, volatility=0.01, funding_rate=0.0, spec=spec("BTC"))
    prices = compute_stop_prices(choose_stop_rule(view, reference, settings), Side.BUY, Decimal(100), spec("BTC"))
    assert (prices.stop, prices.target) == (Decimal(94), Decimal(105))


@pytest.mark.parametrize(
    ("universe", "pair_id"),
    [
        (("BTC", "ETH", "SOL"), "BTC__ETH"),
        (("SOL", "ETH", "XRP", "BTC"), "ETH__BTC"),
        (("SOL", "XRP", "BTC"), "SOL__XRP"),
    ],
)
def test_the_baseline_pair_follows_the_universe(universe, pair_id):
    assert choose_baseline_pair(universe).pair_id == pair_id


def test_buy_and_hold_waits_for_a_price_and_a_contract():
    policy = BuyAndHold("BTC", 0.95)
    state = StrategyState(available_usdt=1000.0)
    for view in (
        None,
        AssetView(asset="BTC", close=None, atr=None, volatility=None, funding_rate=None, spec=spec("BTC")),
        AssetView(asset="BTC", close=100.0, atr=None, volatility=None, funding_rate=None, spec=None),
        AssetView(asset="BTC", close=1e9, atr=None, volatility=None, funding_rate=None, spec=spec("BTC")),
    ):
        market = MarketView(START, START, {} if view is None else {"BTC": view})
        assert policy.decide(state, (), market).action is Action.HOLD
    market = MarketView(
        START,
        START,
        {"BTC": AssetView(asset="BTC", close=100.0, atr=None, volatility=None, funding_rate=None, spec=spec("BTC"))},
    )
    (entry,) = policy.decide(state, (), market).entries
    assert entry.legs[0].contracts == Decimal("950.0")


def with_thresholds(scores):
    """Each hour scored by a model with another threshold; every third has none of its own."""
    own = (0.3, None, 0.8)
    return {
        time: replace(hour, scores=tuple(replace(score, threshold=own[place % 3]) for score in hour.scores))
        for place, (time, hour) in enumerate(scores.items())
    }


@pytest.mark.parametrize(("explicit", "allowed"), [(None, {0.3, 0.5, 0.8}), (0.6, {0.6})])
def test_each_hour_is_traded_by_the_threshold_of_the_model_that_scored_it(explicit, allowed):
    """What a walk forward has: a model an hour. A setting overrides all of them."""
    history, scores = random_market(5, count=160, assets=("BTC", "ETH", "SOL", "XRP"))
    scores = with_thresholds(scores)
    settings = StrategySettings(probability_min=explicit, max_concurrent_positions=3, correlation_max=1.0)
    terms = Terms(initial_equity=1000.0, taker_fee_bps=5.0, slippage_bps=1.0)
    run_backtest(history, scores, policy := Recording(settings), terms, decision_lag=LAG, train_end=None)
    assert len(policy.entered) > 5
    for entry, threshold in policy.entered:
        assert threshold in allowed
        assert entry.probability > threshold
    assert policy.used == allowed


class Recording(Strategy):
    """Strategy that remembers what it entered, and above which threshold."""

    def __init__(self, settings):
        super().__init__(settings)
        self._own, self.entered, self.used = settings, [], set()

    def decide(self, state, scores, market):
        decision = super().decide(state, scores, market)
        by_pair = {score.pair: find_threshold(score.threshold, self._own) for score in scores}
        self.used |= set(by_pair.values())
        self.entered += [(entry, by_pair[entry.pair]) for entry in decision.entries]
        return decision


@pytest.mark.parametrize("switch", [None, 0.3])
@pytest.mark.parametrize("legs", ["base", "both"])
@pytest.mark.parametrize("own", [False, True])
def test_judging_only_what_matters_decides_the_same(legs, switch, own):
    settings = StrategySettings(legs=legs, switch_margin=switch, max_concurrent_positions=2)

    class Whole(Strategy):
        def _relevant(self, state, scores):
            return list(scores)

    history, scores = random_market(3, count=120, assets=("BTC", "ETH", "SOL", "XRP"))
    scores = with_thresholds(scores) if own else scores
    found, expected = (
        run_backtest(
            history,
            scores,
            policy(settings),
            Terms(initial_equity=1000.0, taker_fee_bps=5.0, slippage_bps=1.0),
            decision_lag=LAG,
            train_end=None,
        )
        for policy in (Strategy, Whole)
    )
    assert found.trades.height > 10
    assert found.trades.equals(expected.trades)
    assert found.equity.equals(expected.equity)
    assert found.decisions.equals(expected.decisions)
