"""Selection of the pair to trade: every pair is assessed, and every rejection says why.

Rules: docs/formulas.md, Candidates.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pairity.number_formats import format_against, format_plain
from pairity.settings import StrategySettings
from pairity.strategy.types import AssetView, PairAssessment, PairPosition, PairScore, Side
from pairity.universe import Pair

REFERENCE_THRESHOLD = 0.5
"""Probability above which a pair may be traded where neither the settings nor the model name another one."""
FUNDING_LIMIT_HOURS = 8.0
"""Hours that the setting `funding_limit` is for; a power of two, so that 8 h rates compare as they are."""


def compute_divergence(score: PairScore) -> float | None:
    """Return |z|·probability; None where either is unknown."""
    if score.z is None or score.probability is None:
        return None
    return abs(score.z) * score.probability


def find_threshold(own: float | None, settings: StrategySettings) -> float:
    """Return the probability above which a pair may be traded: the settings', else the model's `own`, else 0.5."""
    if settings.probability_min is not None:
        return settings.probability_min
    return REFERENCE_THRESHOLD if own is None else own


def choose_direction(z: float) -> int:
    """Return −1 (short the spread) for a spread above its mean, +1 (long the spread) below it."""
    return -1 if z > 0 else 1


def choose_base_side(direction: int) -> Side:
    """Return the side of the base leg."""
    return Side.BUY if direction > 0 else Side.SELL


def list_legs(pair: Pair, direction: int, settings: StrategySettings) -> tuple[tuple[str, Side], ...]:
    """Return the legs of a position in `pair`: the base asset, and with `legs = "both"` the quote's opposite side."""
    base = (pair.base, choose_base_side(direction))
    return (base,) if settings.legs == "base" else (base, (pair.quote, base[1].opposite))


def assess_pair(
    score: PairScore,
    assets: Mapping[str, AssetView],
    held: Sequence[PairPosition],
    correlations: Mapping[str, float | None],
    settings: StrategySettings,
) -> PairAssessment:
    """Return the pair with its divergence score and the first reason not to trade it (None: it is a candidate)."""
    reason = (
        _unusable(score)
        or _too_weak(score, settings)
        or _not_hedged(score, settings)
        or _not_tradable(score, assets, settings)
        or _too_close_to_held(score.pair, held, correlations, settings)
        or _find_holder(score, held, settings)
    )
    return PairAssessment(
        pair=score.pair,
        z=score.z,
        probability=score.probability,
        divergence_score=compute_divergence(score),
        rejected=reason,
        hedge_ratio=score.hedge_ratio,
        threshold=score.threshold if settings.probability_min is None else None,
    )


def rank_candidates(assessed: Sequence[PairAssessment]) -> list[PairAssessment]:
    """Return the candidates, highest divergence first; ties keep universe order."""
    candidates = [pair for pair in assessed if pair.rejected is None and pair.divergence_score is not None]
    # The sort is stable: that keeps universe order.
    return sorted(candidates, key=lambda pair: -(pair.divergence_score or 0.0))


def _unusable(score: PairScore) -> str | None:
    if score.unusable is not None:
        return score.unusable
    for name, value in (("z-score", score.z), ("probability", score.probability)):
        if value is None or not math.isfinite(value):
            return f"{name} unknown"
    return None


def _too_weak(score: PairScore, settings: StrategySettings) -> str | None:
    if abs(score.z or 0.0) <= settings.z_entry:
        return f"|z| not above {settings.z_entry}"
    threshold = find_threshold(score.threshold, settings)
    if (score.probability or 0.0) <= threshold:
        own = settings.probability_min is None and score.threshold is not None
        return f"probability not above {threshold}" + (", the model's own threshold" if own else "")
    return None


def _not_hedged(score: PairScore, settings: StrategySettings) -> str | None:
    """Return why two legs on opposite sides do not hedge each other: they do only if the assets move together."""
    if settings.legs == "base":
        return None
    if score.hedge_ratio is None or not math.isfinite(score.hedge_ratio):
        return "hedge ratio unknown"
    return None if score.hedge_ratio > 0 else f"hedge ratio {format_plain(score.hedge_ratio, 3)} not positive"


def _not_tradable(score: PairScore, assets: Mapping[str, AssetView], settings: StrategySettings) -> str | None:
    """Return why a leg cannot be traded: each needs a contract, a price and a *known* funding rate within the limit."""
    legs = list_legs(score.pair, choose_direction(score.z or 0.0), settings)
    return next(filter(None, (_leg_not_tradable(name, side, assets, settings) for name, side in legs)), None)


def _leg_not_tradable(name: str, side: Side, assets: Mapping[str, AssetView], settings: StrategySettings) -> str | None:
    asset = assets.get(name)
    if asset is None or asset.spec is None:
        return f"no contract known for {name}"
    if asset.close is None:
        return f"no price known for {name}"
    return _funding_against(asset, side, settings)


def _funding_against(asset: AssetView, side: Side, settings: StrategySettings) -> str | None:
    """Return why funding speaks against a side: rates are compared per hour, whatever the interval that they are of."""
    name, limit, rate = asset.asset, settings.funding_limit / FUNDING_LIMIT_HOURS, asset.funding_per_hour
    if rate is None:
        return f"funding of {name} unknown"
    if side is Side.SELL and rate < -limit:
        beyond = f"below −{format_plain(settings.funding_limit)}", "short"
    elif side is Side.BUY and rate > limit:
        beyond = f"above {format_plain(settings.funding_limit)}", "long"
    else:
        return None
    said = f"funding of {name} {format_plain(asset.funding_rate)} in {format_plain(asset.funding_interval_h)} h"
    return f"{said} {beyond[0]} in {format_plain(FUNDING_LIMIT_HOURS)} h for a {beyond[1]}"


def _too_close_to_held(
    pair: Pair,
    held: Sequence[PairPosition],
    correlations: Mapping[str, float | None],
    settings: StrategySettings,
) -> str | None:
    """Return which asset is too correlated with a held one; an unknown correlation counts as too high."""
    for position in held:
        if position.pair == pair:
            return "already held"
        for leg in position.legs:
            for asset in pair.assets:
                value = 1.0 if asset == leg.asset else _find_correlation(correlations, asset, leg.asset)
                if value is None:
                    return f"correlation of {asset} with held {leg.asset} unknown"
                if abs(value) > settings.correlation_max:
                    limit = settings.correlation_max
                    said = format_against(abs(value), limit)
                    return f"|correlation| of {asset} with held {leg.asset} {said} above {limit}"
    return None


def _find_holder(score: PairScore, held: Sequence[PairPosition], settings: StrategySettings) -> str | None:
    """Return which position holds an instrument that the pair would trade: the venue would merge the two into one."""
    traded = {name for name, _ in list_legs(score.pair, choose_direction(score.z or 0.0), settings)}
    for position in held:
        for leg in position.legs:
            if leg.asset in traded:
                return f"{leg.asset} already held by {position.position_id}"
    return None


def _find_correlation(correlations: Mapping[str, float | None], one: str, other: str) -> float | None:
    forward = correlations.get(Pair(one, other).pair_id)
    return forward if forward is not None else correlations.get(Pair(other, one).pair_id)
