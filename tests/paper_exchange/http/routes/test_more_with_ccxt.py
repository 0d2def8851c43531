"""Endpoints that real clients call beyond trading, and batches of amendments, through ccxt."""

import ccxt
import pytest
import requests

from tests.paper_exchange.conftest import START_MS
from tests.paper_exchange.exchange_server import rows

BTC, ID = "BTC/USDT:USDT", "BTC-USDT-SWAP"
HOUR_MS = 3_600_000


def test_indices(okx, market):
    [ticker] = okx.public_get_market_index_tickers({"instId": "BTC-USDT"})["data"]
    assert float(ticker["idxPx"]) == market.bar_at(ID, START_MS, "index").open
    assert float(ticker["low24h"]) <= float(ticker["idxPx"]) <= float(ticker["high24h"])
    assert len(okx.public_get_market_index_tickers({"quoteCcy": "USDT"})["data"]) == 10
    assert okx.public_get_market_index_tickers({"quoteCcy": "BTC"})["data"] == []
    premiums = okx.public_get_public_premium_history({"instId": ID, "limit": "5"})["data"]
    assert len(premiums) == 5
    assert all(int(row["ts"]) % 60_000 == 0 and abs(float(row["premium"])) < 0.05 for row in premiums)


def test_underlyings(okx):
    [families] = okx.public_get_public_underlying({"instType": "SWAP"})["data"]
    assert (len(families), families[0]) == (10, "BTC-USDT")
    assert okx.public_get_public_underlying({"instType": "FUTURES"})["data"] == [[]]


def test_long_short_ratios_follow_the_takers(okx, account_url):
    history = okx.fetch_long_short_ratio_history(BTC, "1h", limit=10)
    volumes = {
        int(ts): float(bought) / float(sold)
        for ts, sold, bought in rows(account_url, "rubik/stat/taker-volume-contract", instId=ID, period="1H")
    }
    assert len(history) == 10
    for row in history:
        assert row["longShortRatio"] == pytest.approx(volumes[row["timestamp"]], abs=1e-4)
    assert all(row["timestamp"] <= START_MS for row in history)
    coins = rows(account_url, "rubik/stat/contracts/open-interest-volume", ccy="BTC", period="1H")
    assert all(len(row) == 3 for row in coins)
    spot = rows(account_url, "rubik/stat/taker-volume", ccy="BTC", instType="SPOT")
    assert spot == []


def test_the_account_names_its_instruments(okx):
    listed = okx.private_get_account_instruments({"instType": "SWAP", "instId": ID})["data"]
    assert listed == okx.public_get_public_instruments({"instType": "SWAP", "instId": ID})["data"]


def test_months(okx, market):
    month = okx.fetch_ohlcv(BTC, "1M", limit=3)
    assert [row[0] for row in month] == [1_767_225_600_000]  # 2026-01-01: the only month that began in this market
    plain = okx.public_get_market_candles({"instId": ID, "bar": "1M"})["data"]
    assert [int(row[0]) for row in plain] == [1_767_225_600_000 - 8 * HOUR_MS]


def test_a_trailing_stop(okx, account_url, price):
    okx.create_order(BTC, "market", "buy", 1)
    params = {"trailingPercent": 0.5, "reduceOnly": True, "clientOrderId": "trail1"}
    placed = okx.create_order(BTC, "market", "sell", 1, None, params)
    [waiting] = okx.fetch_open_orders(BTC, params={"trailing": True})
    assert (waiting["id"], waiting["type"], waiting["info"]["callbackRatio"]) == (
        placed["id"],
        "move_order_stop",
        "0.005",
    )
    assert float(waiting["info"]["moveTriggerPx"]) == pytest.approx(price * 0.995, rel=1e-3)
    requests.post(f"{account_url}/control/advance", json={"by_ms": 24 * HOUR_MS}).raise_for_status()
    done = okx.fetch_order(placed["id"], BTC, {"trigger": True})
    assert done["info"]["state"] == "effective"
    assert okx.fetch_positions([BTC]) == []
    exit_ = okx.fetch_closed_orders(BTC)[-1]
    assert exit_["info"]["source"] == "25"
    with pytest.raises(ccxt.OrderNotFound):
        okx.cancel_order(placed["id"], BTC, {"trailing": True})


def test_amendments_in_a_batch(okx, price):
    low = okx.price_to_precision(BTC, price * 0.99)
    ids = [okx.create_order(BTC, "limit", "buy", 1, low)["id"] for _ in range(2)]
    body = [{"instId": ID, "ordId": ids[0], "newSz": "2"}, {"instId": ID, "ordId": ids[1], "newSz": "0.001"}]
    answer = okx.private_post_trade_amend_batch_orders(body)
    assert (answer["code"], [row["sCode"] for row in answer["data"]]) == ("2", ["0", "51121"])
    assert [okx.fetch_order(ord_id, BTC)["amount"] for ord_id in ids] == [2, 1]


def test_filters_of_the_account(okx):
    okx.create_order(BTC, "market", "buy", 1)
    okx.create_order("ETH/USDT:USDT", "market", "sell", 1)

    def count(method, **query):
        return len(getattr(okx, method)({"instType": "SWAP", **query})["data"])

    fills, bills, orders = "private_get_trade_fills", "private_get_account_bills", "private_get_trade_orders_history"
    for query, found in (
        ({}, 2),
        ({"instFamily": "BTC-USDT"}, 1),
        ({"uly": "ETH-USDT"}, 1),
        ({"instId": ID}, 1),
        ({"instType": "FUTURES"}, 0),
    ):
        assert [count(method, **query) for method in (fills, orders)] == [found, found]
    assert [count(fills, subType=kind) for kind in ("1", "2", "173")] == [1, 1, 0]
    assert [count(orders, ordType=kind) for kind in ("market", "limit,post_only", "market,ioc")] == [2, 0, 2]
    assert [count(orders, category=kind) for kind in ("full_liquidation",)] == [0]
    for query, found in (
        ({"ccy": "USDT"}, 2),
        ({"ccy": "BTC"}, 0),
        ({"mgnMode": "isolated"}, 0),
        ({"ctType": "inverse"}, 0),
    ):
        assert count(bills, **query) == found
    assert count("private_get_account_positions", instId=f"{ID},ETH-USDT-SWAP") == 2


def test_stops_of_a_resting_order_are_amended(okx, price):
    stop = {"stopLoss": {"triggerPrice": price * 0.9, "type": "market"}}
    placed = okx.create_order(BTC, "limit", "buy", 1, price * 0.995, stop)
    okx.edit_order(placed["id"], BTC, "limit", "buy", 2, None, {"stopLossPrice": price * 0.92, "newSlOrdPx": "-1"})
    order = okx.fetch_order(placed["id"], BTC)
    assert (order["amount"], order["stopLossPrice"]) == (2, float(okx.price_to_precision(BTC, price * 0.92)))
    target = {"takeProfit": {"triggerPrice": price * 1.2, "type": "market"}}
    okx.edit_order(placed["id"], BTC, "limit", "buy", 2, None, target)
    order = okx.fetch_order(placed["id"], BTC)
    assert order["takeProfitPrice"] == float(okx.price_to_precision(BTC, price * 1.2))


def test_contracts_and_coins(okx):
    market = okx.market(BTC)
    for request, size in (
        ({"type": "1", "sz": "0.0257"}, "2.57"),
        ({"type": "1", "sz": "0.025799", "opType": "open"}, "2.57"),
        ({"type": "1", "sz": "0.025799"}, "2.58"),
        ({"type": "1", "sz": "1000", "unit": "usds", "px": "100000"}, "1"),
        ({"type": "2", "sz": "3"}, "0.03"),
        ({"type": "2", "sz": "3", "unit": "usds", "px": "100000"}, "3000"),
    ):
        answer = okx.public_get_public_convert_contract_coin({"instId": market["id"], **request})
        assert answer["data"][0]["sz"] == size, request
    with pytest.raises(ccxt.BadRequest, match="50014"):
        okx.public_get_public_convert_contract_coin({"instId": market["id"], "sz": "1", "unit": "usds"})


def test_the_largest_isolated_order(okx):
    def ask(mode, lever):
        answer = okx.private_get_account_max_size({"instId": ID, "tdMode": mode, "leverage": lever})
        return float(answer["data"][0]["maxBuy"])

    sizes = [ask(mode, lever) for mode, lever in (("cross", "5"), ("isolated", "5"), ("isolated", "10"))]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.02)
    assert sizes[2] > 1.9 * sizes[1]
