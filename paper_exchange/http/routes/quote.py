"""Tickers, order books, trades, mark prices and price limits (docs/okx-protocol.md, Trades, tickers, books)."""

from __future__ import annotations

from decimal import Decimal
from itertools import islice, takewhile

from pairity.universe import exact
from paper_exchange.http.lookup import list_instruments, read_instrument
from paper_exchange.http.paging import read_limit
from paper_exchange.http.request import Request, Routes
from paper_exchange.market.bar_arrays import arrays_from_bars
from paper_exchange.market.book import BookSide, Level, read_levels
from paper_exchange.market.candles import DAY_MS, parse_bar_size
from paper_exchange.market.market import Instrument
from paper_exchange.market.prices import price_at, price_band
from paper_exchange.market.trades import Trade, read_trades_before
from paper_exchange.wire import Json, WireError, format_number

BOOK_LEVELS, FULL_BOOK_LEVELS = 400, 5_000
TRADE_HISTORY_MS = 90 * DAY_MS


def show_ticker(request: Request) -> list[Json]:
    """Answer `market/ticker`: quotes and the last 24 hours as far as they are known."""
    return [_make_ticker(request, read_instrument(request))]


def list_tickers(request: Request) -> list[Json]:
    """Answer `market/tickers`: the same for all that have traded."""
    request.params.required("instType")
    return [
        _make_ticker(request, instrument) for instrument in list_instruments(request) if _find_last(request, instrument)
    ]


def show_book(request: Request) -> list[Json]:
    """Answer `market/books`: made-up depth around the last price, the same for the same instant."""
    return [_make_book(request, min(request.params.whole("sz") or 1, BOOK_LEVELS))]


def show_full_book(request: Request) -> list[Json]:
    """Answer `market/books-full`: the same, deeper."""
    return [_make_book(request, min(request.params.whole("sz") or 1, FULL_BOOK_LEVELS))]


def list_recent_trades(request: Request) -> list[Json]:
    """Answer `market/trades`: the newest, at most 500."""
    instrument = read_instrument(request)
    newest = islice(read_trades_before(request.market, instrument, request.now_ms, None), read_limit(request, 500))
    return [_make_trade_row(instrument, trade) for trade in newest]


def list_old_trades(request: Request) -> list[Json]:
    """Answer `market/history-trades`: paged by trade id (`type` 1) or by time (`type` 2, `after` only)."""
    instrument, after, before = read_instrument(request), request.params.whole("after"), request.params.whole("before")
    by_time = request.params.choice("type", ("1", "2"), "1") == "2"
    if by_time and before is not None:
        raise WireError("50039", "Parameter before is not supported when type is 2", http_status=400)
    trades = read_trades_before(request.market, instrument, request.now_ms, None if by_time else after)
    if by_time and after is not None:
        trades = (trade for trade in trades if trade.at_ms < after)
    oldest_ms = request.now_ms - TRADE_HISTORY_MS
    known = takewhile(lambda t: t.at_ms >= oldest_ms and (before is None or t.trade_id > before), trades)
    return [_make_trade_row(instrument, trade) for trade in islice(known, read_limit(request, 100))]


def list_mark_prices(request: Request) -> list[Json]:
    """Answer `public/mark-price`; one instrument needs no `instType`."""
    rows = []
    for instrument in list_instruments(request):
        mark = price_at(request.market, instrument.inst_id, request.now_ms, "mark")
        if mark is not None:
            rows.append(
                {
                    "instType": "SWAP",
                    "instId": instrument.inst_id,
                    "markPx": format_number(mark),
                    "ts": str(request.now_ms),
                }
            )
    return rows


def show_price_limit(request: Request) -> list[Json]:
    """Answer `public/price-limit`: the band that limit orders must keep to."""
    instrument = read_instrument(request)
    band = price_band(request.market, instrument, request.now_ms)
    row = {"instType": "SWAP", "instId": instrument.inst_id, "ts": str(request.now_ms)}
    if band is None:
        return [{**row, "buyLmt": "", "sellLmt": "", "enabled": False}]
    return [{**row, "buyLmt": format_number(band[0]), "sellLmt": format_number(band[1]), "enabled": True}]


def _make_ticker(request: Request, instrument: Instrument) -> dict[str, Json]:
    last = _require_last(request, instrument)
    ask, bid = _find_best(request, instrument, last, "ask"), _find_best(request, instrument, last, "bid")
    bar_ms = request.market.bar_ms(instrument.inst_id)
    since_ms = request.now_ms - DAY_MS
    day = arrays_from_bars(request.market.bars(instrument.inst_id, since_ms, request.now_ms - bar_ms + 1))
    base = exact(round(float(day.volume.sum()), 8))
    last_trade = next(read_trades_before(request.market, instrument, request.now_ms, None), None)
    return {
        "instType": "SWAP",
        "instId": instrument.inst_id,
        "last": format_number(last),
        "lastSz": format_number(last_trade.size_contracts if last_trade else None),
        "askPx": format_number(ask.price if ask else None),
        "askSz": format_number(ask.size if ask else None),
        "bidPx": format_number(bid.price if bid else None),
        "bidSz": format_number(bid.size if bid else None),
        "open24h": format_number(float(day.open[0]) if len(day) else last),
        "high24h": format_number(max(last, exact(float(day.high.max()))) if len(day) else last),
        "low24h": format_number(min(last, exact(float(day.low.min()))) if len(day) else last),
        "volCcy24h": format_number(base),
        "vol24h": format_number(instrument.count_contracts(base)),
        "sodUtc0": format_number(_find_open(request, instrument, "1Dutc")),
        "sodUtc8": format_number(_find_open(request, instrument, "1D")),
        "ts": str(request.now_ms),
    }


def _find_open(request: Request, instrument: Instrument, bar: str) -> Decimal | None:
    """Return the price at the beginning of the present bar of this size; None where it is not known."""
    return price_at(request.market, instrument.inst_id, parse_bar_size(bar).start_of(request.now_ms))


def _make_book(request: Request, levels: int) -> dict[str, Json]:
    instrument = read_instrument(request)
    last = _require_last(request, instrument)

    def side(name: BookSide) -> list[list[str]]:
        shown = _read_side(request, instrument, last, name, levels)
        return [[format_number(level.price), format_number(level.size), "0", "1"] for level in shown]

    return {"asks": side("ask"), "bids": side("bid"), "ts": str(request.now_ms), "seqId": request.now_ms}


def _read_side(request: Request, instrument: Instrument, last: Decimal, side: BookSide, levels: int) -> list[Level]:
    """Return the best levels of a side: without what the account's orders have taken in this second."""
    account, now_ms = request.account, request.now_ms
    taken = Decimal(0) if account is None else account.depth.taken(instrument.inst_id, side, now_ms)
    return list(islice(read_levels(instrument, last, side, now_ms, taken), levels))


def _find_best(request: Request, instrument: Instrument, last: Decimal, side: BookSide) -> Level | None:
    return next(iter(_read_side(request, instrument, last, side, 1)), None)


def _make_trade_row(instrument: Instrument, trade: Trade) -> dict[str, Json]:
    return {
        "instId": instrument.inst_id,
        "tradeId": str(trade.trade_id),
        "px": format_number(trade.price),
        "sz": format_number(trade.size_contracts),
        "side": trade.side,
        "source": "0",
        "ts": str(trade.at_ms),
    }


def _find_last(request: Request, instrument: Instrument) -> Decimal | None:
    return price_at(request.market, instrument.inst_id, request.now_ms)


def _require_last(request: Request, instrument: Instrument) -> Decimal:
    last = _find_last(request, instrument)
    if last is None:
        raise WireError("51001", f"Instrument ID {instrument.inst_id} has not traded yet.")
    return last


ROUTES: Routes = {
    ("GET", "/api/v5/market/ticker"): show_ticker,
    ("GET", "/api/v5/market/tickers"): list_tickers,
    ("GET", "/api/v5/market/books"): show_book,
    ("GET", "/api/v5/market/books-full"): show_full_book,
    ("GET", "/api/v5/market/trades"): list_recent_trades,
    ("GET", "/api/v5/market/history-trades"): list_old_trades,
    ("GET", "/api/v5/public/mark-price"): list_mark_prices,
    ("GET", "/api/v5/public/price-limit"): show_price_limit,
}
