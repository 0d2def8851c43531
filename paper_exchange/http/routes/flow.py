"""Flow of trades: taker volumes by period, and liquidations of others, which no market here knows.

See docs/okx-protocol.md, Rubik statistics.
"""

from __future__ import annotations

from decimal import Decimal

from paper_exchange.http.lookup import list_instruments, read_instrument
from paper_exchange.http.paging import PERIODS, read_limit, read_periods
from paper_exchange.http.request import Request, Routes
from paper_exchange.http.row_faults import disturb_order
from paper_exchange.market.candles import parse_bar_size
from paper_exchange.market.market import Instrument
from paper_exchange.market.trades import make_trades
from paper_exchange.wire import Json, format_number


def list_taker_volumes(request: Request) -> list[Json]:
    """Answer `rubik/stat/taker-volume-contract`: `[ts, sold, bought]` in (begin, end), newest first.

    The sums are of the very trades that `market/history-trades` shows, in coins (`unit` 0), contracts (1) or USD (2).
    The present period grows; periods without bars are not there.
    """
    instrument = read_instrument(request)
    size = parse_bar_size(request.params.choice("period", PERIODS, "5m"))
    unit = request.params.choice("unit", ("0", "1", "2"), "1")
    start_ms, oldest_ms = read_periods(request, size)
    rows: list[Json] = []
    while start_ms >= oldest_ms and len(rows) < read_limit(request, 100):
        sums = sum_trades(request, instrument, start_ms, start_ms + size.ms, unit)
        if sums is not None:
            rows.append([str(start_ms), *(format_number(amount) for amount in sums)])
        start_ms -= size.ms
    return disturb_order(request, rows)


def list_liquidations(request: Request) -> list[Json]:
    """Answer `public/liquidation-orders`: no market here knows liquidations of others, so there are none."""
    request.params.required("instType")
    list_instruments(request)
    return []


def sum_trades(
    request: Request, instrument: Instrument, since_ms: int, until_ms: int, unit: str
) -> tuple[Decimal, Decimal] | None:
    """Return what takers sold and bought on the closed bars of a period; None where it has none."""
    bar_ms = request.market.bar_ms(instrument.inst_id)
    bars = request.market.bars(instrument.inst_id, since_ms, min(until_ms, request.now_ms - bar_ms + 1))
    sums = {"sell": Decimal(0), "buy": Decimal(0)}
    for bar in bars:
        for trade in make_trades(bar, bar_ms, instrument):
            coins = trade.size_contracts * instrument.ct_val
            sums[trade.side] += {"0": coins, "1": trade.size_contracts, "2": coins * trade.price}[unit]
    return (sums["sell"], sums["buy"]) if bars else None


ROUTES: Routes = {
    ("GET", "/api/v5/rubik/stat/taker-volume-contract"): list_taker_volumes,
    ("GET", "/api/v5/public/liquidation-orders"): list_liquidations,
}
