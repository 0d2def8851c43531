"""Prices at which positions are opened and closed within hourly bars, and what the exchange triggers by itself."""

from __future__ import annotations

from datetime import datetime

from pairity.strategy.types import ExitReason
from training.backtest.records import Bar, Closing, OpenPosition

_BPS = 1e-4


def slipped(reference: float, sign: int, slippage_bps: float) -> float:
    """Fill price of a market order: `sign` +1 buys above the reference, −1 sells below it."""
    return reference * (1.0 + sign * slippage_bps * _BPS)


def liquidation_price(position: OpenPosition, other_equity: float, maintenance_rate: float) -> float | None:
    """The price at which equity falls to the maintenance margin of this position; None where no price above 0 does.

    `other_equity` is the account without this position's unrealised profit (cross margin). Solves
    other_equity + sign·size·(p − entry) = maintenance_rate·size·p for p.
    """
    sign, size = position.sign, position.size
    price = (sign * size * position.entry_price - other_equity) / (size * (sign - maintenance_rate))
    return price if price > 0 else None


def triggered(
    position: OpenPosition, bar: Bar, opened: datetime, closes: datetime, liquidation: float | None
) -> Closing | None:
    """What stop-loss, take-profit or liquidation does to a position during one bar; None: it survives.

    A bar that opens beyond a level is filled at its open (gap), else at the level itself. Inside a bar the order of its
    extremes is unknown: the adverse one is taken to come first. Touching a level triggers it.
    """
    adverse, reason = _adverse_level(position, liquidation)
    beyond = _Beyond(position.sign)
    if adverse is not None and beyond.adverse(bar.open, adverse):
        return Closing(bar.open, opened, reason)
    if position.target_price is not None and beyond.favourable(bar.open, position.target_price):
        return Closing(bar.open, opened, ExitReason.TAKE_PROFIT)
    worst, best = (bar.low, bar.high) if position.sign > 0 else (bar.high, bar.low)
    if adverse is not None and beyond.adverse(worst, adverse):
        return Closing(adverse, closes, reason)
    if position.target_price is not None and beyond.favourable(best, position.target_price):
        return Closing(position.target_price, closes, ExitReason.TAKE_PROFIT)
    return None


def _adverse_level(position: OpenPosition, liquidation: float | None) -> tuple[float | None, ExitReason]:
    """The nearer of stop and liquidation price: the one that an adverse move meets first."""
    stop = position.stop_price
    if liquidation is None or (stop is not None and (stop - liquidation) * position.sign >= 0):
        return stop, ExitReason.STOP_LOSS
    return liquidation, ExitReason.LIQUIDATION


class _Beyond:
    """Comparisons seen from one side of the market."""

    def __init__(self, sign: int) -> None:
        self._sign = sign

    def adverse(self, price: float, level: float) -> bool:
        return (price - level) * self._sign <= 0

    def favourable(self, price: float, level: float) -> bool:
        return (price - level) * self._sign >= 0
