"""Answers of OKX, Bybit and Binance as ccxt's own clients ask for them, over instants that a test chooses."""

from __future__ import annotations

import json

from pairity.timeline import to_ms
from tests.ingestion.sources.paging_exchanges import HOUR_MS, PagingExchange


def _price(at: int) -> str:
    return str(101 + at // HOUR_MS % 5 / 10)


def put_okx(web, now, candles: PagingExchange, funding: PagingExchange, listed_ms: int) -> None:
    """OKX: windows of candles between `before` and `after`; `before` alone answers the newest settlements."""
    market = {
        "instType": "SWAP",
        "instId": "BTC-USDT-SWAP",
        "instFamily": "BTC-USDT",
        "uly": "BTC-USDT",
        "settleCcy": "USDT",
        "ctVal": "0.01",
        "ctMult": "1",
        "ctValCcy": "BTC",
        "ctType": "linear",
        "listTime": str(listed_ms),
        "state": "live",
        "tickSz": "0.1",
        "lotSz": "1",
        "minSz": "1",
        "lever": "100",
        "baseCcy": "",
        "quoteCcy": "",
    }

    def ok(rows):
        return json.dumps({"code": "0", "msg": "", "data": rows}).encode()

    def read(query):
        until = int(query["after"]) - 1 if "after" in query else None
        return int(query.get("before", 0)) + 1, int(query["limit"]), until

    def bars(query):
        rows = candles.page(*read(query))
        return ok([[str(at), "100", "102", "99", _price(at), "1250", "12.5", "1250", "1"] for at in rows])

    def rates(query):
        rows = funding.page(*read(query))
        return ok(
            [
                {"instId": "BTC-USDT-SWAP", "fundingTime": str(at), "realizedRate": "0.0001", "fundingRate": "0.0001"}
                for at in rows
            ]
        )

    web.files["/api/v5/public/instruments"] = ok([market])
    web.files["/api/v5/public/time"] = ok([{"ts": str(to_ms(now))}])
    web.files["/api/v5/market/history-candles"] = web.files["/api/v5/market/candles"] = bars
    web.files["/api/v5/public/funding-rate-history"] = rates


def put_bybit(web, now, candles: PagingExchange, funding: PagingExchange, listed_ms: int) -> None:
    """Bybit: lists from new to old."""
    market = {
        "symbol": "BTCUSDT",
        "contractType": "LinearPerpetual",
        "status": "Trading",
        "baseCoin": "BTC",
        "quoteCoin": "USDT",
        "settleCoin": "USDT",
        "launchTime": str(listed_ms),
        "deliveryTime": "0",
        "fundingInterval": 480,
        "priceScale": "2",
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100", "leverageStep": "0.01"},
        "priceFilter": {"minPrice": "0.1", "maxPrice": "1999999", "tickSize": "0.10"},
        "lotSizeFilter": {"maxOrderQty": "1000", "minOrderQty": "0.001", "qtyStep": "0.001"},
    }

    def ok(rows, **more):
        result = {"category": "linear", "list": rows, "nextPageCursor": "", **more}
        return json.dumps({"retCode": 0, "retMsg": "OK", "result": result, "time": to_ms(now)}).encode()

    def bars(query):
        rows = candles.page(int(query["start"]), int(query["limit"]), int(query["end"]) if "end" in query else None)
        return ok([[str(at), "100", "102", "99", _price(at), "12.5", "1250"] for at in sorted(rows, reverse=True)])

    def rates(query):
        until = int(query["endTime"]) if "endTime" in query else None
        rows = funding.page(int(query["startTime"]), int(query["limit"]), until)
        return ok(
            [
                {"symbol": "BTCUSDT", "fundingRate": "0.0001", "fundingRateTimestamp": str(at)}
                for at in sorted(rows, reverse=True)
            ]
        )

    web.files["/v5/market/instruments-info"] = lambda query: ok([market] if query["category"] == "linear" else [])
    web.files["/v5/market/time"] = json.dumps(
        {"retCode": 0, "retMsg": "OK", "result": {"timeNano": str(to_ms(now) * 1_000_000)}, "time": to_ms(now)}
    ).encode()
    web.files["/v5/market/kline"], web.files["/v5/market/funding/history"] = bars, rates


def put_binance(web, now, candles: PagingExchange, funding: PagingExchange, listed_ms: int) -> None:
    """Binance futures: oldest first from `startTime` on."""
    filters = [
        {"filterType": "PRICE_FILTER", "minPrice": "0.1", "maxPrice": "1000000", "tickSize": "0.10"},
        {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
    ]
    market = {
        "symbol": "BTCUSDT",
        "pair": "BTCUSDT",
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "onboardDate": listed_ms,
        "status": "TRADING",
        "baseAsset": "BTC",
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "pricePrecision": 2,
        "quantityPrecision": 3,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "filters": filters,
        "orderTypes": ["LIMIT"],
        "timeInForce": ["GTC"],
    }

    def asked(query):
        until = int(query["endTime"]) if "endTime" in query else None
        return int(query["startTime"]), int(query["limit"]), until

    def bars(query):
        rows = candles.page(*asked(query))
        return json.dumps(
            [[at, "100", "102", "99", _price(at), "12.5", at + 3_599_999, "1250", 9, "5", "500", "0"] for at in rows]
        ).encode()

    def rates(query):
        rows = funding.page(*asked(query))
        return json.dumps([{"symbol": "BTCUSDT", "fundingTime": at, "fundingRate": "0.0001"} for at in rows]).encode()

    web.files["/fapi/v1/exchangeInfo"] = json.dumps({"timezone": "UTC", "symbols": [market], "rateLimits": []}).encode()
    web.files["/fapi/v1/time"] = json.dumps({"serverTime": to_ms(now)}).encode()
    web.files["/fapi/v1/klines"], web.files["/fapi/v1/fundingRate"] = bars, rates
