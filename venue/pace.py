"""Pace of requests for market data: below the venue's limits by construction, without asking a clock all the time.

The venue counts requests per endpoint in windows of two seconds. ccxt's own limiter has one budget for all endpoints,
and looks a thousand times a second whether it is time; here each endpoint has its own.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Limit(NamedTuple):
    """`allowed` requests per `window_s` seconds, counted per value of the parameter `per` where one is named."""

    allowed: int
    window_s: float = 2.0
    per: str = ""


LIMITS: Mapping[str, Limit] = {
    "publicGetPublicTime": Limit(10),
    "publicGetPublicInstruments": Limit(20, per="instType"),
    "publicGetMarketHistoryCandles": Limit(20),
    "publicGetMarketHistoryMarkPriceCandles": Limit(20),
    "publicGetMarketHistoryIndexCandles": Limit(10),
    "publicGetMarketHistoryTrades": Limit(20),
    "publicGetMarketBooks": Limit(40),
    "publicGetPublicFundingRate": Limit(10, per="instId"),
    "publicGetPublicFundingRateHistory": Limit(10, per="instId"),
    "publicGetPublicOpenInterest": Limit(20, per="instId"),
    "publicGetPublicLiquidationOrders": Limit(40),
    "publicGetRubikStatContractsOpenInterestHistory": Limit(10, per="instId"),
    "publicGetRubikStatTakerVolumeContract": Limit(5, per="instId"),
}
"""Limits of the venue by method of the client (docs/okx-protocol.md, Rate limits)."""
# As few as the venue allows anywhere in two seconds.
_UNKNOWN = Limit(5)


@dataclass(slots=True)
class _Turn:
    """One request: when it was over, and that it is."""

    ended_s: float = 0.0
    is_over: asyncio.Event = field(default_factory=asyncio.Event)


class Pace:
    """Turns of one client. Where a limit allows N requests, turn n waits for the end of turn n − N, and a window more.

    The venue has counted a request before its answer is here. Turns that are N apart are therefore counted a window
    apart, however long any of them is under way, and no window holds more than N.
    """

    def __init__(self, limits: Mapping[str, Limit] = LIMITS) -> None:
        self._limits = limits
        self._turns: dict[tuple[str, str], deque[_Turn]] = {}

    @asynccontextmanager
    async def turn(self, method: str, params: Mapping[str, Any] | Sequence[Any]) -> AsyncIterator[None]:
        """Wait for a turn of `method`; the request is made, and answered, inside the block."""
        limit = self._limits.get(method, _UNKNOWN)
        counted_by = str(params.get(limit.per, "")) if limit.per and isinstance(params, Mapping) else ""
        turns = self._turns.setdefault((method, counted_by), deque())
        own, before = _Turn(), turns.popleft() if len(turns) >= limit.allowed else None
        turns.append(own)
        try:
            if before is not None:
                await before.is_over.wait()
                await asyncio.sleep(before.ended_s + limit.window_s - time.monotonic())
            yield
        finally:
            own.ended_s = time.monotonic()
            own.is_over.set()
