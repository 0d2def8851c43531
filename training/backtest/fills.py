"""Fill prices: where legs are opened and closed within hourly bars, and what the exchange triggers by itself.

Sources: docs/formulas.md, Fills; Stops inside a bar; Liquidation.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from pairity.strategy.types import ExitReason, Side
from training.backtest.records import LegExit, OpenLeg, PriceBar, Terms

BPS = 1e-4


class FillPrice(NamedTuple):
    """Price at which an entry fills: before slippage, as paid, and the fee (basis points of notional)."""

    reference_price: float
    price: float
    fee_bps: float


def fill_entry(asset: str, side: Side, limit: float, bar: PriceBar, terms: Terms) -> FillPrice | None:
    """Return the price at which an entry decided at the close `limit` fills in the next `bar`; None: it does not fill.

    See `Terms.fill_model`.
    """
    if terms.fill_model == "next_open_taker":
        return FillPrice(bar.open, price_market_order(asset, bar.open, side.sign, terms), terms.taker_fee_bps)
    through = bar.low < limit if side is Side.BUY else bar.high > limit
    return FillPrice(limit, limit, terms.maker_fee_bps) if through else None


def price_market_order(asset: str, reference: float, sign: int, terms: Terms) -> float:
    """Return what a market order pays at the price `reference`: the venue's quote there, or with slippage."""
    if terms.quotes is not None:
        return terms.quotes(asset, reference, sign)
    return apply_slippage(reference, sign, terms.slippage_bps)


def apply_slippage(reference: float, sign: int, slippage_bps: float) -> float:
    """Return the fill price of a market order: `sign` +1 buys above the reference, −1 sells below it."""
    return reference * (1.0 + sign * slippage_bps * BPS)


def solve_liquidation_price(leg: OpenLeg, other_equity: float, closing_rate: float) -> float | None:
    """Return the price at which the account cannot keep this leg any more; None where no price above 0 does it.

    `closing_rate` is the venue's requirement per notional: maintenance margin and the taker's fee for closing.
    `other_equity` is the account without this leg's unrealised profit, less that requirement for all other legs (cross
    margin; they stand at their last known closes); in isolated margin it is the leg's own margin. Solves
    other_equity + sign·size·(p − entry) = closing_rate·size·p.
    """
    price = (leg.sign * leg.size * leg.entry_price - other_equity) / (leg.size * (leg.sign - closing_rate))
    return price if price > 0 else None


def limit_loss(leg: OpenLeg, price: float, fee_rate: float) -> float:
    """Return the price at which an isolated leg is closed: `price`, or the one at which its margin is just lost.

    Solves margin + sign·size·(p − entry) = fee_rate·size·p; the venue's insurance bears what would be lost beyond it.
    """
    ruined = (leg.sign * leg.size * leg.entry_price - leg.margin) / (leg.size * (leg.sign - fee_rate))
    return max(price, ruined) if leg.sign > 0 else min(price, ruined)


def trigger_exit(
    leg: OpenLeg, bar: PriceBar, closes: datetime, liquidation: float | None, *, opened: datetime, target: bool = True
) -> LegExit | None:
    """Return how stop-loss, take-profit or liquidation ends a leg between `opened` and `closes`; None: it survives.

    A bar that opens beyond a level fills at its open (gap), otherwise at the level itself. Inside a bar the order of
    the extremes is unknown: the adverse one is taken to come first. Touching a level triggers it. `target` False leaves
    the take-profit out.
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
    """Return the nearer of stop and liquidation price, which an adverse move meets first, with its reason."""
    stop = leg.stop_price
    if liquidation is None or (stop is not None and (stop - liquidation) * leg.sign >= 0):
        return stop, ExitReason.STOP_LOSS
    return liquidation, ExitReason.LIQUIDATION


class _Beyond:
    """Comparisons of prices from the view of a long (+1) or a short (−1) leg."""

    def __init__(self, sign: int) -> None:
        self._sign = sign

    def adverse(self, price: float, level: float) -> bool:
        return (price - level) * self._sign <= 0

    def favourable(self, price: float, level: float) -> bool:
        return (price - level) * self._sign >= 0
