"""Candles of traded, mark and index prices (docs/okx-protocol.md, Candles)."""

from __future__ import annotations

from decimal import Decimal

from pairity.universe import exact
from paper_exchange.http.lookup import read_index_instrument, read_instrument
from paper_exchange.http.paging import read_limit
from paper_exchange.http.request import Handler, Request, Routes
from paper_exchange.http.row_faults import disturb_candles
from paper_exchange.market.candles import Candle, parse_bar_size, read_page
from paper_exchange.market.market import Instrument, PriceKind
from paper_exchange.wire import Json, format_number

TRADED_PAGE = 300
REFERENCE_PAGE = 100


def _make_handler(kind: PriceKind, *, recent_only: bool) -> Handler:
    def handler(request: Request) -> list[Json]:
        if kind == "index" and (price := _read_fee_price(request)) is not None:
            return _list_constant(request, format_number(price))
        instrument = read_index_instrument(request) if kind == "index" else read_instrument(request)
        candles = read_page(
            request.market,
            instrument.inst_id,
            parse_bar_size(request.params.text("bar", "1m")),
            now_ms=request.now_ms,
            limit=read_limit(request, TRADED_PAGE if kind == "last" else REFERENCE_PAGE),
            after_ms=request.params.whole("after"),
            before_ms=request.params.whole("before"),
            recent_only=recent_only,
            kind=kind,
        )
        return disturb_candles(request, [_make_row(candle, instrument, traded=kind == "last") for candle in candles])

    return handler


def _read_fee_price(request: Request) -> Decimal | None:
    """Return the price of the currency that pays the account's fees, where its index is asked for."""
    currency = None if request.account is None else request.account.ledger.fee_currency
    asked = request.params.text("instId")
    return currency.usdt if currency is not None and asked == f"{currency.name}-USDT" else None


def _list_constant(request: Request, price: str) -> list[Json]:
    """Return the page of an index that never moves."""
    size = parse_bar_size(request.params.text("bar", "1m"))
    after, before = request.params.whole("after"), request.params.whole("before")
    newest_ms = size.start_of(request.now_ms)
    open_ms = newest_ms if after is None else min(newest_ms, size.start_of(after - 1))
    oldest_ms = request.market.start_ms if before is None else max(request.market.start_ms, before + 1)
    rows: list[Json] = []
    while open_ms >= oldest_ms and len(rows) < read_limit(request, REFERENCE_PAGE):
        rows.append([str(open_ms), *[price] * 4, "0" if open_ms == newest_ms else "1"])
        open_ms = size.start_of(open_ms - 1)
    return rows


def _make_row(candle: Candle, instrument: Instrument, *, traded: bool) -> list[str]:
    """Return `[ts, o, h, l, c, contracts, base, quote, confirm]`, without the volumes for mark and index."""
    prices = [format_number(price) for price in candle[1:5]]
    confirm = "1" if candle.closed else "0"
    if not traded:
        return [str(candle.open_ms), *prices, confirm]
    base = exact(candle.volume)
    volumes = [
        format_number(instrument.count_contracts(base)),
        format_number(base),
        format_number(round(candle.volume_quote, 8)),
    ]
    return [str(candle.open_ms), *prices, *volumes, confirm]


ROUTES: Routes = {
    ("GET", "/api/v5/market/candles"): _make_handler("last", recent_only=True),
    ("GET", "/api/v5/market/history-candles"): _make_handler("last", recent_only=False),
    ("GET", "/api/v5/market/mark-price-candles"): _make_handler("mark", recent_only=True),
    ("GET", "/api/v5/market/history-mark-price-candles"): _make_handler("mark", recent_only=False),
    ("GET", "/api/v5/market/index-candles"): _make_handler("index", recent_only=True),
    ("GET", "/api/v5/market/history-index-candles"): _make_handler("index", recent_only=False),
}
