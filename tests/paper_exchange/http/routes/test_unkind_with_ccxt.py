"""An unkind market, isolated margin and hedge mode through the real ccxt client, sync and async."""

import asyncio

import ccxt
import ccxt.async_support
import pytest
import requests

from paper_exchange.account.account import Account
from tests.paper_exchange.exchange_server import client, serving

BTC = "BTC/USDT:USDT"
MINUTE_MS = 60_000


@pytest.fixture
def unkind_url(market, clock):
    with serving(market, clock, account=Account(market, clock, 2_000_000, unkind=True)) as where:
        yield where


@pytest.fixture
def okx(unkind_url):
    exchange = client(unkind_url)
    exchange.load_markets()
    return exchange


def advance(url, by_ms):
    requests.post(f"{url}/control/advance", json={"by_ms": by_ms}).raise_for_status()


def test_a_market_order_walks_the_book_that_is_shown(okx):
    book = okx.fetch_order_book(BTC, 5)
    best = sum(size for _, size, *_ in book["asks"][:2])
    placed = okx.create_order(BTC, "market", "buy", okx.amount_to_precision(BTC, best + 5))
    order = okx.fetch_order(placed["id"], BTC)
    fills = okx.fetch_order_trades(placed["id"], BTC)
    assert [fill["price"] for fill in fills] == [price for price, *_ in book["asks"][:3]]
    assert [fill["amount"] for fill in fills[:2]] == [size for _, size, *_ in book["asks"][:2]]
    assert order["status"] == "closed"
    assert order["average"] == pytest.approx(sum(f["cost"] for f in fills) / sum(f["amount"] * 0.01 for f in fills))
    assert order["fee"]["cost"] == pytest.approx(sum(fill["fee"]["cost"] for fill in fills))
    assert okx.fetch_ticker(BTC)["ask"] == okx.fetch_order_book(BTC, 1)["asks"][0][0] == fills[-1]["price"]
    assert okx.fetch_position(BTC)["contracts"] == order["filled"]


def test_a_limit_order_is_open_while_it_is_partly_filled(okx, unkind_url):
    price, size, *_ = okx.fetch_order_book(BTC, 1)["asks"][0]
    placed = okx.create_order(BTC, "limit", "buy", okx.amount_to_precision(BTC, size + 4), price)
    [order] = okx.fetch_open_orders(BTC)
    assert (order["info"]["state"], order["status"], order["filled"]) == ("partially_filled", "open", size)
    assert order["remaining"] == pytest.approx(4)
    okx.edit_order(placed["id"], BTC, "limit", "buy", okx.amount_to_precision(BTC, size + 2), price)
    okx.cancel_order(placed["id"], BTC)
    done = okx.fetch_order(placed["id"], BTC)
    assert (done["status"], done["filled"], done["amount"]) == ("canceled", size, pytest.approx(size + 2))


def test_an_ioc_leaves_nothing_behind(okx):
    price, size, *_ = okx.fetch_order_book(BTC, 1)["bids"][0]
    placed = okx.create_order(BTC, "limit", "sell", size + 1, price, {"timeInForce": "IOC"})
    order = okx.fetch_order(placed["id"], BTC)
    assert (order["status"], order["filled"], order["info"]["cancelSource"]) == ("canceled", size, "14")


def test_hedged_and_isolated_positions_side_by_side(okx):
    okx.set_position_mode(True)
    assert okx.fetch_position_mode(BTC)["hedged"] is True
    okx.set_leverage(5, BTC, {"mgnMode": "isolated", "posSide": "short"})
    okx.create_order(BTC, "market", "buy", 2, None, {"hedged": True})
    okx.create_order(BTC, "market", "sell", 1, None, {"hedged": True, "marginMode": "isolated"})
    rows = {row["side"]: row for row in okx.fetch_positions([BTC])}
    assert {side: (row["contracts"], row["marginMode"]) for side, row in rows.items()} == {
        "long": (2, "cross"),
        "short": (1, "isolated"),
    }
    assert rows["short"]["hedged"] is True
    assert rows["short"]["liquidationPrice"] > rows["short"]["entryPrice"]
    assert float(rows["short"]["info"]["margin"]) == pytest.approx(rows["short"]["entryPrice"] * 0.01 / 5)
    okx.create_order(BTC, "market", "buy", 1, None, {"hedged": True, "reduceOnly": True, "marginMode": "isolated"})
    with pytest.raises(ccxt.ExchangeError, match="51169"):
        okx.create_order(BTC, "market", "buy", 1, None, {"hedged": True, "reduceOnly": True, "marginMode": "isolated"})
    with pytest.raises(ccxt.BadRequest, match="posSide"):
        okx.create_order(BTC, "market", "buy", 1)
    okx.close_position(BTC, "buy", {"mgnMode": "cross"})
    assert okx.fetch_positions() == []


def test_the_async_client_meets_the_same(unkind_url):
    async def session():
        okx = client(unkind_url, kind=ccxt.async_support.okx)
        try:
            await okx.load_markets()
            tiers = await okx.fetch_market_leverage_tiers(BTC)
            price, size, *_ = (await okx.fetch_order_book(BTC, 1))["asks"][0]
            legs = {"stopLoss": {"triggerPrice": price * 0.97}, "takeProfit": {"triggerPrice": price * 1.03}}
            await okx.create_order(BTC, "limit", "buy", size + 10, price, legs)
            [stop] = await okx.fetch_open_orders(BTC, params={"trigger": True, "ordType": "oco"})
            [order] = await okx.fetch_open_orders(BTC)
        finally:
            await okx.close()
        return tiers, stop["amount"], order["filled"], size

    tiers, covered, filled, size = asyncio.run(session())
    assert covered == filled == size  # the stop covers what is filled
    assert [tier["maxLeverage"] for tier in tiers[:3]] == [100, 75, 50]
    assert [tier["maintenanceMarginRate"] for tier in tiers[:3]] == [0.004, 0.0067, 0.01]
