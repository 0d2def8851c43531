"""Span of the demo: from where it learns, and from where it trades; checked before anything is fetched."""

from __future__ import annotations

from datetime import datetime
from math import ceil

from pairity.errors import TimeRangeError
from pairity.number_formats import format_count
from pairity.timeline import DAY, HOUR, floor_to
from pairity_cli.demo.exchange import DemoExchange


def choose_span(
    exchange: DemoExchange, history_days: int, cycles: int, *, least_hours: int
) -> tuple[datetime, datetime]:
    """Return the first instant to learn from and the one at which trading starts; whole hours, inside the market.

    TimeRangeError where fewer than `least_hours` are left to learn from, or the market has too few hours to trade: it
    names the smallest history, or the most hours, that work.
    """
    if exchange.recorded:
        end = floor_to(exchange.market_end, HOUR)
        _require_played(exchange, end, cycles)
        start = max(exchange.market_start, end - history_days * DAY)
    else:
        # A synthetic market has history before its clock's start and goes on after it for as long as one likes.
        start = max(exchange.market_start, floor_to(exchange.now, HOUR) - history_days * DAY + cycles * HOUR)
        end = floor_to(exchange.now, HOUR) + cycles * HOUR
    trading = end - cycles * HOUR
    learnt = (trading - start) // HOUR
    if learnt >= least_hours:
        return start, trading
    found = (
        f"{format_count(max(learnt, 0), 'hour is left', 'hours are left')} to learn from before {cycles} "
        f"traded ones; training needs {least_hours}"
    )
    wanted = ceil((least_hours + cycles) * HOUR / DAY)
    if trading - least_hours * HOUR >= exchange.market_start:
        raise TimeRangeError(found, f"use --history {wanted} or more, or trade fewer --cycles")
    if exchange.recorded and (most := (end - exchange.market_start) // HOUR - least_hours) > 0:
        most = min(most, (end - exchange.now) // HOUR)
        raise TimeRangeError(
            f"{found}: the market begins at {exchange.market_start:%Y-%m-%d %H:%M} UTC",
            f"trade at most {most} --cycles",
        )
    raise TimeRangeError(
        f"{found}: the market has {(end - exchange.market_start) // HOUR} hours from its first on",
        "play a longer market, or shorten label.horizon_bars",
    )


def _require_played(exchange: DemoExchange, end: datetime, cycles: int) -> None:
    """Raise TimeRangeError where a recorded market cannot be played for so many hours up to its end."""
    if end - cycles * HOUR < exchange.now:
        raise TimeRangeError(
            f"{format_count(cycles, 'hour is more', 'hours are more')} than the exchange can play: it begins at "
            f"{exchange.now:%Y-%m-%d %H:%M} UTC",
            f"trade at most {(end - exchange.now) // HOUR} --cycles",
        )
