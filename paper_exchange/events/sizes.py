"""Sizes as they differ between instruments of a venue: minimum orders of several lots, limits of a market order."""

from __future__ import annotations

import zlib
from decimal import Decimal

from paper_exchange.events.scripted_market import ScriptedMarket

_LOTS = (1, 1, 2, 5, 10)
_SHARES = (Decimal(1), Decimal("0.5"), Decimal("0.1"))


def vary_sizes(market: ScriptedMarket, seed: int) -> None:
    """Give every instrument a minimum of 1 to 10 lots and a largest market order of its own, drawn from the seed.

    On the venue `lotSz` differs from `minSz` on many instruments, and `maxMktSz` on nearly all.
    """
    for name, instrument in market.every_instrument.items():
        draw = zlib.crc32(f"{seed} {name}".encode())
        market.change(
            name,
            {
                "lotSz": instrument.lot_sz,
                "minSz": instrument.lot_sz * _LOTS[draw % len(_LOTS)],
                "maxMktSz": instrument.max_market_sz * _SHARES[draw // 8 % len(_SHARES)],
            },
        )
