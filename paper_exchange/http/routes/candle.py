"""Candle endpoints for traded, mark and index prices."""

from __future__ import annotations

from decimal import Decimal

from pairity.universe import exact
from paper_exchange.http.envelope import Json, text
from paper_exchange.http.lookup import instrument_of, instrument_of_index, limit_of, strike_of
from paper_exchange.http.request import Call, Handler, Routes
from paper_exchange.market.candles import Candle, bar_size, page
from paper_exchange.market.market import Instrument, PriceKind

TRADED_PAGE = 300
REFERENCE_PAGE = 100


def _candles(kind: PriceKind, *, recent_only: bool) -> Handler:
    def handler(call: Call) -> list[Json]:
        instrument = instrument_of_index(call) if kind == "index" else instrument_of(call)
        candles = page(
            call.market,
            instrument.inst_id,
            bar_size(call.params.text("bar", "1m")),
            now_ms=call.now_ms,
            limit=limit_of(call, TRADED_PAGE if kind == "last" else REFERENCE_PAGE),
            after_ms=call.params.whole("after"),
            before_ms=call.params.whole("before"),
            recent_only=recent_only,
            kind=kind,
        )
        return disturbed(call, [_row(candle, instrument, traded=kind == "last") for candle in candles])

    return handler


def _row(candle: Candle, instrument: Instrument, *, traded: bool) -> list[str]:
    """`[ts, o, h, l, c, contracts, base, quote, confirm]`, without the volumes for mark and index."""
    prices = [text(price) for price in candle[1:5]]
    confirm = "1" if candle.closed else "0"
    if not traded:
        return [str(candle.open_ms), *prices, confirm]
    base = exact(candle.volume)
    volumes = [text(contracts(base, instrument)), text(base), text(round(candle.volume_quote, 8))]
    return [str(candle.open_ms), *prices, *volumes, confirm]


def contracts(base: Decimal, instrument: Instrument) -> Decimal:
    """Base units as contracts; fractional where the recording's volume is finer than a lot."""
    return round(base / instrument.ct_val, 8)


def disturbed(call: Call, rows: list[Json]) -> list[Json]:
    """Rows as an injected fault lets them through (rows are lists that begin with their time)."""
    if gap := strike_of(call, "candle_gap"):
        since, until = gap.params.get("from"), gap.params.get("to")
        if since is None or until is None:
            del rows[len(rows) // 2 : len(rows) // 2 + 1]
        else:
            rows = [row for row in rows if not int(since) <= int(row[0]) < int(until)]
    if strike_of(call, "unconfirmed_last") and (closed := next((row for row in rows if row[-1] == "1"), None)):
        closed[-1] = "0"
    return shuffled(call, rows)


def shuffled(call: Call, rows: list[Json]) -> list[Json]:
    """Rows with duplicates or out of order where a fault says so."""
    if strike_of(call, "duplicate_rows"):
        rows = [row for place, original in enumerate(rows) for row in [original] * (2 if place % 3 == 0 else 1)]
    if strike_of(call, "unsorted_rows"):
        rows = rows[1::2] + rows[::2]
    return rows


ROUTES: Routes = {
    ("GET", "/api/v5/market/candles"): _candles("last", recent_only=True),
    ("GET", "/api/v5/market/history-candles"): _candles("last", recent_only=False),
    ("GET", "/api/v5/market/mark-price-candles"): _candles("mark", recent_only=True),
    ("GET", "/api/v5/market/history-mark-price-candles"): _candles("mark", recent_only=False),
    ("GET", "/api/v5/market/index-candles"): _candles("index", recent_only=True),
    ("GET", "/api/v5/market/history-index-candles"): _candles("index", recent_only=False),
}
