"""An exchange with two resting orders and a trigger: what refused requests are sent to."""

import pytest

from paper_exchange.account.account import Account
from paper_exchange.clock import VirtualClock
from tests.paper_exchange.exchange_server import serving
from tests.paper_exchange.handmade_market import BTC, ETH, T0, HandmadeMarket, flat
from tests.paper_exchange.http.rules.refusals import ORDER, STOP
from tests.paper_exchange.signed_requests import ask


@pytest.fixture(scope="module")
def desk():
    market = HandmadeMarket({BTC: flat(100), ETH: flat(100)})
    clock = VirtualClock("stepped", T0)
    account = Account(market, clock, 10_000)
    with serving(market, clock, account=account) as url:
        ids = {}
        for name, inst in (("btc", BTC), ("eth", ETH)):
            placed = ask(url, "POST", "trade/order", {**ORDER, "instId": inst, "clOrdId": f"rests{name}"})
            ids[name] = placed["data"][0]["ordId"]
        algo = ask(url, "POST", "trade/order-algo", {**STOP, "ordType": "trigger", "triggerPx": "105", "orderPx": "-1"})
        ids["algo"] = algo["data"][0]["algoId"]
        yield url, account, ids
