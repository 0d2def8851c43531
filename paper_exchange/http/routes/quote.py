"""Tickers, order books, trades, mark prices and price limits."""

from __future__ import annotations

import zlib
from decimal import ROUND_FLOOR, Decimal
from itertools import islice, takewhile

from pairity.universe import exact
from paper_exchange.http.envelope import Json, WireError, text
from paper_exchange.http.lookup import instrument_of, instruments_matching, limit_of
from paper_exchange.http.request import Call, Routes
from paper_exchange.http.routes.candle import contracts
from paper_exchange.market.bar_arrays import columns_of
from paper_exchange.market.candles import DAY_MS, bar_size
from paper_exchange.market.market import Instrument
from paper_exchange.market.prices import best_quotes, price_at, price_band, to_tick
from paper_exchange.market.trades import Trade, trades_before

BOOK_LEVELS, FULL_BOOK_LEVELS = 400, 5_000
TOP_OF_BOOK_USDT = Decimal(20_000)
LEVEL_STEP = Decimal("0.00005")
TRADE_HISTORY_MS = 90 * DAY_MS


def ticker(call: Call) -> list[Json]:
    """`market/ticker`: quotes and the last 24 hours as far as they are known."""
    return [_ticker(call, instrument_of(call))]


def tickers(call: Call) -> list[Json]:
    """`market/tickers`: the same for all."""
    call.params.required("instType")
    return [_ticker(call, instrument) for instrument in instruments_matching(call) if _last(call, instrument)]


def book(call: Call) -> list[Json]:
    """`market/books`: made-up depth around the last price, the same for the same instant."""
    return [_book(call, min(call.params.whole("sz") or 1, BOOK_LEVELS))]


def full_book(call: Call) -> list[Json]:
    """`market/books-full`: the same, deeper."""
    return [_book(call, min(call.params.whole("sz") or 1, FULL_BOOK_LEVELS))]


def recent_trades(call: Call) -> list[Json]:
    """`market/trades`: the newest, at most 500."""
    instrument = instrument_of(call)
    found = islice(trades_before(call.market, instrument, call.now_ms, None), limit_of(call, 500))
    return [_trade(instrument, trade) for trade in found]


def old_trades(call: Call) -> list[Json]:
    """`market/history-trades`: paged by trade id (`type` 1) or by time (`type` 2, `after` only), three months back."""
    instrument, after, before = instrument_of(call), call.params.whole("after"), call.params.whole("before")
    by_time = call.params.choice("type", ("1", "2"), "1") == "2"
    if by_time and before is not None:
        raise WireError("50039", "Parameter before is not supported when type is 2", http_status=400)
    found = trades_before(call.market, instrument, call.now_ms, None if by_time else after)
    if by_time and after is not None:
        found = (trade for trade in found if trade.at_ms < after)
    oldest_ms = call.now_ms - TRADE_HISTORY_MS
    known = takewhile(lambda t: t.at_ms >= oldest_ms and (before is None or t.trade_id > before), found)
    return [_trade(instrument, trade) for trade in islice(known, limit_of(call, 100))]


def mark_price(call: Call) -> list[Json]:
    """`public/mark-price`; one instrument needs no `instType`."""
    rows = []
    for instrument in instruments_matching(call):
        mark = price_at(call.market, instrument.inst_id, call.now_ms, "mark")
        if mark is not None:
            rows.append({"instType": "SWAP", "instId": instrument.inst_id, "markPx": text(mark), "ts": _ts(call)})
    return rows


def price_limit(call: Call) -> list[Json]:
    """`public/price-limit`: the band that limit orders must keep to."""
    instrument = instrument_of(call)
    index = price_at(call.market, instrument.inst_id, call.now_ms, "index")
    row = {"instType": "SWAP", "instId": instrument.inst_id, "ts": _ts(call)}
    if index is None:
        return [{**row, "buyLmt": "", "sellLmt": "", "enabled": False}]
    highest, lowest = price_band(instrument, index)
    return [{**row, "buyLmt": text(highest), "sellLmt": text(lowest), "enabled": True}]


def _ticker(call: Call, instrument: Instrument) -> dict[str, Json]:
    last = _known_last(call, instrument)
    bid, ask = best_quotes(instrument, last)
    bar_ms = call.market.bar_ms(instrument.inst_id)
    since_ms = call.now_ms - DAY_MS
    day = columns_of(call.market.bars(instrument.inst_id, since_ms, call.now_ms - bar_ms + 1))
    base = exact(round(float(day.volume.sum()), 8))
    last_trade = next(trades_before(call.market, instrument, call.now_ms, None), None)
    return {
        "instType": "SWAP",
        "instId": instrument.inst_id,
        "last": text(last),
        "lastSz": text(last_trade.size_contracts if last_trade else None),
        "askPx": text(ask),
        "askSz": text(_depth(call, instrument, last, "ask", 0)),
        "bidPx": text(bid),
        "bidSz": text(_depth(call, instrument, last, "bid", 0)),
        "open24h": text(float(day.open[0]) if len(day) else last),
        "high24h": text(max(last, exact(float(day.high.max()))) if len(day) else last),
        "low24h": text(min(last, exact(float(day.low.min()))) if len(day) else last),
        "volCcy24h": text(base),
        "vol24h": text(contracts(base, instrument)),
        "sodUtc0": text(_opened(call, instrument, "1Dutc")),
        "sodUtc8": text(_opened(call, instrument, "1D")),
        "ts": _ts(call),
    }


def _opened(call: Call, instrument: Instrument, bar: str) -> Decimal | None:
    """Price at the day's beginning."""
    return price_at(call.market, instrument.inst_id, bar_size(bar).start_of(call.now_ms))


def _book(call: Call, levels: int) -> dict[str, Json]:
    instrument = instrument_of(call)
    last = _known_last(call, instrument)
    bid, ask = best_quotes(instrument, last)
    step = max(instrument.tick_sz, to_tick(last * LEVEL_STEP, instrument.tick_sz, ROUND_FLOOR))

    def side(name: str, best: Decimal, away: Decimal) -> list[list[str]]:
        prices = (best + away * level for level in range(levels))
        return [
            [text(price), text(_depth(call, instrument, last, name, level)), "0", "1"]
            for level, price in enumerate(prices)
            if price > 0
        ]

    return {"asks": side("ask", ask, step), "bids": side("bid", bid, -step), "ts": _ts(call), "seqId": call.now_ms}


def _depth(call: Call, instrument: Instrument, last: Decimal, side: str, level: int) -> Decimal:
    """Contracts at a level: 50 to 150 % of a size that grows with the distance from the best price."""
    seed = zlib.crc32(f"{instrument.inst_id} {side} {level} {call.now_ms // 1000}".encode())
    notional = TOP_OF_BOOK_USDT * (1 + Decimal(level) / 4) * (50 + seed % 101) / 100
    lots = (notional / (last * instrument.ct_val) / instrument.lot_sz).to_integral_value(ROUND_FLOOR)
    return max(lots * instrument.lot_sz, instrument.min_sz)


def _trade(instrument: Instrument, trade: Trade) -> dict[str, Json]:
    return {
        "instId": instrument.inst_id,
        "tradeId": str(trade.trade_id),
        "px": text(trade.price),
        "sz": text(trade.size_contracts),
        "side": trade.side,
        "source": "0",
        "ts": str(trade.at_ms),
    }


def _last(call: Call, instrument: Instrument) -> Decimal | None:
    return price_at(call.market, instrument.inst_id, call.now_ms)


def _known_last(call: Call, instrument: Instrument) -> Decimal:
    last = _last(call, instrument)
    if last is None:
        raise WireError("51001", f"Instrument ID {instrument.inst_id} has not traded yet.")
    return last


def _ts(call: Call) -> str:
    return str(call.now_ms)


ROUTES: Routes = {
    ("GET", "/api/v5/market/ticker"): ticker,
    ("GET", "/api/v5/market/tickers"): tickers,
    ("GET", "/api/v5/market/books"): book,
    ("GET", "/api/v5/market/books-full"): full_book,
    ("GET", "/api/v5/market/trades"): recent_trades,
    ("GET", "/api/v5/market/history-trades"): old_trades,
    ("GET", "/api/v5/public/mark-price"): mark_price,
    ("GET", "/api/v5/public/price-limit"): price_limit,
}
