"""How long the venue remembers (docs/okx-protocol.md, What is forgotten).

What is older is in no list, and is not found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from paper_exchange.account.orders import Order
from paper_exchange.http.request import Request

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
UNFILLED_MS = 2 * HOUR_MS
"""A cancelled order that never filled is forgotten after this."""
FILLS_MS = 3 * DAY_MS
RECENT_MS = 7 * DAY_MS
"""Order history and bills; their archives reach further back."""
ARCHIVE_MS = 90 * DAY_MS
T = TypeVar("T")


def is_remembered(order: Order, now_ms: int, kept_ms: int = ARCHIVE_MS) -> bool:
    """Whether an order can still be found: live ones always, finished ones for `kept_ms` after they finished."""
    if order.live:
        return True
    finished_ms = order.updated_ms or order.created_ms
    return now_ms - finished_ms <= (kept_ms if order.filled else min(kept_ms, UNFILLED_MS))


def keep_recent(request: Request, rows: Sequence[T], kept_ms: int, at_ms: Callable[[T], int]) -> list[T]:
    """Return the rows that are at most `kept_ms` old."""
    return [row for row in rows if request.now_ms - at_ms(row) <= kept_ms]
