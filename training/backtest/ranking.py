"""Policies that trade single assets by a forecast: the best against the worst of many, or one by its sign.

A forecast comes as the `z` of a PairScore of the pair (asset, USDT), in any unit, the higher the better; `probability`
is not looked at. Positions have one leg and no stops. Both policies decide from what they are handed alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from pairity.errors import ConfigError
from pairity.strategy.types import (
    Action,
    AssetView,
    Decision,
    Entry,
    Exit,
    ExitReason,
    LegOrder,
    MarketView,
    PairPosition,
    PairScore,
    Side,
    StopRule,
    StrategyState,
)
from pairity.timeline import HOUR
from pairity.universe import Pair, exact

QUOTE = "USDT"
NO_STOPS = StopRule(None, None, (0.0, 1.0), (0.0, 1.0), 1.0, 1.0)
_KEPT_BACK = 0.02
"""Share of free margin that new positions leave alone: fees, and an open that is dearer than the close before it."""


class RankingPolicy:
    """Long the `top` highest forecasts and short the `bottom` lowest, looked at again every `every_hours`.

    Rebalancing hours are those whose count since 1970 leaves the rest `phase_hours` on division by `every_hours`: the
    same in every run. What no longer belongs leaves, what newly belongs enters with `gross_exposure`·equity/(top +
    bottom) of notional, or with an equal share of the free margin where that is less; what stays keeps its size.
    Assets without a finite forecast, a price or a contract are not ranked; with fewer than top + bottom of the others
    nothing changes. Ties keep the order of the scores.
    """

    protected = False

    def __init__(
        self,
        top: int,
        bottom: int,
        every_hours: int,
        *,
        gross_exposure: float = 0.95,
        leverage: int = 1,
        phase_hours: int = 0,
    ) -> None:
        if min(top, bottom) < 0 or top + bottom == 0 or every_hours < 1 or not 0 < gross_exposure <= leverage:
            raise ConfigError(
                f"a ranking of top {top}, bottom {bottom}, every {every_hours} h at gross exposure {gross_exposure} "
                f"with leverage {leverage} cannot be traded",
                "choose at least one asset, at least one hour, and an exposure above 0 and up to the leverage",
            )
        self._top, self._bottom = top, bottom
        self._every, self._phase = every_hours, phase_hours % every_hours
        self._gross, self._leverage = gross_exposure, leverage

    def decide(self, state: StrategyState, scores: Sequence[PairScore], market: MarketView) -> Decision:
        """Rebalance when it is time; the exits and entries of one decision do not depend on each other."""
        state = aged(state)
        if _hours(market) % self._every != self._phase:
            return _hold("between rebalancings", state)
        ranked = sorted(rankable(scores, market), key=lambda score: -(score.z or 0.0))
        if len(ranked) < self._top + self._bottom:
            return _hold(f"{len(ranked)} of {self._top + self._bottom} assets can be ranked", state)
        wanted = {score.pair.base: (Side.BUY, score) for score in ranked[: self._top]}
        wanted |= {score.pair.base: (Side.SELL, score) for score in ranked[len(ranked) - self._bottom :]}
        exits = [p for p in state.positions if (p.legs[0].asset, p.legs[0].side) not in _places(wanted)]
        staying = {p.legs[0].asset for p in state.positions if p not in exits}
        joining = {asset: place for asset, place in wanted.items() if asset not in staying}
        equity = state.available_usdt + margin(state.positions, market, self._leverage)
        free = state.available_usdt + margin(exits, market, self._leverage)
        budget = self._gross * equity / (self._top + self._bottom)
        if joining:
            budget = min(budget, free * (1 - _KEPT_BACK) * self._leverage / len(joining))
        entries = tuple(filter(None, (entry(side, score, budget, market) for side, score in joining.values())))
        return _decision(Action.REBALANCE, [p.position_id for p in exits], entries, state)


class SingleAssetPolicy:
    """Long while the forecast is above `threshold`, short while it is below −`threshold`, flat in between.

    The size is `balance_fraction` of the free balance times `leverage`, in whole lots. An hour without a score of the
    asset changes nothing; a score that is unusable or not finite is a reason to be flat. With several assets in the
    scores the first one is traded.
    """

    protected = False

    def __init__(self, threshold: float, *, balance_fraction: float = 0.95, leverage: int = 1) -> None:
        if threshold < 0 or not 0 < balance_fraction <= 1 or leverage < 1:
            raise ConfigError(
                f"threshold {threshold}, balance fraction {balance_fraction}, leverage {leverage} cannot be traded",
                "choose a threshold of 0 or more, a fraction above 0 and up to 1, and a leverage of 1 or more",
            )
        self._threshold, self._fraction, self._leverage = threshold, balance_fraction, leverage

    def decide(self, state: StrategyState, scores: Sequence[PairScore], market: MarketView) -> Decision:
        """Follow the sign of the forecast; a change of side is one decision, whose entry waits for its exit."""
        state = aged(state)
        if not scores:
            return _hold("no forecast", state)
        score = scores[0]
        side = self._side(score)
        held = state.positions[0] if state.positions else None
        if held is not None and held.legs[0].side is side:
            return _hold("held", state)
        free = state.available_usdt + margin(state.positions, market, self._leverage)
        known = rankable([score], market)
        opened = entry(side, score, self._fraction * free * self._leverage, market) if side and known else None
        return _decision(
            Action.SWITCH if held is not None and opened is not None else None,
            [] if held is None else [held.position_id], () if opened is None else (opened,), state,
            ExitReason.DATA_MISSING if side is None and not _finite(score) else ExitReason.SIGNAL,
        )  # fmt: skip

    def _side(self, score: PairScore) -> Side | None:
        if not _finite(score) or score.z is None or abs(score.z) <= self._threshold:
            return None
        return Side.BUY if score.z > 0 else Side.SELL


def aged(state: StrategyState) -> StrategyState:
    """The state one bar later: its positions were held for one more decision."""
    return replace(state, positions=tuple(replace(p, bars_held=p.bars_held + 1) for p in state.positions))


def rankable(scores: Iterable[PairScore], market: MarketView) -> list[PairScore]:
    """Scores with a finite forecast whose asset has a price and a contract."""
    return [score for score in scores if _finite(score) and _priced(market.assets.get(score.pair.base)) is not None]


def margin(positions: Iterable[PairPosition], market: MarketView, leverage: int) -> float:
    """Initial margin of one-legged positions at the known closes, at the entry price where no close is known."""
    total = 0.0
    for leg in (leg for position in positions for leg in position.legs):
        view = market.assets.get(leg.asset)
        if view is not None and view.spec is not None:
            total += float(leg.contracts * view.spec.ct_val) * (view.close or leg.entry_price) / leverage
    return total


def entry(side: Side, score: PairScore, notional_usdt: float, market: MarketView) -> Entry | None:
    """A position of at most `notional_usdt` in whole lots, unprotected; None below the venue's minimum."""
    asset = score.pair.base
    view = _priced(market.assets.get(asset))
    if view is None or view.spec is None or view.close is None:
        return None
    contracts = view.spec.contracts_for(exact(notional_usdt), exact(view.close))
    if contracts == Decimal(0):
        return None
    leg = LegOrder(asset, side, contracts, view.close, NO_STOPS)
    position_id = f"{asset}@{market.event_timestamp:%Y%m%dT%H%MZ}"
    return Entry(position_id, Pair(asset, QUOTE), side.sign, score.z or 0.0, 1.0, abs(score.z or 0.0), (leg,))


def _finite(score: PairScore) -> bool:
    return score.unusable is None and score.z is not None and math.isfinite(score.z)


def _priced(view: AssetView | None) -> AssetView | None:
    return view if view is not None and view.spec is not None and view.close is not None else None


def _places(wanted: Mapping[str, tuple[Side, PairScore]]) -> set[tuple[str, Side]]:
    return {(asset, side) for asset, (side, _) in wanted.items()}


def _hours(market: MarketView) -> int:
    return int(market.event_timestamp.timestamp() // HOUR.total_seconds())


def _hold(reason: str, state: StrategyState) -> Decision:
    return Decision(Action.HOLD, reason, (), (), (), state)


def _decision(
    action: Action | None,
    leaving: Sequence[str],
    entries: tuple[Entry, ...],
    state: StrategyState,
    reason: ExitReason = ExitReason.SIGNAL,
) -> Decision:
    """`action` None: the one that follows from what is done."""
    if not leaving and not entries:
        return _hold("nothing to change", state)
    exits = tuple(Exit(position_id, reason) for position_id in leaving)
    told = "; ".join([*(f"{item.position_id} leaves" for item in exits), *(f"{e.position_id} enters" for e in entries)])
    return Decision(action or (Action.CLOSE if exits else Action.OPEN), told, (), exits, entries, state)
