"""Public trades, made up from closed finest bars so that they add up to them.

A bar with volume becomes up to four trades: at its open, its extremes (the one nearer to the open first) and its
close, evenly spaced in time, their sizes whole lots that sum to the bar's volume. They are published when the bar
closes. The id is (bar number since the epoch)·4 + place: unique, and ascending with time.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_DOWN, Decimal
from typing import NamedTuple

from pairity.universe import exact
from paper_exchange.market.market import Bar, Instrument, Market

PER_BAR = 4
_SHARES = (Decimal("0.25"), Decimal("0.25"), Decimal("0.25"))


class Trade(NamedTuple):
    """One public trade; `side` is the taker's, size in contracts."""

    trade_id: int
    at_ms: int
    price: Decimal
    size_contracts: Decimal
    side: str


def read_trades_before(market: Market, instrument: Instrument, now_ms: int, below_id: int | None) -> Iterator[Trade]:
    """Yield trades published at `now_ms` with ids below `below_id`, newest first, back to the market's beginning."""
    bar_ms = market.bar_ms(instrument.inst_id)
    until_ms = min(now_ms - bar_ms + 1, market.end_ms)
    if below_id is not None:
        until_ms = min(until_ms, (below_id // PER_BAR + 1) * bar_ms)
    span_ms = 100 * bar_ms
    while until_ms > market.start_ms:
        since_ms = max(until_ms - span_ms, market.start_ms)
        for bar in reversed(market.bars(instrument.inst_id, since_ms, until_ms)):
            for trade in reversed(make_trades(bar, bar_ms, instrument)):
                if below_id is None or trade.trade_id < below_id:
                    yield trade
        until_ms = since_ms


def make_trades(bar: Bar, bar_ms: int, instrument: Instrument) -> list[Trade]:
    """Return the trades of one closed bar, ascending; none where nothing was traded."""
    total = exact(bar.volume) / instrument.ct_val
    sizes = [(total * share / instrument.lot_sz).to_integral_value(ROUND_DOWN) * instrument.lot_sz for share in _SHARES]
    # The close takes the rest, so that the trades add up to the bar.
    sizes.append(round(total - sum(sizes), 8))
    extremes = (bar.low, bar.high) if bar.open - bar.low <= bar.high - bar.open else (bar.high, bar.low)
    prices = (bar.open, *extremes, bar.close)
    first_id = bar.open_ms // bar_ms * PER_BAR
    trades = []
    before = bar.open
    for place, (price, size) in enumerate(zip(prices, sizes, strict=True)):
        if size > 0:
            side = "buy" if price > before or (price == before and place % 2 == 0) else "sell"
            at_ms = bar.open_ms + place * bar_ms // PER_BAR
            trades.append(Trade(first_id + place, at_ms, exact(price), size, side))
        before = price
    return trades
