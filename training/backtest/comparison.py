"""Backtests over the same hours and terms: the model, the single-pair baseline, any family, and holding one coin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import polars as pl

from pairity.errors import ConfigError
from pairity.settings import Settings
from pairity.universe import Pair
from training.backtest.engine import run_backtest
from training.backtest.inputs import group_scores_by_hour
from training.backtest.performance import measure_performance
from training.backtest.policies import BuyAndHold, Strategy, make_baseline_strategy
from training.backtest.records import BacktestResult, HourScores, MarketHistory, Policy, Terms

MODEL, BASELINE, HOLD = "model", "baseline", "btc"
_NO_SCORES: dict[datetime, HourScores] = {}


@dataclass(frozen=True, slots=True)
class Contender:
    """One line of the comparison; `name` says in words what it is (which pair, which coin)."""

    key: str
    name: str
    result: BacktestResult
    metrics: dict[str, float | None]


class Arena:
    """One market history and one set of terms for all contenders."""

    def __init__(self, settings: Settings, history: MarketHistory) -> None:
        self._settings, self.history = settings, history
        self.terms = make_terms(settings)

    def trade_model(self, scored: pl.DataFrame, train_end: datetime) -> Contender:
        """Trade the strategy over all pairs of the universe."""
        scores = group_scores_by_hour(scored, self._settings.universe.pairs)
        name = f"{self._settings.model.family.replace('_', ' ')}, all pairs"
        return self._contender(MODEL, name, Strategy(self._settings.strategy), scores, train_end)

    def trade_baseline(self, scored: pl.DataFrame, pair: Pair, train_end: datetime) -> Contender:
        """Trade the same strategy on one pair alone, with fixed stops."""
        policy = Strategy(make_baseline_strategy(self._settings.strategy))
        scores = group_scores_by_hour(scored, [pair])
        name = f"{pair.base}/{pair.quote} alone, 6% stop, 5% target"
        return self._contender(BASELINE, name, policy, scores, train_end)

    def trade_family(
        self,
        key: str,
        name: str,
        scored: pl.DataFrame,
        pair: Pair | None,
        train_end: datetime,
        legs: Literal["base", "both"] = "base",
    ) -> Contender:
        """Trade the strategy over all pairs, or over one alone with fixed stops, on the scores of any family."""
        strategy = self._settings.strategy.model_copy(update={"legs": legs})
        settings = strategy if pair is None else make_baseline_strategy(strategy)
        scores = group_scores_by_hour(scored, self._settings.universe.pairs if pair is None else [pair])
        return self._contender(key, name, Strategy(settings), scores, train_end)

    def trade_portfolio(
        self, key: str, name: str, scored: pl.DataFrame, pairs: Sequence[Pair], policy: Policy, train_end: datetime
    ) -> Contender:
        """Trade single assets (as pairs with USDT) by a policy of their own, on forecasts in the place of z-scores."""
        return self._contender(key, name, policy, group_scores_by_hour(scored, pairs), train_end)

    def trade_hold(self, asset: str) -> Contender:
        """Buy one coin at the start, without leverage, and keep it."""
        policy = BuyAndHold(asset, self._settings.strategy.max_balance_fraction)
        return self._contender(HOLD, f"buy and hold {asset}", policy, _NO_SCORES, None)

    def _contender(
        self,
        key: str,
        name: str,
        policy: Policy,
        scores: Mapping[datetime, HourScores],
        train_end: datetime | None,
    ) -> Contender:
        result = run_backtest(
            self.history,
            scores,
            policy,
            self.terms,
            decision_lag=self._settings.features.decision_lag,
            train_end=train_end,
        )
        return Contender(key, name, result, measure_performance(result))


def make_terms(settings: Settings) -> Terms:
    """Return the account and costs of a backtest.

    It starts with `costs.initial_equity_usdt`, or else with `max_position_usdt`, so that returns refer to the capital
    that the strategy may use; ConfigError where neither is an amount.
    """
    equity = settings.costs.initial_equity_usdt or settings.strategy.max_position_usdt
    if equity <= 0:
        raise ConfigError(
            "strategy.max_position_usdt is -1 (all that is available), and a backtest has no balance to begin with",
            "set costs.initial_equity_usdt",
        )
    return Terms(
        initial_equity=equity,
        taker_fee_bps=settings.costs.taker_fee_bps,
        slippage_bps=settings.costs.slippage_bps,
        leverage=settings.strategy.leverage,
        maker_fee_bps=settings.costs.maker_fee_bps,
        fill_model=settings.costs.fill_model,
        margin_mode=settings.strategy.margin_mode,
    )


def choose_hold_asset(universe: Sequence[str]) -> str:
    """Return BTC, or the first asset of a universe without it."""
    return "BTC" if "BTC" in universe else universe[0]
