"""Pages of lists: limits, cursors, filters by time, and the periods of statistics (docs/okx-protocol.md, Paging)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from paper_exchange.http.request import Request
from paper_exchange.market.candles import BarSize
from paper_exchange.wire import bad_parameter

PERIODS = ("5m", "15m", "30m", "1H", "2H", "4H", "6H", "12H", "1D", "6Hutc", "12Hutc", "1Dutc")
"""Periods of statistics."""
KEPT_PERIODS = 1_440
T = TypeVar("T")


def read_limit(request: Request, most: int, default: int = 100) -> int:
    """Return `limit`, clamped to `most`; 51000 below 1."""
    limit = request.params.whole("limit")
    if limit is None:
        return default
    if limit < 1:
        raise bad_parameter("limit")
    return min(limit, most)


def take_page(request: Request, rows: Sequence[T], cursor: Callable[[T], int]) -> list[T]:
    """Return at most `limit` rows, newest first: older than `after` and newer than `before`, both exclusive."""
    after, before = request.params.whole("after"), request.params.whole("before")
    wanted = [
        row
        for row in sorted(rows, key=cursor, reverse=True)
        if (after is None or cursor(row) < after) and (before is None or cursor(row) > before)
    ]
    return wanted[: read_limit(request, 100)]


def is_within(request: Request, at_ms: int) -> bool:
    """Whether an instant lies between `begin` and `end`, both inclusive and optional."""
    begin, end = request.params.whole("begin"), request.params.whole("end")
    return (begin is None or at_ms >= begin) and (end is None or at_ms <= end)


def read_periods(request: Request, size: BarSize) -> tuple[int, int]:
    """Return the starts of the newest and the oldest period of a statistic; `begin` and `end` are exclusive.

    The newest period is the present one; the oldest is kept for 1,440 periods and not from before the market.
    """
    begin, end = request.params.whole("begin"), request.params.whole("end")
    newest_ms = size.start_of(request.now_ms if end is None else min(request.now_ms, end - 1))
    oldest_ms = max(request.market.start_ms, size.start_of(request.now_ms) - (KEPT_PERIODS - 1) * size.ms)
    return newest_ms, oldest_ms if begin is None else max(oldest_ms, begin + 1)
