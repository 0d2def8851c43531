"""Prices that can be known at an instant, and the quotes and limits that follow from them.

The public endpoints and the matching of orders share them: what a client reads is what its orders meet.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from pairity.universe import exact
from paper_exchange.market.market import Instrument, Market, PriceKind

HALF_SPREAD = Decimal("0.00005")
"""Half of the quoted spread as a fraction of the price: 0.5 basis points, at least one tick."""
BAND = Decimal("0.02")
"""Limit orders must lie within this fraction of the index price."""


def price_at(market: Market, inst_id: str, at_ms: int, kind: PriceKind = "last") -> Decimal | None:
    """Return the price known at `at_ms`: the open of the bar that contains it, or the close of a bar that has ended.

    None before the first bar. See `market.py` for why nothing else of the current bar is known.
    """
    bar = market.bar_at(inst_id, at_ms, kind)
    if bar is None:
        return None
    return exact(bar.open if at_ms < bar.open_ms + market.bar_ms(inst_id) else bar.close)


def best_quotes(instrument: Instrument, last: Decimal) -> tuple[Decimal, Decimal]:
    """Return best bid and ask around `last`, on ticks: half the spread is the larger of one tick and 0.5 bp."""
    half = max(instrument.tick_sz, last * HALF_SPREAD)
    bid = round_to_tick(last - half, instrument.tick_sz, ROUND_FLOOR)
    return max(bid, instrument.tick_sz), round_to_tick(last + half, instrument.tick_sz, ROUND_CEILING)


def price_band(instrument: Instrument, index: Decimal) -> tuple[Decimal, Decimal]:
    """Return the highest price for buys and the lowest for sells, on ticks (docs/okx-protocol.md, Price band)."""
    lowest = round_to_tick(index * (1 - BAND), instrument.tick_sz, ROUND_CEILING)
    return round_to_tick(index * (1 + BAND), instrument.tick_sz, ROUND_FLOOR), max(lowest, instrument.tick_sz)


def round_to_tick(price: Decimal, tick: Decimal, rounding: str) -> Decimal:
    """Return `price` on a whole number of ticks; `rounding` is a mode of `decimal`."""
    return (price / tick).to_integral_value(rounding=rounding) * tick
