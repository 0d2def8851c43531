"""Funding rates, their history, and open interest (docs/okx-protocol.md, Funding rates)."""

from __future__ import annotations

from decimal import Decimal

from pairity.universe import exact
from paper_exchange.events.scripted_market import read_set_interval
from paper_exchange.http.lookup import list_instruments, read_instrument
from paper_exchange.http.paging import PERIODS, read_limit, read_periods
from paper_exchange.http.request import Request, Routes
from paper_exchange.http.row_faults import disturb_order
from paper_exchange.market.candles import DAY_MS, HOUR_MS, parse_bar_size
from paper_exchange.market.market import Funding, Instrument
from paper_exchange.market.prices import price_at
from paper_exchange.wire import Json, format_number

DEFAULT_INTERVAL_MS = 8 * HOUR_MS
FORECAST_MAX_AGE_MS = DAY_MS
HISTORY_MS = 92 * DAY_MS
HISTORY_PAGE = 400
LATE_MS = HOUR_MS // 2
RATE_CAP = "0.0075"


def list_funding_rates(request: Request) -> list[Json]:
    """Answer `public/funding-rate` of one instrument, or of all with `instId=ANY`.

    `fundingRate`, the forecast for the coming settlement, is the last settled rate: nothing of the future leaks. It is
    "" where nothing was settled within a day (a hole in a recording).
    """
    request.params.required("instId")
    return [_make_current_row(request, instrument) for instrument in list_instruments(request)]


def list_settled_rates(request: Request) -> list[Json]:
    """Answer `public/funding-rate-history`: settled periods only, about three months, newest first."""
    instrument = read_instrument(request)
    after, before = request.params.whole("after"), request.params.whole("before")
    until_ms = request.now_ms + 1 if after is None else min(after, request.now_ms + 1)
    since_ms = request.now_ms - HISTORY_MS
    if before is not None:
        since_ms = max(since_ms, before + 1)
    if late := request.faults.find_active("late_settlement", request.method, request.path):
        until_ms = min(until_ms, request.now_ms - int(str(late.params.get("ms", LATE_MS))))
    settled = request.market.funding(instrument.inst_id, since_ms, until_ms) if since_ms < until_ms else []
    newest = list(reversed(settled))[: read_limit(request, HISTORY_PAGE, HISTORY_PAGE)]
    return disturb_order(request, [_make_settled_row(instrument, funding) for funding in newest])


def list_open_interest(request: Request) -> list[Json]:
    """Answer `public/open-interest`; quantities are "" where the market does not know them."""
    request.params.text("instType", "SWAP")
    return [_make_interest_row(request, instrument) for instrument in list_instruments(request)]


def list_open_interest_history(request: Request) -> list[Json]:
    """Answer `rubik/stat/contracts/open-interest-history`: `[ts, contracts, coins, usd]` in (begin, end), newest first.

    Each row is the state at its `ts`, the beginning of its period; empty where the market knows nothing.
    """
    instrument = read_instrument(request)
    size = parse_bar_size(request.params.choice("period", PERIODS, "5m"))
    newest_ms, oldest_ms = read_periods(request, size)
    oldest_ms = max(oldest_ms, -1)  # nothing from before 1970
    rows: list[Json] = []
    while newest_ms >= oldest_ms and len(rows) < read_limit(request, 100):
        oi = _read_quantities(request, instrument, newest_ms)
        if oi is None:
            break
        rows.append([str(newest_ms), *(format_number(quantity) for quantity in oi)])
        newest_ms -= size.ms
    return rows


def find_interval(settled: list[Funding]) -> int:
    """Return the milliseconds between the last two settlements; 8 hours where fewer are known or there is a hole."""
    if len(settled) < 2:
        return DEFAULT_INTERVAL_MS
    interval_ms = settled[-1].settle_ms - settled[-2].settle_ms
    return interval_ms if interval_ms <= DEFAULT_INTERVAL_MS and interval_ms % HOUR_MS == 0 else DEFAULT_INTERVAL_MS


def _make_current_row(request: Request, instrument: Instrument) -> dict[str, Json]:
    since_ms = request.now_ms - FORECAST_MAX_AGE_MS
    settled = list(request.market.funding(instrument.inst_id, since_ms, request.now_ms + 1))
    interval_ms = read_set_interval(request.market, instrument.inst_id) or find_interval(settled)
    next_ms = (request.now_ms // interval_ms + 1) * interval_ms
    last = format_number(settled[-1].rate) if settled else ""
    row = {
        "instType": "SWAP",
        "instId": instrument.inst_id,
        "method": "current_period",
        "formulaType": "noRate",
        "fundingRate": last,
        "nextFundingRate": "",
        "fundingTime": str(next_ms),
        "nextFundingTime": str(next_ms + interval_ms),
        "prevFundingTime": str(settled[-1].settle_ms) if settled else "",
        "minFundingRate": f"-{RATE_CAP}",
        "maxFundingRate": RATE_CAP,
        "interestRate": "",
        "impactValue": "",
        "premium": format_number(_compute_premium(request, instrument)),
        "settState": "settled",
        "settFundingRate": last,
        "ts": str(request.now_ms),
    }
    if request.faults.find_active("no_prev_funding", request.method, request.path):
        del row["prevFundingTime"]
    return row


def _compute_premium(request: Request, instrument: Instrument) -> Decimal | None:
    last = price_at(request.market, instrument.inst_id, request.now_ms)
    index = price_at(request.market, instrument.inst_id, request.now_ms, "index")
    return None if last is None or index is None else round(last / index - 1, 10)


def _make_settled_row(instrument: Instrument, funding: Funding) -> dict[str, Json]:
    rate = format_number(funding.rate)
    return {
        "instType": "SWAP",
        "instId": instrument.inst_id,
        "formulaType": "noRate",
        "fundingRate": rate,
        "realizedRate": rate,
        "fundingTime": str(funding.settle_ms),
        "method": "current_period",
    }


def _make_interest_row(request: Request, instrument: Instrument) -> dict[str, Json]:
    oi, coins, usd = _read_quantities(request, instrument, request.now_ms) or (None, None, None)
    return {
        "instType": "SWAP",
        "instId": instrument.inst_id,
        "oi": format_number(oi),
        "oiCcy": format_number(coins),
        "oiUsd": format_number(usd),
        "ts": str(request.now_ms),
    }


def _read_quantities(request: Request, instrument: Instrument, at_ms: int) -> tuple[Decimal, Decimal, Decimal] | None:
    """Return open interest in contracts, coins and USD at an instant; None where the market does not know it."""
    known = request.market.open_interest(instrument.inst_id, at_ms)
    price = price_at(request.market, instrument.inst_id, at_ms)
    if known is None or price is None:
        return None
    coins = exact(known)
    return round(coins / instrument.ct_val, 4), coins, round(coins * price, 4)


ROUTES: Routes = {
    ("GET", "/api/v5/public/funding-rate"): list_funding_rates,
    ("GET", "/api/v5/public/funding-rate-history"): list_settled_rates,
    ("GET", "/api/v5/public/open-interest"): list_open_interest,
    ("GET", "/api/v5/rubik/stat/contracts/open-interest-history"): list_open_interest_history,
}
