"""Prices at which legs are opened and closed within hourly bars, and what the exchange triggers by itself."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from pairity.strategy.types import ExitReason, Side
from training.backtest.records import LegExit, OpenLeg, PriceBar, Terms

BPS = 1e-4


class FillPrice(NamedTuple):
    """An entry's execution: the price before slippage, the price paid, and the fee."""

    reference_price: float
    price: float
    fee_bps: float


def fill_entry(side: Side, limit: float, bar: PriceBar, terms: Terms) -> FillPrice | None:
    """How an entry decided at the close `limit` fills in the next `bar` (see Terms); None: it does not."""
    if terms.fill_model == "next_open_taker":
        return FillPrice(bar.open, apply_slippage(bar.open, side.sign, terms.slippage_bps), terms.taker_fee_bps)
    through = bar.low < limit if side is Side.BUY else bar.high > limit
    return FillPrice(limit, limit, terms.maker_fee_bps) if through else None


def apply_slippage(reference: float, sign: int, slippage_bps: float) -> float:
    """Fill price of a market order: `sign` +1 buys above the reference, −1 sells below it."""
    return reference * (1.0 + sign * slippage_bps * BPS)


def solve_liquidation_price(leg: OpenLeg, other_equity: float, closing_rate: float) -> float | None:
    """The price at which the account cannot keep this leg any more; None where no price above 0 does it.

    `closing_rate` is what the venue wants per notional: maintenance margin and the taker's fee of leg_exit.
    `other_equity` is the account without this leg's unrealised profit, less that requirement of all other legs (cross
    margin; they stand at their last known closes). Solves other_equity + sign·size·(p − entry) = closing_rate·size·p.
    """
    price = (leg.sign * leg.size * leg.entry_price - other_equity) / (leg.size * (leg.sign - closing_rate))
    return price if price > 0 else None


def trigger_exit(
    leg: OpenLeg, bar: PriceBar, closes: datetime, liquidation: float | None, *, opened: datetime, target: bool = True
) -> LegExit | None:
    """What stop-loss, take-profit or liquidation does to a leg between `opened` and `closes`; None: it survives.

    A bar that opens beyond a level is filled at its open (gap), else at the level itself. Inside a bar the order of its
    extremes is unknown: the adverse one is taken to come first. Touching a level triggers it. `target` False leaves the
    take-profit out.
    """
    adverse, reason = _choose_adverse_level(leg, liquidation)
    favourable = leg.target_price if target else None
    beyond = _Beyond(leg.sign)
    if adverse is not None and beyond.adverse(bar.open, adverse):
        return LegExit(bar.open, opened, reason)
    if favourable is not None and beyond.favourable(bar.open, favourable):
        return LegExit(bar.open, opened, ExitReason.TAKE_PROFIT)
    worst, best = (bar.low, bar.high) if leg.sign > 0 else (bar.high, bar.low)
    if adverse is not None and beyond.adverse(worst, adverse):
        return LegExit(adverse, closes, reason)
    if favourable is not None and beyond.favourable(best, favourable):
        return LegExit(favourable, closes, ExitReason.TAKE_PROFIT)
    return None


def _choose_adverse_level(leg: OpenLeg, liquidation: float | None) -> tuple[float | None, ExitReason]:
    """The nearer of stop and liquidation price: the one that an adverse move meets first."""
    stop = leg.stop_price
    if liquidation is None or (stop is not None and (stop - liquidation) * leg.sign >= 0):
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
