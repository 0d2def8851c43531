"""Who traded: taker volumes by period, and liquidations of others (of which no market here knows any)."""

from __future__ import annotations

from decimal import Decimal

from paper_exchange.http.envelope import Json, text
from paper_exchange.http.lookup import instrument_of, instruments_matching, limit_of
from paper_exchange.http.request import Call, Routes
from paper_exchange.http.routes.candle import shuffled
from paper_exchange.market.candles import bar_size
from paper_exchange.market.market import Instrument
from paper_exchange.market.trades import trades_of

_PERIODS = ("5m", "15m", "30m", "1H", "2H", "4H", "6H", "12H", "1D", "6Hutc", "12Hutc", "1Dutc")
_KEPT_PERIODS = 1_440


def taker_volume(call: Call) -> list[Json]:
    """`rubik/stat/taker-volume-contract`: `[ts, sold, bought]` in (begin, end), newest first; the present one grows.

    Sums of the very trades that `market/history-trades` shows, in coins (`unit` 0), contracts (1) or USD (2). Periods
    without bars are not there.
    """
    instrument = instrument_of(call)
    size = bar_size(call.params.choice("period", _PERIODS, "5m"))
    unit = call.params.choice("unit", ("0", "1", "2"), "1")
    begin, end = call.params.whole("begin"), call.params.whole("end")
    start_ms = size.start_of(call.now_ms if end is None else min(call.now_ms, end - 1))
    oldest_ms = max(call.market.start_ms, size.start_of(call.now_ms) - (_KEPT_PERIODS - 1) * size.ms)
    if begin is not None:
        oldest_ms = max(oldest_ms, begin + 1)
    rows: list[Json] = []
    while start_ms >= oldest_ms and len(rows) < limit_of(call, 100):
        sums = _sums(call, instrument, start_ms, start_ms + size.ms, unit)
        if sums is not None:
            rows.append([str(start_ms), *(text(amount) for amount in sums)])
        start_ms -= size.ms
    return shuffled(call, rows)


def liquidation_orders(call: Call) -> list[Json]:
    """`public/liquidation-orders`: no market here knows liquidations of others, so there are none."""
    call.params.required("instType")
    instruments_matching(call)
    return []


def _sums(
    call: Call, instrument: Instrument, since_ms: int, until_ms: int, unit: str
) -> tuple[Decimal, Decimal] | None:
    """Sold and bought by takers on the closed bars of a period; None where it has none."""
    bar_ms = call.market.bar_ms(instrument.inst_id)
    bars = call.market.bars(instrument.inst_id, since_ms, min(until_ms, call.now_ms - bar_ms + 1))
    sums = {"sell": Decimal(0), "buy": Decimal(0)}
    for bar in bars:
        for trade in trades_of(bar, bar_ms, instrument):
            coins = trade.size_contracts * instrument.ct_val
            sums[trade.side] += {"0": coins, "1": trade.size_contracts, "2": coins * trade.price}[unit]
    return (sums["sell"], sums["buy"]) if bars else None


ROUTES: Routes = {
    ("GET", "/api/v5/rubik/stat/taker-volume-contract"): taker_volume,
    ("GET", "/api/v5/public/liquidation-orders"): liquidation_orders,
}
