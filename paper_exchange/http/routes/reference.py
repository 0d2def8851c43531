"""Reference data: time, status, instruments and position tiers (docs/okx-protocol.md, Public endpoints)."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

from paper_exchange.events.venue_state import Maintenance
from paper_exchange.http.lookup import list_instruments, name_family, read_instrument, read_state
from paper_exchange.http.request import Request, Routes
from paper_exchange.http.row_faults import consume_fault
from paper_exchange.market.market import Instrument, Tier
from paper_exchange.wire import Json, WireError, empty_fields, format_number, format_padded

HOUR_MS = 3_600_000
_EMPTY_FIELDS = empty_fields(
    "alias auctionEndTime baseCcy quoteCcy freq longPosRemainingQuota shortPosRemainingQuota "
    "maxPlatOICoinLmt maxPlatOILmt maxMktAmt method optType preMktSwTime seriesId stk"
)
FIRST_CODE = 10_000
"""`instIdCode` of the first instrument of the market."""


def show_time(request: Request) -> list[Json]:
    """Answer `public/time`: the exchange's clock, which may be virtual."""
    return [{"ts": str(request.now_ms)}]


def show_status(request: Request) -> list[Json]:
    """Answer `system/status`: maintenance of the script, and of the fault `status_ongoing` while it waits."""
    shown = request.venue.list_maintenances(request.now_ms)
    if consume_fault(request, "status_ongoing") is not None:
        begin_ms, end_ms = request.now_ms - HOUR_MS, request.now_ms + HOUR_MS
        shown = [Maintenance("Paper exchange maintenance drill", begin_ms, end_ms, False), *shown]
    wanted = request.params.text("state")
    return [_make_status(item, request.now_ms) for item in shown if wanted in ("", item.state_at(request.now_ms))]


def _make_status(maintenance: Maintenance, now_ms: int) -> dict[str, Json]:
    return {
        "title": maintenance.title,
        "state": maintenance.state_at(now_ms),
        "begin": str(maintenance.begin_ms),
        "end": str(maintenance.end_ms),
        "preOpenBegin": "",
        "href": "",
        "serviceType": "8",
        "system": "unified",
        "scheDesc": "",
        "maintType": "2",
        "env": "2",
    }


def show_instruments(request: Request) -> list[Json]:
    """Answer `public/instruments` and `account/instruments`: swaps; other types are known and empty."""
    if request.params.required("instType") == "OPTION":
        _require_family(request)
    return [_make_instrument_row(request, instrument) for instrument in list_instruments(request)]


def show_tiers(request: Request) -> list[Json]:
    """Answer `public/position-tiers`: the tiers that the account margins and limits positions by."""
    request.params.required("instType")
    request.params.choice("tdMode", ("cross", "isolated"))
    _require_family(request)
    return [
        _make_tier_row(instrument, number, tier)
        for instrument in list_instruments(request)
        for number, tier in enumerate(instrument.list_tiers(), start=1)
    ]


def list_underlyings(request: Request) -> list[Json]:
    """Answer `public/underlying`: one row with all underlyings of a type; there are none but those of swaps."""
    if request.params.required("instType") != "SWAP":
        return [[]]
    return [[name_family(instrument) for instrument in list_instruments(request)]]


def _require_family(request: Request) -> None:
    if not {"instFamily", "uly"} & set(request.params.values):
        raise WireError("50015", "Either parameter uly or instFamily is required", http_status=400)


def _make_instrument_row(request: Request, instrument: Instrument) -> dict[str, Json]:
    listed = list(request.market.instruments)
    end_ms = request.venue.find_end(instrument.inst_id, request.now_ms)
    return {
        **_EMPTY_FIELDS,
        "instType": "SWAP",
        "instId": instrument.inst_id,
        "uly": name_family(instrument),
        "instFamily": name_family(instrument),
        "settleCcy": "USDT",
        "ctVal": format_number(instrument.ct_val),
        "ctMult": "1",
        "ctValCcy": name_family(instrument).removesuffix("-USDT"),
        "ctType": "linear",
        "tickSz": format_number(instrument.tick_sz),
        "lotSz": format_number(instrument.lot_sz),
        "minSz": format_number(instrument.min_sz),
        "lever": format_number(instrument.max_leverage),
        "state": read_state(request, instrument),
        "expTime": "" if end_ms is None else str(end_ms),
        "listTime": str(instrument.list_ms),
        "contTdSwTime": str(instrument.list_ms),
        "maxLmtSz": format_number(instrument.max_limit_sz),
        "maxMktSz": format_number(instrument.max_market_sz),
        "maxTwapSz": format_padded(instrument.max_limit_sz),
        "maxIcebergSz": format_padded(instrument.max_limit_sz),
        "maxTriggerSz": format_padded(instrument.max_limit_sz),
        "maxStopSz": format_number(instrument.largest_stop),
        "maxLmtAmt": "20000000",
        "category": "1",
        "groupId": "4",
        "instCategory": "1",
        "instIdCode": FIRST_CODE + listed.index(instrument.inst_id),
        "ruleType": "normal",
        "openType": "call_auction",
        "futureSettlement": False,
        "tradeQuoteCcyList": [],
        "upcChg": request.venue.list_changes(instrument.inst_id, request.now_ms),
        "initPxLmtPct": format_number(instrument.band.initial),
        "floatPxLmtPct": format_number(instrument.band.floating),
        "maxPxLmtPct": format_number(instrument.band.most),
        "posLmtAmt": "250000",
        "posLmtPct": "30",
        "rpiMinLevel": "2",
        "rpiMinPxBand": "20",
    }


def _make_tier_row(instrument: Instrument, number: int, tier: Tier) -> dict[str, Json]:
    tiers = instrument.list_tiers()
    smallest = Decimal(0) if number == 1 else tiers[number - 2].max_sz + instrument.lot_sz
    return {
        "tier": str(number),
        "instType": "SWAP",
        "instId": "",
        "instFamily": name_family(instrument),
        "uly": name_family(instrument),
        "minSz": format_number(smallest),
        "maxSz": format_number(tier.max_sz),
        "mmr": format_number(tier.maintenance_rate),
        "imr": format_number(round(1 / tier.max_leverage, 6)),
        "maxLever": format_number(tier.max_leverage),
        "baseMaxLoan": "",
        "quoteMaxLoan": "",
        "optMgnFactor": "",
    }


def convert_contracts(request: Request) -> list[Json]:
    """Answer `public/convert-contract-coin`: an amount as contracts in whole lots (`type` 1), or contracts as one.

    Amounts are coins, or dollars at `px` where `unit` says so. An opening order's contracts are rounded down, a closing
    one's to the nearest lot.
    """
    params, instrument = request.params, read_instrument(request)
    size, price = params.number("sz") or Decimal(0), params.number("px")
    kind, unit = params.choice("type", ("1", "2"), "1"), params.choice("unit", ("coin", "usds"), "coin")
    if unit == "usds" and price is None:
        raise WireError("50014", "Parameter px can not be empty.", http_status=400)
    value = instrument.ct_val * (price if unit == "usds" and price is not None else 1)
    if kind == "1":
        rounding = ROUND_DOWN if params.choice("opType", ("open", "close"), "close") == "open" else ROUND_HALF_UP
        converted = (size / value / instrument.lot_sz).to_integral_value(rounding=rounding) * instrument.lot_sz
    else:
        converted = size * value
    return [
        {
            "type": kind,
            "instId": instrument.inst_id,
            "px": format_number(price),
            "sz": format_number(converted),
            "unit": unit,
        }
    ]


ROUTES: Routes = {
    ("GET", "/api/v5/public/time"): show_time,
    ("GET", "/api/v5/system/status"): show_status,
    ("GET", "/api/v5/public/instruments"): show_instruments,
    ("GET", "/api/v5/public/position-tiers"): show_tiers,
    ("GET", "/api/v5/public/underlying"): list_underlyings,
    ("GET", "/api/v5/public/convert-contract-coin"): convert_contracts,
}
