"""Request limits per endpoint as the venue counts them (docs/okx-protocol.md, Rate limits).

Windows run on the wall clock: an accelerated clock must not make a client's own limiter useless.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

from paper_exchange.params import Params
from paper_exchange.wire import WireError


class Limit(NamedTuple):
    """`allowed` requests per `window_s` seconds, counted per caller and value of the parameter `per`."""

    allowed: int
    window_s: float = 2.0
    per: str = ""


_PREFIX = "/api/v5/"
_LIMITS: Mapping[str, Limit] = {
    "GET public/time": Limit(10),
    "GET public/instruments": Limit(20, per="instType"),
    "GET market/candles": Limit(40),
    "GET market/history-candles": Limit(20),
    "GET market/mark-price-candles": Limit(20),
    "GET market/history-mark-price-candles": Limit(20),
    "GET market/index-candles": Limit(20),
    "GET market/history-index-candles": Limit(10),
    "GET market/trades": Limit(100),
    "GET market/history-trades": Limit(20),
    "GET market/ticker": Limit(20),
    "GET market/tickers": Limit(20),
    "GET market/index-tickers": Limit(20),
    "GET market/books": Limit(40),
    "GET market/books-full": Limit(10),
    "GET public/funding-rate": Limit(10, per="instId"),
    "GET public/funding-rate-history": Limit(10, per="instId"),
    "GET public/open-interest": Limit(20, per="instId"),
    "GET public/mark-price": Limit(10, per="instId"),
    "GET public/position-tiers": Limit(10),
    "GET public/price-limit": Limit(20),
    "GET public/underlying": Limit(20),
    "GET public/premium-history": Limit(20, per="instId"),
    "GET system/status": Limit(1, 5.0),
    "GET rubik/stat/contracts/open-interest-history": Limit(10, per="instId"),
    "GET rubik/stat/taker-volume-contract": Limit(5, per="instId"),
    "GET rubik/stat/taker-volume": Limit(5),
    "GET rubik/stat/contracts/open-interest-volume": Limit(5),
    "GET rubik/stat/contracts/long-short-account-ratio": Limit(5),
    "GET rubik/stat/contracts/long-short-account-ratio-contract": Limit(5, per="instId"),
    "GET rubik/stat/contracts/long-short-account-ratio-contract-top-trader": Limit(5, per="instId"),
    "GET rubik/stat/contracts/long-short-position-ratio-contract-top-trader": Limit(5, per="instId"),
    "GET public/liquidation-orders": Limit(40),
    "GET public/convert-contract-coin": Limit(10, per="instId"),
    "GET account/config": Limit(5),
    "GET account/balance": Limit(10),
    "GET account/positions": Limit(10),
    "GET account/positions-history": Limit(10),
    "POST account/set-position-mode": Limit(5),
    "POST account/set-leverage": Limit(20),
    "GET account/leverage-info": Limit(20),
    "GET account/bills": Limit(5, 1.0),
    "GET account/bills-archive": Limit(5),
    "GET account/trade-fee": Limit(5),
    "GET account/instruments": Limit(20, per="instType"),
    "GET account/max-size": Limit(20),
    "GET account/max-avail-size": Limit(20),
    "GET account/risk-state": Limit(10),
    "GET account/account-position-risk": Limit(10),
    "POST account/position/margin-balance": Limit(20),
    "POST trade/order": Limit(60, per="instId"),
    "POST trade/batch-orders": Limit(300, per="instId"),
    "POST trade/cancel-order": Limit(60, per="instId"),
    "POST trade/cancel-batch-orders": Limit(300, per="instId"),
    "POST trade/amend-order": Limit(60, per="instId"),
    "POST trade/amend-batch-orders": Limit(300, per="instId"),
    "GET trade/order": Limit(60, per="instId"),
    "GET trade/orders-pending": Limit(60),
    "GET trade/orders-history": Limit(40),
    "GET trade/orders-history-archive": Limit(20),
    "GET trade/fills": Limit(60),
    "GET trade/fills-history": Limit(10),
    "POST trade/close-position": Limit(20),
    "POST trade/cancel-all-after": Limit(1, 1.0, per="tag"),
    "POST trade/order-algo": Limit(20, per="instId"),
    "POST trade/cancel-algos": Limit(20, per="instId"),
    "POST trade/amend-algos": Limit(20, per="instId"),
    "GET trade/order-algo": Limit(20),
    "GET trade/orders-algo-pending": Limit(20),
    "GET trade/orders-algo-history": Limit(20),
}
# A batch of one order counts against the limit of the single call.
_SINGLE = {
    "POST trade/batch-orders": "POST trade/order",
    "POST trade/cancel-batch-orders": "POST trade/cancel-order",
    "POST trade/amend-batch-orders": "POST trade/amend-order",
}
_ORDERS = tuple(f"POST trade/{name}" for name in ("order", "batch-orders", "amend-order", "amend-batch-orders"))
ALL_ORDERS = Limit(1_000)
"""New and amended orders of one account over all instruments."""


class RateLimiter:
    """Sliding windows; `clock_s` is a monotonic clock in seconds."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._windows: dict[tuple[str, str, str], deque[float]] = defaultdict(deque)

    def check(self, method: str, path: str, caller: str, rows: list[Params]) -> None:
        """Count a request of `caller` (an address or an API key), one per element of a batch.

        Above the limit of an endpoint 50011 with HTTP 429, above that of all orders 50061.
        """
        name = f"{method} {path.removeprefix(_PREFIX)}"
        if len(rows) == 1:
            name = _SINGLE.get(name, name)
        limit = _LIMITS.get(name)
        if limit is None:
            return
        for row in rows:
            value = row.values.get(limit.per, "") if limit.per else ""
            if not self._count(name, caller, str(value), limit):
                raise WireError("50011", "Too Many Requests", http_status=429, data=None)
            if name in _ORDERS and not self._count("orders", caller, "", ALL_ORDERS):
                raise WireError("50061", "You've reached the maximum order rate limit for this account.")

    def _count(self, name: str, caller: str, value: str, limit: Limit) -> bool:
        """Count one request in its window, if there is room; whether there was."""
        now_s = self._clock_s()
        window = self._windows[name, caller, value]
        while window and window[0] <= now_s - limit.window_s:
            window.popleft()
        if len(window) >= limit.allowed:
            return False
        window.append(now_s)
        return True
