"""Statistics of who trades which way, and sums per currency (docs/okx-protocol.md, Rubik statistics).

No market here knows the accounts of others. A ratio is made from what takers bought and sold in the period, which the
market does know; it is the same for accounts, top traders and positions.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from pairity.universe import exact, inst_id
from paper_exchange.http.lookup import find_instrument, read_instrument
from paper_exchange.http.paging import PERIODS, read_limit, read_periods
from paper_exchange.http.request import Handler, Request, Routes
from paper_exchange.http.routes.flow import sum_trades
from paper_exchange.market.candles import BarSize, parse_bar_size
from paper_exchange.market.market import Instrument
from paper_exchange.market.prices import price_at
from paper_exchange.wire import Json, WireError, format_number

_COARSE = ("5m", "1H", "1D")
"""Periods of statistics per currency."""
Row = Callable[[Request, Instrument, int, BarSize], list[str] | None]


def _make_handler(make_row: Row, *, by_currency: bool) -> Handler:
    """Return a handler that lists one row per period, newest first; periods without data are not there."""

    def handler(request: Request) -> list[Json]:
        instrument = _read_currency(request) if by_currency else read_instrument(request)
        size = parse_bar_size(request.params.choice("period", _COARSE if by_currency else PERIODS, "5m"))
        start_ms, oldest_ms = read_periods(request, size)
        rows: list[Json] = []
        while start_ms >= oldest_ms and len(rows) < read_limit(request, 100):
            row = make_row(request, instrument, start_ms, size)
            if row is not None:
                rows.append([str(start_ms), *row])
            start_ms -= size.ms
        return rows

    return handler


def _read_currency(request: Request) -> Instrument:
    currency = request.params.required("ccy")
    if inst_id(currency) not in request.market.instruments:
        raise WireError("51012", "Token doesn't exist.")
    return find_instrument(request, inst_id(currency))


def _make_ratio(request: Request, instrument: Instrument, start_ms: int, size: BarSize) -> list[str] | None:
    sums = sum_trades(request, instrument, start_ms, start_ms + size.ms, "1")
    if sums is None or not sums[0]:
        return None
    return [format_number(round(sums[1] / sums[0], 4))]


def _make_volumes(request: Request, instrument: Instrument, start_ms: int, size: BarSize) -> list[str] | None:
    """Return what takers sold and bought, in USD; nothing of the spot market, which is not here."""
    if request.params.text("instType") == "SPOT":
        return None
    sums = sum_trades(request, instrument, start_ms, start_ms + size.ms, "2")
    return None if sums is None else [format_number(amount) for amount in sums]


def _make_interest(request: Request, instrument: Instrument, start_ms: int, size: BarSize) -> list[str] | None:
    """Return open interest at the beginning of the period and the volume in it, both in USD."""
    sums = sum_trades(request, instrument, start_ms, start_ms + size.ms, "2")
    coins = request.market.open_interest(instrument.inst_id, start_ms)
    price = price_at(request.market, instrument.inst_id, start_ms)
    if sums is None or coins is None or price is None:
        return None
    return [format_number(round(exact(coins) * price, 4)), format_number(round(sum(sums, Decimal(0)), 4))]


_STATISTICS = "/api/v5/rubik/stat"
ROUTES: Routes = {
    ("GET", f"{_STATISTICS}/contracts/long-short-account-ratio"): _make_handler(_make_ratio, by_currency=True),
    ("GET", f"{_STATISTICS}/taker-volume"): _make_handler(_make_volumes, by_currency=True),
    ("GET", f"{_STATISTICS}/contracts/open-interest-volume"): _make_handler(_make_interest, by_currency=True),
    **{
        ("GET", f"{_STATISTICS}/contracts/{name}"): _make_handler(_make_ratio, by_currency=False)
        for name in (
            "long-short-account-ratio-contract",
            "long-short-account-ratio-contract-top-trader",
            "long-short-position-ratio-contract-top-trader",
        )
    },
}
