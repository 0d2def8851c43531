"""The displayed order book: made-up depth around the last price, the same for the same second.

Orders that fill against the book meet what `market/books` shows. What an order has taken in a second is gone from the
front of its side for the rest of that second (see `Depth`); the next second brings a new book.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal
from itertools import count
from typing import Literal, NamedTuple

from paper_exchange.market.market import Instrument
from paper_exchange.market.prices import best_quotes, round_to_tick

BookSide = Literal["ask", "bid"]
TOP_OF_BOOK_USDT = Decimal(20_000)
LEVEL_STEP = Decimal("0.00005")


class Level(NamedTuple):
    """One price of the book and the contracts that are offered or wanted there."""

    price: Decimal
    size: Decimal


@dataclass(slots=True)
class Depth:
    """What has been taken from each side of the books in their present second, in contracts."""

    _taken: dict[tuple[str, BookSide], tuple[int, Decimal]] = field(default_factory=dict)

    def taken(self, inst_id: str, side: BookSide, at_ms: int) -> Decimal:
        """Return the contracts that are gone from the front of a side in the second of `at_ms`."""
        second, contracts = self._taken.get((inst_id, side), (-1, Decimal(0)))
        return contracts if second == at_ms // 1000 else Decimal(0)

    def take(self, inst_id: str, side: BookSide, at_ms: int, contracts: Decimal) -> None:
        """Note that contracts were taken from the front of a side."""
        self._taken[inst_id, side] = (at_ms // 1000, self.taken(inst_id, side, at_ms) + contracts)


def read_levels(
    instrument: Instrument, last: Decimal, side: BookSide, at_ms: int, taken: Decimal = Decimal(0)
) -> Iterator[Level]:
    """Yield the levels of one side around `last`, best first, without the first `taken` contracts.

    Bids end at the price 0; asks have no end.
    """
    bid, ask = best_quotes(instrument, last)
    step = max(instrument.tick_sz, round_to_tick(last * LEVEL_STEP, instrument.tick_sz, ROUND_FLOOR))
    for level in count():
        price = ask + step * level if side == "ask" else bid - step * level
        if price <= 0:
            return
        size = compute_depth(instrument, last, side, level, at_ms)
        gone = min(taken, size)
        taken -= gone
        if size > gone:
            yield Level(price, size - gone)


def compute_depth(instrument: Instrument, last: Decimal, side: BookSide, level: int, at_ms: int) -> Decimal:
    """Return the contracts at a level: 50 to 150% of a size that grows with the distance from the best price."""
    # A checksum, not `hash`: the same second shows the same book in every process.
    seed = zlib.crc32(f"{instrument.inst_id} {side} {level} {at_ms // 1000}".encode())
    notional = TOP_OF_BOOK_USDT * (1 + Decimal(level) / 4) * (50 + seed % 101) / 100
    lots = (notional / (last * instrument.ct_val) / instrument.lot_sz).to_integral_value(ROUND_FLOOR)
    return max(lots * instrument.lot_sz, instrument.min_sz)
