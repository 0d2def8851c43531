"""Funding rates, their history, and open interest."""

from __future__ import annotations

from decimal import Decimal

from pairity.universe import exact
from paper_exchange.http.envelope import Json, text
from paper_exchange.http.lookup import instrument_of, instruments_matching, limit_of
from paper_exchange.http.request import Call, Routes
from paper_exchange.http.routes.candle import shuffled
from paper_exchange.market.candles import DAY_MS, HOUR_MS, bar_size
from paper_exchange.market.market import Funding, Instrument
from paper_exchange.market.prices import price_at

DEFAULT_INTERVAL_MS = 8 * HOUR_MS
FORECAST_MAX_AGE_MS = DAY_MS
HISTORY_MS = 92 * DAY_MS
HISTORY_PAGE = 400
RATE_CAP = "0.0075"
_OPEN_INTEREST_PERIODS = ("5m", "15m", "30m", "1H", "2H", "4H", "6H", "12H", "1D", "6Hutc", "12Hutc", "1Dutc")


def funding_rate(call: Call) -> list[Json]:
    """`public/funding-rate` of one instrument, or of all with `instId=ANY`.

    `fundingRate`, the forecast for the coming settlement, is the last settled rate: nothing of the future leaks. It is
    "" where nothing was settled within a day (a hole in a recording).
    """
    call.params.required("instId")
    return [_current(call, instrument) for instrument in instruments_matching(call)]


def funding_rate_history(call: Call) -> list[Json]:
    """`public/funding-rate-history`: settled periods only, about three months, newest first."""
    instrument = instrument_of(call)
    after, before = call.params.whole("after"), call.params.whole("before")
    until_ms = call.now_ms + 1 if after is None else min(after, call.now_ms + 1)
    since_ms = call.now_ms - HISTORY_MS
    if before is not None:
        since_ms = max(since_ms, before + 1)
    settled = call.market.funding(instrument.inst_id, since_ms, until_ms) if since_ms < until_ms else []
    newest = list(reversed(settled))[: limit_of(call, HISTORY_PAGE, HISTORY_PAGE)]
    return shuffled(call, [_settled(instrument, funding) for funding in newest])


def open_interest(call: Call) -> list[Json]:
    """`public/open-interest`; quantities are "" where the market does not know them."""
    call.params.text("instType", "SWAP")
    return [_interest(call, instrument) for instrument in instruments_matching(call)]


def open_interest_history(call: Call) -> list[Json]:
    """`rubik/stat/contracts/open-interest-history`: `[ts, contracts, coins, usd]` in (begin, end), newest first.

    Each row is the state at its `ts`, the beginning of its period; empty where the market knows nothing.
    """
    instrument = instrument_of(call)
    size = bar_size(call.params.choice("period", _OPEN_INTEREST_PERIODS, "5m"))
    begin, end = call.params.whole("begin"), call.params.whole("end")
    newest_ms = size.start_of(call.now_ms if end is None else min(call.now_ms, end - 1))
    oldest_ms = max(
        call.market.start_ms, size.start_of(call.now_ms) - 1_439 * size.ms, -1 if begin is None else begin + 1
    )
    rows: list[Json] = []
    while newest_ms >= oldest_ms and len(rows) < limit_of(call, 100):
        oi = _quantities(call, instrument, newest_ms)
        if oi is None:
            break
        rows.append([str(newest_ms), *(text(quantity) for quantity in oi)])
        newest_ms -= size.ms
    return rows


def settlement_interval(settled: list[Funding]) -> int:
    """Milliseconds between the last two settlements, 8 hours where fewer are known or a hole lies between them."""
    if len(settled) < 2:
        return DEFAULT_INTERVAL_MS
    interval_ms = settled[-1].settle_ms - settled[-2].settle_ms
    return interval_ms if interval_ms <= DEFAULT_INTERVAL_MS and interval_ms % HOUR_MS == 0 else DEFAULT_INTERVAL_MS


def _current(call: Call, instrument: Instrument) -> dict[str, Json]:
    since_ms = call.now_ms - FORECAST_MAX_AGE_MS
    settled = list(call.market.funding(instrument.inst_id, since_ms, call.now_ms + 1))
    interval_ms = settlement_interval(settled)
    next_ms = (call.now_ms // interval_ms + 1) * interval_ms
    last = text(settled[-1].rate) if settled else ""
    return {
        "instType": "SWAP",
        "instId": instrument.inst_id,
        "method": "current_period",
        "formulaType": "noRate",
        "fundingRate": last,
        "nextFundingRate": "",
        "fundingTime": str(next_ms),
        "nextFundingTime": str(next_ms + interval_ms),
        "minFundingRate": f"-{RATE_CAP}",
        "maxFundingRate": RATE_CAP,
        "interestRate": "",
        "impactValue": "",
        "premium": text(_premium(call, instrument)),
        "settState": "settled",
        "settFundingRate": last,
        "ts": str(call.now_ms),
    }


def _premium(call: Call, instrument: Instrument) -> Decimal | None:
    last = price_at(call.market, instrument.inst_id, call.now_ms)
    index = price_at(call.market, instrument.inst_id, call.now_ms, "index")
    return None if last is None or index is None else round(last / index - 1, 10)


def _settled(instrument: Instrument, funding: Funding) -> dict[str, Json]:
    rate = text(funding.rate)
    return {
        "instType": "SWAP",
        "instId": instrument.inst_id,
        "formulaType": "noRate",
        "fundingRate": rate,
        "realizedRate": rate,
        "fundingTime": str(funding.settle_ms),
        "method": "current_period",
    }


def _interest(call: Call, instrument: Instrument) -> dict[str, Json]:
    oi, coins, usd = _quantities(call, instrument, call.now_ms) or (None, None, None)
    return {
        "instType": "SWAP",
        "instId": instrument.inst_id,
        "oi": text(oi),
        "oiCcy": text(coins),
        "oiUsd": text(usd),
        "ts": str(call.now_ms),
    }


def _quantities(call: Call, instrument: Instrument, at_ms: int) -> tuple[Decimal, Decimal, Decimal] | None:
    """Open interest in contracts, coins and USD at an instant."""
    known = call.market.open_interest(instrument.inst_id, at_ms)
    price = price_at(call.market, instrument.inst_id, at_ms)
    if known is None or price is None:
        return None
    coins = exact(known)
    return round(coins / instrument.ct_val, 4), coins, round(coins * price, 4)


ROUTES: Routes = {
    ("GET", "/api/v5/public/funding-rate"): funding_rate,
    ("GET", "/api/v5/public/funding-rate-history"): funding_rate_history,
    ("GET", "/api/v5/public/open-interest"): open_interest,
    ("GET", "/api/v5/rubik/stat/contracts/open-interest-history"): open_interest_history,
}
