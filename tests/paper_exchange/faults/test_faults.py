"""Injected faults as the real client sees them (docs/okx-protocol.md, ccxt exceptions by answer)."""

import asyncio

import ccxt
import ccxt.async_support
import pytest
import requests

from pairity.errors import ConfigError, UnknownNameError
from paper_exchange.faults.catalogue import CATALOGUE, Fault, FaultPlan
from tests.paper_exchange.exchange_server import client, get, inject, rows, serving

BTC, ID = "BTC/USDT:USDT", "BTC-USDT-SWAP"
OTHER = "ETH-USDT-SWAP"
executed: list[str] = []


def place(request):
    executed.extend(row.text("clOrdId") for row in request.rows)
    return {
        "code": "0",
        "msg": "",
        "data": [{"clOrdId": row.text("clOrdId"), "ordId": "1", "sCode": "0", "sMsg": ""} for row in request.rows],
    }


PRIVATE = {("POST", "/api/v5/trade/batch-orders"): place, ("GET", "/api/v5/trade/order"): place}


@pytest.fixture
def url(market, clock):
    executed.clear()
    with serving(market, clock, private=PRIVATE) as where:
        yield where


@pytest.mark.parametrize(
    ("pattern", "method", "path", "fits"),
    [
        ("*", "GET", "/api/v5/market/candles", True),
        ("market/*", "GET", "/api/v5/market/candles", True),
        ("GET market/*", "GET", "/api/v5/market/candles", True),
        ("POST market/*", "GET", "/api/v5/market/candles", False),
        ("market/*", "GET", "/api/v5/supermarket/candles", False),
        ("/api/v5/market/*", "GET", "/api/v5/market/candles", True),
        ("trade/order", "POST", "/api/v5/trade/order", True),
        ("trade/order", "POST", "/api/v5/trade/order-algo", False),
        ("POST trade/order*", "POST", "/api/v5/trade/order-algo", True),
        ("history-*", "GET", "/api/v5/market/history-candles", True),
    ],
)
def test_a_pattern_fits_a_path_or_its_end(pattern, method, path, fits):
    assert Fault("reset", pattern).matches(method, path) == fits


EXCEPTIONS = [
    ("reset", ccxt.NetworkError, ccxt.ExchangeNotAvailable),
    ("abort_body", ccxt.NetworkError, ccxt.ExchangeError),
    ("rate_limit_json", ccxt.RateLimitExceeded, ccxt.RateLimitExceeded),
    ("rate_limit_html", ccxt.ExchangeNotAvailable, ccxt.ExchangeNotAvailable),
    ("html_502", ccxt.ExchangeNotAvailable, ccxt.ExchangeNotAvailable),
    ("html_503", ccxt.ExchangeNotAvailable, ccxt.ExchangeNotAvailable),
    ("html_504", ccxt.RequestTimeout, ccxt.RequestTimeout),
    ("html_520", ccxt.ExchangeNotAvailable, ccxt.ExchangeNotAvailable),
    ("timeout_50004", ccxt.RequestTimeout, ccxt.RequestTimeout),
    ("system_50026", ccxt.ExchangeNotAvailable, ccxt.ExchangeNotAvailable),
    ("maintenance_50001", ccxt.OnMaintenance, ccxt.OnMaintenance),
    ("clock_50102", ccxt.InvalidNonce, ccxt.InvalidNonce),
    ("missing_51603", ccxt.OrderNotFound, ccxt.OrderNotFound),
]


@pytest.mark.parametrize(("kind", "sync_error", "async_error"), EXCEPTIONS)
def test_faults_that_raise(url, kind, sync_error, async_error):
    inject(url, kind, "public/time")
    okx = client(url)
    with pytest.raises(sync_error):
        okx.fetch_time()
    assert okx.fetch_time()

    async def use():
        okx = client(url, ccxt.async_support.okx)
        try:
            await okx.fetch_time()
        finally:
            await okx.close()

    # aiohttp itself repeats an idempotent request once when its connection is reset.
    inject(url, kind, "public/time", count=2)
    with pytest.raises(async_error):
        asyncio.run(use())


@pytest.mark.parametrize("kind", ["html_200", "empty_200", "cut_json_200"])
def test_faults_that_look_like_empty_answers(url, kind):
    inject(url, kind, "market/candles")
    okx = client(url)
    assert okx.fetch_time()
    okx.load_markets()
    assert okx.fetch_ohlcv(BTC, "1m", limit=3) == []
    assert len(okx.fetch_ohlcv(BTC, "1m", limit=3)) == 3


def test_latency_beyond_the_clients_patience(url):
    inject(url, "latency", "public/time", ms=400)
    with pytest.raises(ccxt.RequestTimeout):
        client(url, timeout=100).fetch_time()


ORDER = {"instId": ID, "tdMode": "cross", "side": "buy", "ordType": "market", "sz": "1"}


@pytest.mark.parametrize("kind", ["reset", "abort_body", "timeout_50004", "cut_json_200"])
def test_orders_are_executed_before_the_answer_is_lost(url, kind):
    inject(url, kind, "POST trade/batch-orders")
    okx = client(url)
    try:
        okx.private_post_trade_batch_orders([{**ORDER, "clOrdId": "a1"}])
    except ccxt.BaseError:
        assert kind != "cut_json_200"
    assert executed == ["a1"]


def test_execution_can_be_overridden(url):
    inject(url, "reset", "POST trade/batch-orders", executed=False)
    with pytest.raises(ccxt.NetworkError):
        client(url).private_post_trade_batch_orders([{**ORDER, "clOrdId": "a1"}])
    assert executed == []


@pytest.mark.parametrize(("kind", "code"), [("partial_code_2", "2"), ("scode_on_code_0", "0")])
def test_one_element_of_a_batch_is_withheld(url, kind, code):
    inject(url, kind, "trade/batch-orders", index=1)
    got = client(url).private_post_trade_batch_orders([{**ORDER, "clOrdId": name} for name in ("a", "b", "c")])
    assert got["code"] == code
    assert [row["sCode"] for row in got["data"]] == ["0", "51008", "0"]
    assert [row["clOrdId"] for row in got["data"]] == ["a", "b", "c"]
    assert executed == ["a", "c"]


def test_withheld_single_orders_come_back_rejected(url):
    inject(url, "scode_on_code_0", "trade/batch-orders")
    okx = client(url)
    okx.load_markets()
    order = okx.create_order(BTC, "market", "buy", 1)
    assert (order["status"], order["id"]) == ("rejected", None)
    assert executed == []


def test_state_faults(url):
    okx = client(url)
    inject(url, "suspend", instId=ID, count=None)
    inject(url, "status_ongoing", "system/status")
    assert not okx.load_markets()[BTC]["active"]
    assert okx.markets["ETH/USDT:USDT"]["active"]
    assert okx.fetch_status()["status"] == "maintenance"
    assert okx.fetch_status()["status"] == "ok"


def test_candle_faults(url):
    def candles():
        return rows(url, "market/history-candles", instId=ID, limit=9)

    whole = candles()
    times = [row[0] for row in whole]
    inject(url, "candle_gap", "history-candles", **{"from": int(times[5]), "to": int(times[3])})
    assert [row[0] for row in candles()] == times[:4] + times[6:]
    inject(url, "duplicate_rows", "history-candles")
    assert len(candles()) == 12
    inject(url, "unsorted_rows", "history-candles")
    mixed = [row[0] for row in candles()]
    assert mixed != times
    assert sorted(mixed) == sorted(times)
    inject(url, "unconfirmed_last", "history-candles")
    assert [row[-1] for row in candles()][:3] == ["0", "0", "1"]
    assert candles() == whole


def test_candles_of_one_instrument_are_disturbed_and_no_others(url):
    def candles(name):
        return rows(url, "market/history-candles", instId=name, limit=4)

    whole = {name: candles(name) for name in (ID, OTHER)}
    at = int(whole[ID][1][0])
    span = {"from": at, "to": at + 1}
    inject(url, "candle_gap", "history-candles", instId=OTHER, **span)
    inject(url, "wrong_candle", "history-candles", instId=ID, share="0.01", **span)
    assert candles(OTHER) == whole[OTHER][:1] + whole[OTHER][2:]
    seen = candles(ID)
    assert [row for place, row in enumerate(seen) if place != 1] == whole[ID][:1] + whole[ID][2:]
    assert [float(value) for value in seen[1][1:5]] == pytest.approx([1.01 * float(v) for v in whole[ID][1][1:5]])
    assert seen[1][5:] == whole[ID][1][5:]
    assert {name: candles(name) for name in (ID, OTHER)} == whole


def test_funding_faults(url):
    def settled():
        return [int(row["fundingTime"]) for row in rows(url, "public/funding-rate-history", instId=ID, limit=3)]

    newest = settled()
    [row] = rows(url, "public/funding-rate", instId=ID)
    assert int(row["prevFundingTime"]) == newest[0] <= int(row["ts"]) < int(row["fundingTime"])
    inject(url, "late_settlement", "funding-rate-history", count=None, ms=int(row["ts"]) - newest[0])
    assert settled()[0] == newest[1]
    inject(url, "no_prev_funding", "public/funding-rate", count=None)
    [older] = rows(url, "public/funding-rate", instId=ID)
    assert older == {key: value for key, value in row.items() if key != "prevFundingTime"}
    requests.delete(f"{url}/control/faults")
    assert settled() == newest


def test_a_code_of_ones_own(url):
    inject(url, "code", "GET public/time", count=2, code="50061", msg="slow down", http_status=400)
    for _ in range(2):
        assert get(url, "public/time")["code"] == "50061"
    assert get(url, "public/time")["code"] == "0"


def test_faults_can_be_listed_and_cleared(url):
    inject(url, "html_502", count=None)
    assert requests.get(f"{url}/api/v5/public/time").status_code == 502
    listed = requests.get(f"{url}/control/faults").json()
    assert listed["waiting"] == [{"kind": "html_502", "path": "*", "left": None, "params": {}}]
    assert set(listed["catalogue"]) == set(CATALOGUE)
    requests.delete(f"{url}/control/faults")
    assert get(url, "public/time")["code"] == "0"
    assert requests.post(f"{url}/control/faults", json={"kind": "plague"}).status_code == 400


def test_plan_refuses_what_cannot_be():
    plan = FaultPlan()
    with pytest.raises(UnknownNameError, match="abort_body"):
        plan.add("abort")
    with pytest.raises(ConfigError, match="at least 1"):
        plan.add("reset", count=0)
    plan.add("suspend")
    assert plan.take_next_strike("GET", "/api/v5/public/time") is None
    assert plan.find_active("suspend") is plan.consume("suspend", "GET", "/x")
    assert plan.find_active("suspend") is None
