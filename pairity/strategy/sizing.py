"""How large a position may be."""

from __future__ import annotations

from decimal import Decimal

from pairity.settings import StrategySettings
from pairity.universe import ContractSpec, exact


def entry_notional(available_usdt: float, score: float, settings: StrategySettings) -> float:
    """Notional in USDT for a new position with divergence `score`; 0.0 where it would be too small to trade.

    base = the smaller of available balance and `max_position_usdt`; times clamp(1 + (score − 0.5)/0.5, 1, 2); never
    above `max_balance_fraction` (95 %) of available times leverage; below `min_position_usdt` there is no trade.
    """
    base = min(available_usdt, settings.max_position_usdt)
    multiplier = min(max(1.0 + (score - 0.5) / 0.5, 1.0), 2.0)
    ceiling = settings.max_balance_fraction * available_usdt * settings.leverage
    notional = min(base * multiplier, ceiling)
    return notional if notional >= settings.min_position_usdt else 0.0


def leg_contracts(notional_usdt: float, price: float, spec: ContractSpec) -> Decimal:
    """Contracts of one leg in whole lots, rounded down; 0 where the venue's minimum is not reached."""
    return spec.contracts_for(exact(notional_usdt), exact(price))
