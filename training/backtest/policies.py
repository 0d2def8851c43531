"""Policies that decide in a backtest: the strategy itself, and buy-and-hold to compare it with."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from pairity.settings import StrategySettings
from pairity.strategy.lifecycle import decide
from pairity.strategy.selection import find_threshold
from pairity.strategy.types import Action, Decision, Entry, LegOrder, MarketView, PairScore, Side, StrategyState
from pairity.universe import Pair, exact
from training.backtest.ranking import NO_STOPS

BASELINE_STOP = 0.06
BASELINE_TARGET = 0.05


class Strategy:
    """Policy that calls the core's decision function with one set of settings."""

    protected = True

    def __init__(self, settings: StrategySettings) -> None:
        self._settings = settings

    def decide(self, state: StrategyState, scores: Sequence[PairScore], market: MarketView) -> Decision:
        """Call `pairity.strategy.lifecycle.decide` with the scores that can matter.

        These are the scores of held pairs and, while there is room for another position, of pairs above both
        thresholds. `decide` itself rejects all others and says so pair by pair, which a backtest does not read:
        leaving them out saves most of the time.
        """
        return decide(state, self._relevant(state, scores), market, self._settings)

    def _relevant(self, state: StrategyState, scores: Sequence[PairScore]) -> list[PairScore]:
        settings, held = self._settings, [position.pair for position in state.positions]
        if len(held) >= settings.max_concurrent_positions and not settings.may_switch:
            bases = [pair.base for pair in held]  # comparing whole pairs costs more: most differ in the base already
            return [score for score in scores if score.pair.base in bases and score.pair in held]
        z_entry = settings.z_entry
        return [
            score
            for score in scores
            if (
                (z := score.z) is not None
                and (z > z_entry or z < -z_entry)
                and (p := score.probability) is not None
                and p > find_threshold(score.threshold, settings)
            )
            or (held and score.pair in held)
        ]


class BuyAndHold:
    """Policy that buys one asset at the first close with a known price and contract, and keeps it without stops.

    The size is `balance_fraction` of the balance in whole lots, without leverage: the rest pays fees and funding.
    """

    protected = False

    def __init__(self, asset: str, balance_fraction: float) -> None:
        self._asset, self._fraction = asset, balance_fraction

    def decide(self, state: StrategyState, scores: Sequence[PairScore], market: MarketView) -> Decision:
        """Buy once; the scores do not matter."""
        view = market.assets.get(self._asset)
        if state.positions or view is None or view.spec is None or view.close is None:
            return Decision(
                action=Action.HOLD,
                reason="held" if state.positions else "no price or contract",
                scores=(),
                exits=(),
                entries=(),
                state=state,
            )
        contracts = view.spec.contracts_for(exact(self._fraction * state.available_usdt), exact(view.close))
        if contracts == Decimal(0):
            return Decision(
                action=Action.HOLD, reason="below the minimum size", scores=(), exits=(), entries=(), state=state
            )
        leg = LegOrder(self._asset, Side.BUY, contracts, view.close, NO_STOPS)
        entry = Entry(
            position_id=f"{self._asset}@hold",
            pair=Pair(self._asset, "USDT"),
            direction=1,
            z=0.0,
            probability=1.0,
            score=0.0,
            legs=(leg,),
        )
        return Decision(
            action=Action.OPEN, reason=f"buy and hold {self._asset}", scores=(), exits=(), entries=(entry,), state=state
        )


def make_baseline_strategy(settings: StrategySettings) -> StrategySettings:
    """Return the strategy with the baseline's fixed stop (6%) and target (5%), whatever the volatility."""
    return settings.model_copy(
        update={
            "stop_model": "atr",
            "stop_bounds": (BASELINE_STOP, BASELINE_STOP),
            "target_bounds": (BASELINE_TARGET, BASELINE_TARGET),
            "stop_default": BASELINE_STOP,
            "target_default": BASELINE_TARGET,
        }
    )


def choose_baseline_pair(universe: Sequence[str]) -> Pair:
    """Return BTC and ETH as a pair, in universe order, or the first two assets of a universe without them."""
    if {"BTC", "ETH"} <= set(universe):
        first, second = (asset for asset in universe if asset in {"BTC", "ETH"})
        return Pair(first, second)
    return Pair(universe[0], universe[1])
