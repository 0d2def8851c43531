"""Prices: the best ones of a book, and those of currencies in USDT (for fees that another currency paid)."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from pairity.errors import VenueAnswerError, VenueRejectedError
from pairity.timeline import to_ms
from serving.execution import okx_rows as rows
from serving.execution.okx_connection import OkxConnection
from serving.execution.venue_records import BestPrices

_MINUTE_MS = 60_000
# The first has closed minutes for years, the second the newest, the running one included.
_METHODS = ("publicGetMarketHistoryIndexCandles", "publicGetMarketIndexCandles")


async def read_best_prices(connection: OkxConnection, instrument: str) -> BestPrices:
    """Return the best bid and ask of an instrument; VenueAnswerError where one is missing, or they are crossed."""
    row = await connection.read_one("publicGetMarketTicker", {"instId": instrument}, "market/ticker")
    bid, ask = rows.parse("market/ticker", lambda own: _read_best(rows.of(instrument, own)), row)
    if bid >= ask:
        raise VenueAnswerError(f"the book of {instrument} is crossed: bid {bid}, ask {ask}", "try again")
    return BestPrices(bid, ask)


def _read_best(row: rows.Row) -> BestPrices:
    return BestPrices(rows.price(row, "bidPx"), rows.price(row, "askPx"))


async def read_usdt_price(connection: OkxConnection, currency: str, at: datetime) -> Decimal | None:
    """Return the USDT price of a currency at the beginning of the minute of `at`; None where the venue has none.

    Raises VenueUnreachableError and VenueAnswerError where it does not answer, or not with a price.
    """
    minute_ms = to_ms(at) // _MINUTE_MS * _MINUTE_MS
    wanted = {"instId": f"{currency}-USDT", "bar": "1m", "after": str(minute_ms + 1), "limit": "1"}
    for method in _METHODS:
        try:
            answer = await connection.read(method, wanted)
        except VenueRejectedError:
            return None
        for candle in answer:
            if not isinstance(candle, list) or len(candle) < 2:
                raise VenueAnswerError(f"{method} answered a candle that is none", "try again later")
            row = {"ts": candle[0], "open": candle[1]}
            if to_ms(rows.parse(method, lambda own: rows.instant(own, "ts"), row)) == minute_ms:
                return rows.parse(method, lambda own: rows.price(own, "open"), row)
    return None
