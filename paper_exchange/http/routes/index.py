"""Indices: their tickers, and the premium of a swap over its index (docs/okx-protocol.md, Indices)."""

from __future__ import annotations

from paper_exchange.http.lookup import list_instruments, name_family, read_index_instrument, read_instrument
from paper_exchange.http.paging import read_limit
from paper_exchange.http.request import Request, Routes
from paper_exchange.market.bar_arrays import arrays_from_bars
from paper_exchange.market.candles import DAY_MS, parse_bar_size
from paper_exchange.market.market import Instrument
from paper_exchange.market.prices import price_at
from paper_exchange.wire import Json, WireError, format_number

QUOTES = ("USDT",)
PREMIUM_MS = 60_000
"""Premiums are of whole minutes."""


def list_index_tickers(request: Request) -> list[Json]:
    """Answer `market/index-tickers` of one index, or of all that are quoted in `quoteCcy`."""
    params = request.params
    if "instId" in params:
        return _list_known(request, [read_index_instrument(request)])
    if "quoteCcy" not in params:
        raise WireError("50015", "Either parameter quoteCcy or instId is required", http_status=400)
    return _list_known(request, list_instruments(request) if params.text("quoteCcy") in QUOTES else [])


def list_premiums(request: Request) -> list[Json]:
    """Answer `public/premium-history`: last price over index − 1 at whole minutes, newest first."""
    instrument = read_instrument(request)
    after, before = request.params.whole("after"), request.params.whole("before")
    newest_ms = request.now_ms if after is None else min(request.now_ms, after - 1)
    oldest_ms = request.market.start_ms if before is None else max(request.market.start_ms, before + 1)
    rows: list[Json] = []
    at_ms = newest_ms // PREMIUM_MS * PREMIUM_MS
    while at_ms >= oldest_ms and len(rows) < read_limit(request, 100):
        last = price_at(request.market, instrument.inst_id, at_ms)
        index = price_at(request.market, instrument.inst_id, at_ms, "index")
        if last is not None and index is not None:
            premium = format_number(round(last / index - 1, 10))
            rows.append({"instId": instrument.inst_id, "premium": premium, "ts": str(at_ms)})
        at_ms -= PREMIUM_MS
    return rows


def _list_known(request: Request, instruments: list[Instrument]) -> list[Json]:
    rows = (_make_row(request, instrument) for instrument in instruments)
    return [row for row in rows if row is not None]


def _make_row(request: Request, instrument: Instrument) -> dict[str, Json] | None:
    """Return the ticker of an index; None before its first price."""
    inst_id, now_ms = instrument.inst_id, request.now_ms
    index = price_at(request.market, inst_id, now_ms, "index")
    if index is None:
        return None
    bars = request.market.bars(inst_id, now_ms - DAY_MS, now_ms - request.market.bar_ms(inst_id) + 1, "index")
    day = arrays_from_bars(bars)
    highest = max(float(day.high.max()), float(index)) if len(day) else index
    lowest = min(float(day.low.min()), float(index)) if len(day) else index
    return {
        "instId": name_family(instrument),
        "idxPx": format_number(index),
        "high24h": format_number(highest),
        "sodUtc0": _read_open(request, inst_id, "1Dutc"),
        "open24h": format_number(float(day.open[0]) if len(day) else index),
        "low24h": format_number(lowest),
        "sodUtc8": _read_open(request, inst_id, "1D"),
        "ts": str(now_ms),
    }


def _read_open(request: Request, inst_id: str, bar: str) -> str:
    return format_number(price_at(request.market, inst_id, parse_bar_size(bar).start_of(request.now_ms), "index"))


ROUTES: Routes = {
    ("GET", "/api/v5/market/index-tickers"): list_index_tickers,
    ("GET", "/api/v5/public/premium-history"): list_premiums,
}
