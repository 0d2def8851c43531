"""Answers of the venue that can be read, by path: what is damaged starts from them."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from pairity.timeline import from_ms

T = 1_742_317_200_000
BTC = "BTC-USDT-SWAP"
SINCE, UNTIL = from_ms(T), from_ms(T) + timedelta(hours=3)
HOURS = [str(T + hour * 3_600_000) for hour in (2, 1, 0)]
ORDER = {
    "instType": "SWAP", "instId": BTC, "ordId": "680800019749904384", "clOrdId": "pairitye1", "side": "buy",
    "posSide": "net", "sz": "1.25", "accFillSz": "1.25", "avgPx": "82000.1", "state": "filled", "reduceOnly": "false",
    "category": "normal", "cTime": str(T), "uTime": str(T), "attachAlgoOrds": [{"attachAlgoClOrdId": "pairitys1"}],
}  # fmt: skip
ALGO = {
    "instType": "SWAP", "instId": BTC, "algoId": "680800019749904385", "algoClOrdId": "pairitys1", "clOrdId": "",
    "ordId": "", "ordIdList": ["680800019749904386"], "side": "sell", "sz": "1.25", "closeFraction": "",
    "state": "effective", "slTriggerPx": "80000", "tpTriggerPx": "90000", "actualSide": "sl", "reduceOnly": "true",
}  # fmt: skip
FILL = {
    "instType": "SWAP", "instId": BTC, "tradeId": "744876980", "ordId": "680800019749904384", "clOrdId": "pairitye1",
    "billId": "680800019754098688", "subType": "1", "fillPx": "82000.1", "fillSz": "1.25", "fillPnl": "0",
    "side": "buy", "fee": "-0.05125", "feeCcy": "USDT", "fillTime": str(T), "ts": str(T + 1),
}  # fmt: skip
BILL = {
    "instType": "SWAP", "instId": BTC, "billId": "1", "type": "8", "subType": "173", "ccy": "USDT", "bal": "9999.9",
    "balChg": "-0.0123456789012345", "fee": "0", "pnl": "-0.0123456789012345", "ts": str(T),
}  # fmt: skip
POSITION = {
    "instType": "SWAP", "instId": BTC, "pos": "-1.25", "posSide": "net", "avgPx": "82000.1", "markPx": "82001",
    "upl": "-0.0000000000000012", "mgnMode": "cross",
}  # fmt: skip
DETAIL = {"ccy": "USDT", "eq": "-9999.12", "availEq": "", "availBal": "9000.5"}
SWAP = {
    "instType": "SWAP", "instId": BTC, "ctVal": "0.01", "lotSz": "0.01", "minSz": "0.01", "tickSz": "0.1",
    "lever": "100", "maxMktSz": "12000", "state": "live",
}  # fmt: skip
CANDLES = [[at, "82000.1", "82010", "81990.5", "82005", "1234", "12.34", "1012000.5", "1"] for at in HOURS]
PRICES = [[at, "82000.1", "82010", "81990.5", "82005", "1"] for at in HOURS]
FUNDING = {"instId": BTC, "fundingTime": HOURS[2], "fundingRate": "0.0001", "realizedRate": "0.00011"}
SCHEDULE = {
    "instId": BTC, "settState": "settled", "prevFundingTime": HOURS[2], "fundingTime": str(T + 28_800_000),
    "ts": HOURS[0],
}  # fmt: skip
TRADE = {"instId": BTC, "tradeId": "744876980", "px": "82000.1", "sz": "3", "side": "sell", "ts": str(T + 5)}
BOOK = {"asks": [["41006.8", "0.6", "0", "1"]] * 20, "bids": [["41006.3", "0.3", "0", "2"]] * 20, "ts": str(T)}
LIQUIDATION = {
    "instFamily": "BTC-USDT",
    "details": [{"posSide": "", "side": "buy", "sz": "5", "bkPx": "1", "ts": str(T)}],
}

DATA: dict[str, list[Any]] = {
    "public/time": [{"ts": str(T)}],
    "account/config": [{"uid": "44705892343619584", "acctLv": "2", "posMode": "net_mode", "perm": "read_only,trade"}],
    "account/balance": [{"totalEq": "9000.5", "uTime": str(T), "details": [DETAIL]}],
    "account/positions": [POSITION],
    "account/leverage-info": [{"instId": BTC, "mgnMode": "cross", "lever": "2", "posSide": "net"}],
    "account/set-leverage": [{"instId": BTC, "mgnMode": "cross", "lever": "2"}],
    "account/set-position-mode": [{"posMode": "net_mode"}],
    "account/bills": [BILL],
    "trade/order": [ORDER],
    "trade/order-algo": [ALGO],
    "trade/orders-pending": [ORDER],
    "trade/orders-history": [ORDER],
    "trade/orders-algo-pending": [ALGO],
    "trade/fills-history": [FILL],
    "market/ticker": [{"instId": BTC, "last": "82000.1", "ts": str(T)}],
    "public/instruments": [SWAP],
    "public/funding-rate": [SCHEDULE],
    "public/funding-rate-history": [FUNDING],
    "market/history-candles": CANDLES,
    "market/history-mark-price-candles": PRICES,
    "market/history-index-candles": PRICES,
    "rubik/stat/contracts/open-interest-history": [[at, "100", "1.5", "120000.5"] for at in HOURS],
    "rubik/stat/taker-volume-contract": [[at, "100", "1.5"] for at in HOURS],
    "market/history-trades": [TRADE, {**TRADE, "tradeId": "744876979", "ts": str(T - 5)}],
    "market/books": [BOOK],
    "public/liquidation-orders": [LIQUIDATION],
    "public/open-interest": [{"instId": BTC, "oi": "1", "oiCcy": "1.5", "oiUsd": "", "ts": str(T)}],
}
WRITTEN: dict[str, dict[str, str]] = {
    "trade/order": {
        "sCode": "0",
        "sMsg": "",
        "ordId": "680800019749904384",
        "clOrdId": "pairitye1",
        "tag": "",
        "ts": str(T),
    },
    "trade/order-algo": {
        "sCode": "0",
        "sMsg": "",
        "algoId": "68",
        "algoClOrdId": "pairitys1",
        "clOrdId": "",
        "tag": "",
    },
    "trade/cancel-order": {"sCode": "51400", "sMsg": "gone", "ordId": "1", "clOrdId": "pairitye1"},
    "trade/cancel-algos": {"sCode": "0", "sMsg": "", "algoId": "68"},
}


def envelope(data: Any) -> dict[str, Any]:
    return {"code": "0", "msg": "", "data": data}


def good_bodies() -> dict[str, str]:
    return {path: json.dumps(envelope(data)) for path, data in DATA.items()}
