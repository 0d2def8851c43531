"""Accounts on the synthetic market: an empty one with its ccxt client, and one with a row in every list."""

import pytest
import requests

from paper_exchange.account.account import Account
from paper_exchange.clock import VirtualClock
from paper_exchange.events.schedule import Schedule
from paper_exchange.events.script import parse_event
from paper_exchange.events.scripted_market import ScriptedMarket
from paper_exchange.faults.catalogue import FaultPlan
from paper_exchange.market.synthetic import SyntheticMarket
from tests.paper_exchange.exchange_server import client, serving
from tests.paper_exchange.http.routes.recorded_questions import BTC, ETH, OF_BTC, ORDER, START_MS
from tests.paper_exchange.signed_requests import send


@pytest.fixture
def account_url(market, clock):
    with serving(market, clock, account=Account(market, clock, 10_000)) as where:
        yield where


@pytest.fixture
def okx(account_url):
    exchange = client(account_url)
    exchange.load_markets()
    return exchange


@pytest.fixture
def price(okx):
    return okx.fetch_ticker("BTC/USDT:USDT")["last"]


@pytest.fixture(scope="module")
def full_url():
    """An account with a row in every list: positions, partly closed ones, orders, stops, bills and fills."""
    market = ScriptedMarket(SyntheticMarket(7, START_MS, history_days=3, future_days=2))
    clock, faults = VirtualClock("stepped", START_MS), FaultPlan()
    change = {"after_s": 86_400, "instrument": BTC, "change": {"tickSz": "0.5"}}
    options = {"faults": faults, "schedule": Schedule([parse_event(change, market, START_MS)], market, faults)}
    with serving(market, clock, account=Account(market, clock, 1_000_000), **options) as where:
        last_price = float(send(where, "GET", "market/ticker", OF_BTC).json()["data"][0]["last"])
        low, high = f"{last_price * 0.99:.1f}", f"{last_price * 1.2:.1f}"
        stops = [{"slTriggerPx": f"{last_price * 0.8:.1f}", "slOrdPx": "-1", "tpTriggerPx": high, "tpOrdPx": "-1"}]
        waiting = {**ORDER, "side": "sell", "ordType": "conditional", "sz": "1", "slTriggerPx": stops[0]["slTriggerPx"]}
        waiting |= {"slOrdPx": "-1", "reduceOnly": True}
        both = {**waiting, "ordType": "oco", "tpTriggerPx": high, "tpOrdPx": "-1"}
        near = {"slTriggerPx": f"{last_price * 0.9999:.1f}", "tpTriggerPx": f"{last_price * 1.0001:.1f}", "sz": "0.1"}
        done = [
            ("trade/order", {**ORDER, "clOrdId": "filled1", "attachAlgoOrds": stops}),
            ("trade/order", {**ORDER, "side": "sell", "sz": "1"}),
            ("trade/order", {**ORDER, "instId": ETH}),
            *[("trade/order", {**ORDER, "ordType": "limit", "px": low, "clOrdId": f"rests{n}"}) for n in range(5)],
            ("trade/order", {**ORDER, "ordType": "limit", "px": low, "clOrdId": "rests9", "attachAlgoOrds": stops}),
            ("trade/order-algo", {**both, **near}),
            ("trade/order-algo", {**waiting, "algoClOrdId": "waiting1"}),
            *[("trade/order-algo", {**both, "algoClOrdId": f"gone{n}"}) for n in range(3)],
            ("trade/order-algo", {**ORDER, "ordType": "trigger", "triggerPx": high, "orderPx": "-1"}),
            ("trade/cancel-algos", [{"instId": BTC, "algoClOrdId": "gone0"}]),
            ("trade/cancel-order", {"instId": BTC, "clOrdId": "rests0"}),
        ]
        for path, body in done:
            answer = send(where, "POST", path, body).json()
            assert answer["code"] == "0", (path, body, answer)
        requests.post(f"{where}/control/advance", json={"by_ms": 1_800_000}).raise_for_status()
        yield where
