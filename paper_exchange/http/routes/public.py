"""Public endpoints (OKX-V5 section 4): time, status, instruments and tiers here; the rest joined from their modules."""

from __future__ import annotations

from paper_exchange.http.envelope import Json, text
from paper_exchange.http.lookup import family, instruments_matching, strike_of
from paper_exchange.http.request import Call, Routes
from paper_exchange.http.routes import candle as candle_routes
from paper_exchange.http.routes import flow as flow_routes
from paper_exchange.http.routes import funding as funding_routes
from paper_exchange.http.routes import quote as quote_routes
from paper_exchange.market.market import Instrument
from paper_exchange.market.prices import BAND

HOUR_MS = 3_600_000
_EMPTY_FIELDS = (
    "alias",
    "auctionEndTime",
    "baseCcy",
    "quoteCcy",
    "expTime",
    "freq",
    "longPosRemainingQuota",
    "shortPosRemainingQuota",
    "maxPlatOICoinLmt",
    "maxPlatOILmt",
    "maxMktAmt",
    "method",
    "optType",
    "preMktSwTime",
    "seriesId",
    "stk",
    "rpiMinLevel",
    "rpiMinPxBand",
)


def server_time(call: Call) -> list[Json]:
    """`public/time`: the exchange's clock, which may be virtual."""
    return [{"ts": str(call.now_ms)}]


def system_status(call: Call) -> list[Json]:
    """`system/status`: empty while healthy; ongoing maintenance while the fault `status_ongoing` waits."""
    if strike_of(call, "status_ongoing") is None:
        return []
    return [
        {
            "title": "Paper exchange maintenance drill",
            "state": "ongoing",
            "begin": str(call.now_ms - HOUR_MS),
            "end": str(call.now_ms + HOUR_MS),
            "preOpenBegin": "",
            "href": "",
            "serviceType": "8",
            "system": "unified",
            "scheDesc": "",
            "maintType": "2",
            "env": "2",
        }
    ]


def instruments(call: Call) -> list[Json]:
    """`public/instruments`: swaps; other types are known and empty."""
    call.params.required("instType")
    return [_instrument(call, instrument) for instrument in instruments_matching(call)]


def position_tiers(call: Call) -> list[Json]:
    """`public/position-tiers`: one tier without upper end, the one that the engine margins by."""
    call.params.required("instType")
    call.params.choice("tdMode", ("cross", "isolated"))
    return [_tier(instrument) for instrument in instruments_matching(call)]


def state_of(call: Call, instrument: Instrument) -> str:
    """`live`, or `suspend` while the fault of that name waits for the instrument."""
    suspended = any(
        fault.kind == "suspend" and fault.params.get("instId", instrument.inst_id) == instrument.inst_id
        for fault in call.faults.waiting
    )
    return "suspend" if suspended else instrument.state


def _instrument(call: Call, instrument: Instrument) -> dict[str, Json]:
    listed = list(call.market.instruments)
    return {
        **dict.fromkeys(_EMPTY_FIELDS, ""),
        "instType": "SWAP",
        "instId": instrument.inst_id,
        "uly": family(instrument),
        "instFamily": family(instrument),
        "settleCcy": "USDT",
        "ctVal": text(instrument.ct_val),
        "ctMult": "1",
        "ctValCcy": family(instrument).removesuffix("-USDT"),
        "ctType": "linear",
        "tickSz": text(instrument.tick_sz),
        "lotSz": text(instrument.lot_sz),
        "minSz": text(instrument.min_sz),
        "lever": text(instrument.max_leverage),
        "state": state_of(call, instrument),
        "listTime": str(instrument.list_ms),
        "contTdSwTime": str(instrument.list_ms),
        "maxLmtSz": text(instrument.max_limit_sz),
        "maxMktSz": text(instrument.max_market_sz),
        "maxTwapSz": text(instrument.max_limit_sz),
        "maxIcebergSz": text(instrument.max_limit_sz),
        "maxTriggerSz": text(instrument.max_limit_sz),
        "maxStopSz": text(instrument.max_market_sz),
        "maxLmtAmt": "20000000",
        "category": "1",
        "groupId": "4",
        "instCategory": "1",
        "instIdCode": 10_000 + listed.index(instrument.inst_id),
        "ruleType": "normal",
        "openType": "call_auction",
        "futureSettlement": False,
        "tradeQuoteCcyList": [],
        "upcChg": [],
        "initPxLmtPct": text(BAND),
        "floatPxLmtPct": text(BAND),
        "maxPxLmtPct": text(BAND),
        "posLmtAmt": "250000",
        "posLmtPct": "30",
    }


def _tier(instrument: Instrument) -> dict[str, Json]:
    return {
        "tier": "1",
        "instType": "SWAP",
        "instId": "",
        "instFamily": family(instrument),
        "uly": family(instrument),
        "minSz": "0",
        "maxSz": text(instrument.max_limit_sz),
        "mmr": text(instrument.maintenance_rate),
        "imr": text(round(1 / instrument.max_leverage, 6)),
        "maxLever": text(instrument.max_leverage),
        "baseMaxLoan": "",
        "quoteMaxLoan": "",
        "optMgnFactor": "",
    }


ROUTES: Routes = {
    ("GET", "/api/v5/public/time"): server_time,
    ("GET", "/api/v5/system/status"): system_status,
    ("GET", "/api/v5/public/instruments"): instruments,
    ("GET", "/api/v5/public/position-tiers"): position_tiers,
    **candle_routes.ROUTES,
    **quote_routes.ROUTES,
    **funding_routes.ROUTES,
    **flow_routes.ROUTES,
}
