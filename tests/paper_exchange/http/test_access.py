"""Signatures, clock skew, demo header, rate limits and the control endpoints, through the real client."""

import time
from decimal import Decimal

import ccxt
import pytest
import requests

from paper_exchange.account.account import Account
from paper_exchange.clock import VirtualClock
from paper_exchange.http.auth import Credentials
from tests.paper_exchange.conftest import START_MS
from tests.paper_exchange.exchange_server import client, rows, serving


def config(request):
    return [{"uid": "1", "posMode": "net_mode", "echo": request.params.text("ordType")}]


def echo(request):
    return [{**row.values, "sCode": "0"} for row in request.rows]


PRIVATE = {
    ("GET", "/api/v5/account/config"): config,
    ("POST", "/api/v5/trade/cancel-batch-orders"): echo,
    ("GET", "/api/v5/trade/orders-algo-pending"): config,
}


@pytest.fixture
def url(market, clock):
    with serving(market, clock, private=PRIVATE) as where:
        yield where


def ask(url, **settings):
    return client(url, **settings).private_get_account_config()


def test_a_signed_call_is_served(url):
    assert ask(url)["data"][0]["posMode"] == "net_mode"


def test_the_raw_target_and_the_exact_body_are_signed(url):
    okx = client(url)
    got = okx.private_get_trade_orders_algo_pending({"ordType": "conditional,oco"})
    assert got["data"][0]["echo"] == "conditional,oco"
    sent = [{"instId": "BTC-USDT-SWAP", "sz": 3, "px": 0.1, "ordId": "", "flag": True}]
    got = okx.private_post_trade_cancel_batch_orders(sent)
    assert got["data"] == [{"instId": "BTC-USDT-SWAP", "sz": "3", "px": "0.1", "flag": True, "sCode": "0"}]


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"apiKey": "other"}, "50111"),
        ({"secret": "other"}, "50113"),
        ({"password": "other"}, "50105"),
        ({"headers": {}}, "50101"),
        ({"headers": {"x-simulated-trading": "0"}}, "50101"),
    ],
)
def test_wrong_credentials(url, settings, code):
    with pytest.raises(ccxt.AuthenticationError, match=code):
        ask(url, **settings)


def test_unsigned_calls_to_private_endpoints(url):
    answer = requests.get(f"{url}/api/v5/account/config")
    assert (answer.status_code, answer.json()["code"]) == (401, "50103")
    assert "data" not in answer.json()


def test_clock_skew_is_measured_against_wall_and_virtual_clock(url):
    okx = client(url)
    for clock_ms in (int(time.time() * 1000), START_MS, START_MS + 29_000):
        okx.milliseconds = lambda clock_ms=clock_ms: clock_ms
        assert okx.private_get_account_config()["code"] == "0"
    okx.milliseconds = lambda: START_MS + 31_000
    with pytest.raises(ccxt.InvalidNonce, match="50102"):
        okx.private_get_account_config()


def test_a_timestamp_that_is_none(url):
    headers = {f"OK-ACCESS-{name}": "paper" for name in ("KEY", "PASSPHRASE", "SIGN")}
    headers |= {"OK-ACCESS-TIMESTAMP": "yesterday", "x-simulated-trading": "1"}
    assert requests.get(f"{url}/api/v5/account/config", headers=headers).json()["code"] == "50112"


def test_own_credentials(market, clock):
    with serving(market, clock, private=PRIVATE, credentials=Credentials("k", "s", "p")) as url:
        assert ask(url, apiKey="k", secret="s", password="p")["code"] == "0"
        with pytest.raises(ccxt.AuthenticationError):
            ask(url)
    assert "'s'" not in repr(Credentials("k", "s", "p"))


def test_wrong_method_and_broken_json(url):
    assert requests.post(f"{url}/api/v5/public/time").status_code == 405
    answer = requests.post(f"{url}/api/v5/trade/cancel-batch-orders", data="{")
    assert (answer.status_code, answer.json()["code"]) == (400, "50002")


def test_rate_limits_are_per_endpoint_and_parameter(market, clock):
    with serving(market, clock, private=PRIVATE, rate_limits=True) as url:
        okx = client(url)
        for _ in range(10):
            okx.fetch_time()
        with pytest.raises(ccxt.RateLimitExceeded):
            okx.fetch_time()
        for asset in ("BTC", "ETH"):
            for _ in range(10):
                rows(url, "public/funding-rate", instId=f"{asset}-USDT-SWAP")
        for _ in range(5):
            okx.private_get_account_config()
        with pytest.raises(ccxt.RateLimitExceeded):
            okx.private_get_account_config()


def test_the_stepped_clock_moves_forward_only(url):
    def advance(**order):
        return requests.post(f"{url}/control/advance", json=order)

    assert advance(by_ms=1_500).json()["now_ms"] == START_MS + 1_500
    assert advance(to=START_MS + 2_000).json()["now_ms"] == START_MS + 2_000
    assert client(url).fetch_time() == START_MS + 2_000
    for refused in ({"to": START_MS}, {}, {"to": 1, "by_ms": 1}, {"to": "later"}, {"to": None}):
        assert advance(**refused).status_code == 400
    assert requests.post(f"{url}/control/advance", json=[]).status_code == 400
    assert requests.get(f"{url}/control/state").json()["now_ms"] == START_MS + 2_000


def test_control_endpoints_are_off_unless_asked_for(market, clock):
    with serving(market, clock, control=False) as url:
        for method, path in (("POST", "advance"), ("GET", "state"), ("POST", "faults"), ("DELETE", "faults")):
            assert requests.request(method, f"{url}/control/{path}", json={}).status_code == 404


def test_the_account_settles_before_every_answer(market, clock):
    account = Account(market, VirtualClock("stepped", START_MS - 60_000), Decimal(10_000))
    seen = []

    def look(request):
        seen.append((request.now_ms, request.account.now_ms))
        return config(request)

    with serving(market, clock, account=account, private={("GET", "/api/v5/account/config"): look}) as url:
        client(url).fetch_time()
        assert account.now_ms == START_MS
        requests.post(f"{url}/control/advance", json={"by_ms": 60_000})
        assert account.now_ms == START_MS + 60_000
        clock.advance_to(START_MS + 120_000)
        ask(url)
    assert seen == [(START_MS + 120_000, START_MS + 120_000)]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("account/max-loan", 200, "51010"),  # of an account that borrows
        ("trade/mass-cancel", 200, "51010"),  # of a market maker in options
        ("asset/deposit-history", 200, "50038"),  # a wallet
        ("market/platform-24-volume", 200, "50038"),
        ("trade/easy-convert", 200, "50038"),
        ("tradingBot/grid/order-algo", 200, "50038"),
        ("market/nothing", 404, "50404"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_the_venue_has_and_the_paper_exchange_has_not(url, method, path, status, code):
    answer = requests.request(method, f"{url}/api/v5/{path}", json={} if method == "POST" else None)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["data"] == []
