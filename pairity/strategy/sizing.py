"""Size of a position: its notional, and the contracts of each leg (docs/formulas.md, Size)."""

from __future__ import annotations

from decimal import Decimal

from pairity.settings import StrategySettings
from pairity.strategy.hedging import Lots, find_hedged_lots
from pairity.strategy.types import AssetView
from pairity.universe import ContractSpec, exact

TOO_SMALL = "position below the minimum size"


def compute_entry_notional(available_usdt: float, score: float, settings: StrategySettings) -> float:
    """Return the notional in USDT of a new position with divergence `score`; 0.0 where it is too small to trade.

    base = the smaller of available balance and `max_position_usdt` (all that is available where that is −1); times
    clamp(1 + (score − 0.5)/0.5, 1, 2); never above `max_balance_fraction` (95%) of available times leverage; below
    `min_position_usdt` there is no trade.
    """
    base = min(available_usdt, settings.max_position_usdt) if settings.max_position_usdt > 0 else available_usdt
    multiplier = min(max(1.0 + (score - 0.5) / 0.5, 1.0), 2.0)
    ceiling = settings.max_balance_fraction * available_usdt * settings.leverage
    notional = min(base * multiplier, ceiling)
    return notional if notional >= settings.min_position_usdt else 0.0


def size_leg(notional_usdt: float, price: float, spec: ContractSpec) -> Decimal:
    """Return the contracts of one leg in whole lots, rounded down; 0 where the venue's minimum is not reached."""
    return spec.contracts_for(exact(notional_usdt), exact(price))


def size_legs(
    notional_usdt: float, assets: tuple[AssetView, ...], hedge_ratio: float | None, settings: StrategySettings
) -> tuple[Decimal, ...] | str:
    """Return the contracts of each leg in whole lots, or the reason why the position cannot be sized.

    One leg (its `close` and `spec` are known) takes all of `notional_usdt`; two legs share it so that their notionals
    keep `hedge_ratio` within `settings.hedge_tolerance`. No leg is smaller than the venue's minimum or than
    `settings.min_position_usdt`.
    """
    priced = [(asset.spec, exact(asset.close)) for asset in assets if asset.spec is not None and asset.close]
    if len(priced) < len(assets) or notional_usdt <= 0:
        return TOO_SMALL
    least = exact(settings.min_position_usdt)
    if len(priced) == 1:
        ((spec, price),) = priced
        contracts = size_leg(notional_usdt, float(price), spec)
        return TOO_SMALL if spec.notional(contracts, spec.round_price(price)) < least else (contracts,)
    base, quote = (Lots.of(spec, price, least) for spec, price in priced)
    tolerance = exact(settings.hedge_tolerance)
    lots = find_hedged_lots(exact(notional_usdt), exact(hedge_ratio or 0.0), base, quote, tolerance)
    if isinstance(lots, str):
        return lots
    return tuple(count * spec.lot_sz for count, (spec, _) in zip(lots, priced, strict=True))
