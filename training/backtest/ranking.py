"""Policies that trade single assets by a forecast: the best against the worst of many, or one by its sign.

A forecast comes as the `z` of a PairScore of the pair (asset, USDT), in any unit, the higher the better; `probability`
is ignored. Positions have one leg and no stops. Both policies decide from their arguments alone.

Source: docs/formulas.md, Other policies.
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
NO_STOPS = StopRule(
    stop_distance=None,
    target_distance=None,
    stop_bounds=(0.0, 1.0),
    target_bounds=(0.0, 1.0),
    stop_default=1.0,
    target_default=1.0,
)
_MARGIN_RESERVE = 0.02
"""Share of the free margin that new positions do not use: for fees, and for an open above the close before it."""


class RankingPolicy:
    """Policy that is long the `top` highest forecasts and short the `bottom` lowest, rebalanced every `every_hours`.

    Rebalancing hours are those whose count since 1970 has the remainder `phase_hours` on division by `every_hours`: the
    same in every run. Assets that no longer belong leave. New ones enter with a notional of
    `gross_exposure`·equity/(top + bottom), or with an equal share of the free margin where that is less. Assets that
    stay keep their size. Assets without a finite forecast, a price or a contract are not ranked; with fewer than
    top + bottom ranked assets nothing changes. Ties keep the order of the scores.
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
        """Rebalance when it is due; the exits and entries of one decision do not depend on each other."""
        state = age_positions(state)
        if _count_hours(market) % self._every != self._phase:
            return _make_hold("between rebalancings", state)
        ranked = sorted(select_rankable(scores, market), key=lambda score: -(score.z or 0.0))
        if len(ranked) < self._top + self._bottom:
            return _make_hold(f"{len(ranked)} of {self._top + self._bottom} assets can be ranked", state)
        wanted = {score.pair.base: (Side.BUY, score) for score in ranked[: self._top]}
        wanted |= {score.pair.base: (Side.SELL, score) for score in ranked[len(ranked) - self._bottom :]}
        exits = [p for p in state.positions if (p.legs[0].asset, p.legs[0].side) not in _list_places(wanted)]
        staying = {p.legs[0].asset for p in state.positions if p not in exits}
        joining = {asset: place for asset, place in wanted.items() if asset not in staying}
        equity = state.available_usdt + sum_margin(state.positions, market, self._leverage)
        free = state.available_usdt + sum_margin(exits, market, self._leverage)
        budget = self._gross * equity / (self._top + self._bottom)
        if joining:
            budget = min(budget, free * (1 - _MARGIN_RESERVE) * self._leverage / len(joining))
        entries = tuple(filter(None, (size_entry(side, score, budget, market) for side, score in joining.values())))
        return _make_decision(Action.REBALANCE, [p.position_id for p in exits], entries, state)


class SingleAssetPolicy:
    """Policy that is long while the forecast is above `threshold`, short below −`threshold`, and flat in between.

    The size is `balance_fraction` of the free balance times `leverage`, in whole lots. An hour without a score changes
    nothing; a score that is unusable or not finite closes the position. Of several scores the first one is traded.
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
        state = age_positions(state)
        if not scores:
            return _make_hold("no forecast", state)
        score = scores[0]
        side = self._side(score)
        held = state.positions[0] if state.positions else None
        if held is not None and held.legs[0].side is side:
            return _make_hold("held", state)
        free = state.available_usdt + sum_margin(state.positions, market, self._leverage)
        known = select_rankable([score], market)
        opened = size_entry(side, score, self._fraction * free * self._leverage, market) if side and known else None
        return _make_decision(
            Action.SWITCH if held is not None and opened is not None else None,
            [] if held is None else [held.position_id],
            () if opened is None else (opened,),
            state,
            ExitReason.DATA_MISSING if side is None and not _is_finite(score) else ExitReason.SIGNAL,
        )

    def _side(self, score: PairScore) -> Side | None:
        if not _is_finite(score) or score.z is None or abs(score.z) <= self._threshold:
            return None
        return Side.BUY if score.z > 0 else Side.SELL


def age_positions(state: StrategyState) -> StrategyState:
    """Return the state one bar later: its positions are held for one more decision."""
    return replace(state, positions=tuple(replace(p, bars_held=p.bars_held + 1) for p in state.positions))


def select_rankable(scores: Iterable[PairScore], market: MarketView) -> list[PairScore]:
    """Return the scores with a finite forecast whose asset has a price and a contract."""
    return [
        score
        for score in scores
        if _is_finite(score) and _require_priced(market.assets.get(score.pair.base)) is not None
    ]


def sum_margin(positions: Iterable[PairPosition], market: MarketView, leverage: int) -> float:
    """Return the initial margin of one-legged positions in USDT, at known closes, else at the entry price."""
    total = 0.0
    for leg in (leg for position in positions for leg in position.legs):
        view = market.assets.get(leg.asset)
        if view is not None and view.spec is not None:
            total += float(leg.contracts * view.spec.ct_val) * (view.close or leg.entry_price) / leverage
    return total


def size_entry(side: Side, score: PairScore, notional_usdt: float, market: MarketView) -> Entry | None:
    """Return an entry of at most `notional_usdt` in whole lots, without stops; None below the venue's minimum."""
    asset = score.pair.base
    view = _require_priced(market.assets.get(asset))
    if view is None or view.spec is None or view.close is None:
        return None
    contracts = view.spec.contracts_for(exact(notional_usdt), exact(view.close))
    if contracts == Decimal(0):
        return None
    leg = LegOrder(asset, side, contracts, view.close, NO_STOPS)
    position_id = f"{asset}@{market.event_timestamp:%Y%m%dT%H%MZ}"
    return Entry(
        position_id=position_id,
        pair=Pair(asset, QUOTE),
        direction=side.sign,
        z=score.z or 0.0,
        probability=1.0,
        score=abs(score.z or 0.0),
        legs=(leg,),
    )


def _is_finite(score: PairScore) -> bool:
    return score.unusable is None and score.z is not None and math.isfinite(score.z)


def _require_priced(view: AssetView | None) -> AssetView | None:
    return view if view is not None and view.spec is not None and view.close is not None else None


def _list_places(wanted: Mapping[str, tuple[Side, PairScore]]) -> set[tuple[str, Side]]:
    return {(asset, side) for asset, (side, _) in wanted.items()}


def _count_hours(market: MarketView) -> int:
    return int(market.event_timestamp.timestamp() // HOUR.total_seconds())


def _make_hold(reason: str, state: StrategyState) -> Decision:
    return Decision(action=Action.HOLD, reason=reason, scores=(), exits=(), entries=(), state=state)


def _make_decision(
    action: Action | None,
    leaving: Sequence[str],
    entries: tuple[Entry, ...],
    state: StrategyState,
    reason: ExitReason = ExitReason.SIGNAL,
) -> Decision:
    """Make the decision; `action` None stands for CLOSE where something leaves, else OPEN."""
    if not leaving and not entries:
        return _make_hold("nothing to change", state)
    exits = tuple(Exit(position_id, reason) for position_id in leaving)
    reason_text = "; ".join(
        [*(f"{item.position_id} leaves" for item in exits), *(f"{e.position_id} enters" for e in entries)]
    )
    return Decision(
        action=action or (Action.CLOSE if exits else Action.OPEN),
        reason=reason_text,
        scores=(),
        exits=exits,
        entries=entries,
        state=state,
    )
