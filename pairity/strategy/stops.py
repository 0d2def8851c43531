"""Stop-loss and take-profit distances, and the prices that follow from an actual fill (docs/formulas.md, Stops).

Distances become fractions of the entry price once there is one: a rule keeps the volatility that was known at the
decision, and the prices follow from the fill.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from pairity.settings import StrategySettings
from pairity.strategy.types import AssetView, Side, StopRule
from pairity.universe import ContractSpec, exact

REFERENCE_ASSET = "BTC"
"""Asset whose volatility `stop_model = "volatility"` compares an asset's own with."""


@dataclass(frozen=True, slots=True)
class StopPrices:
    """Trigger prices of one protected leg, on the venue's tick."""

    stop: Decimal
    target: Decimal


def choose_stop_rule(asset: AssetView, reference: AssetView | None, settings: StrategySettings) -> StopRule:
    """Return the rule for one leg, from what was known at the decision.

    `atr`: ATR·`stop_atr` and ATR·`target_atr` in price units; the defaults (6% / 5%) where ATR is unknown.
    `volatility`: the defaults times clamp(vol_asset / vol_reference, 0.5, 2), reference being
    `REFERENCE_ASSET` (both hourly: the daily scaling √24 cancels); the plain defaults where either is unknown.
    """
    if settings.stop_model == "atr" and asset.atr:
        return StopRule(
            stop_distance=settings.stop_atr * asset.atr,
            target_distance=settings.target_atr * asset.atr,
            stop_bounds=settings.stop_bounds,
            target_bounds=settings.target_bounds,
            stop_default=settings.stop_default,
            target_default=settings.target_default,
        )
    factor = 1.0
    if settings.stop_model == "volatility" and reference is not None and asset.volatility and reference.volatility:
        factor = _clamp(asset.volatility / reference.volatility, (0.5, 2.0))
    return StopRule(
        stop_distance=None,
        target_distance=None,
        stop_bounds=settings.stop_bounds,
        target_bounds=settings.target_bounds,
        stop_default=settings.stop_default * factor,
        target_default=settings.target_default * factor,
    )


def compute_fractions(rule: StopRule, entry_price: float) -> tuple[float, float]:
    """Return (stop, target) as fractions of `entry_price`; distances are clamped to the rule's bounds."""
    if rule.stop_distance is None or rule.target_distance is None:
        return rule.stop_default, rule.target_default
    return (
        _clamp(rule.stop_distance / entry_price, rule.stop_bounds),
        _clamp(rule.target_distance / entry_price, rule.target_bounds),
    )


def compute_stop_prices(rule: StopRule, side: Side, entry_price: Decimal, spec: ContractSpec) -> StopPrices:
    """Return the trigger prices of a leg opened on `side` at `entry_price`, rounded to the tick."""
    stop, target = compute_fractions(rule, float(entry_price))
    sign = side.sign
    return StopPrices(
        stop=spec.round_price(entry_price * (1 - sign * exact(stop))),
        target=spec.round_price(entry_price * (1 + sign * exact(target))),
    )


def _clamp(value: float, bounds: tuple[float, float]) -> float:
    return min(max(value, bounds[0]), bounds[1])
