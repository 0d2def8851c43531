"""Prices that can be known at an instant, and the quotes and limits that follow from them.

The public endpoints and the matching of orders share them: what a client reads is what its orders meet.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from pairity.universe import exact
from paper_exchange.market.market import Instrument, Market, PriceKind

HALF_SPREAD = Decimal("0.00005")
"""Half of the quoted spread as a fraction of the price: 0.5 basis points, at least one tick."""
YOUNG_MS = 10 * 60_000
"""For so long after its listing an instrument has the initial band."""
PREMIUM_MS = (0, 60_000)
"""How far back the premium over the index is looked at: the venue averages two minutes."""


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


def price_band(market: Market, instrument: Instrument, at_ms: int) -> tuple[Decimal, Decimal] | None:
    """Return the highest price for buys and the lowest for sells, on ticks; None before the first price.

    See docs/okx-protocol.md, Price band. Without an index price the last one stands in.
    """
    inst_id, band = instrument.inst_id, instrument.band
    index = _find_index(market, inst_id, at_ms)
    if index is None:
        return None
    if at_ms < instrument.list_ms + YOUNG_MS:
        highest, lowest = index * (1 + band.initial), index * (1 - band.initial)
    else:
        premium = _average_premium(market, inst_id, at_ms)
        highest = min(max(index, index * (1 + band.floating) + premium), index * (1 + band.most))
        lowest = max(min(index, index * (1 - band.floating) + premium), index * (1 - band.most))
    tick = instrument.tick_sz
    return round_to_tick(highest, tick, ROUND_FLOOR), max(round_to_tick(lowest, tick, ROUND_CEILING), tick)


def round_to_tick(price: Decimal, tick: Decimal, rounding: str) -> Decimal:
    """Return `price` on a whole number of ticks; `rounding` is a mode of `decimal`."""
    return (price / tick).to_integral_value(rounding=rounding) * tick


def _find_index(market: Market, inst_id: str, at_ms: int) -> Decimal | None:
    index = price_at(market, inst_id, at_ms, "index")
    return index if index is not None else price_at(market, inst_id, at_ms)


def _average_premium(market: Market, inst_id: str, at_ms: int) -> Decimal:
    """Return the mean of last − index at the instants of `PREMIUM_MS` where both are known; 0 where neither is."""
    known = []
    for back_ms in PREMIUM_MS:
        last, index = price_at(market, inst_id, at_ms - back_ms), price_at(market, inst_id, at_ms - back_ms, "index")
        if last is not None and index is not None:
            known.append(last - index)
    return sum(known, Decimal(0)) / len(known) if known else Decimal(0)
