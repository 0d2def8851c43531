"""Orders over WebSocket: the same account, checks and codes as over HTTP, with a bare client and ccxt.pro's."""

import asyncio
from decimal import Decimal

import ccxt
import pytest

from paper_exchange.account.account import Account
from tests.paper_exchange.exchange_server import inject, serving
from tests.paper_exchange.signed_requests import ask
from tests.paper_exchange.ws.streams import ccxt_pro, wire

ID, SYMBOL = "BTC-USDT-SWAP", "BTC/USDT:USDT"
RESTING = {"instId": ID, "tdMode": "cross", "side": "buy", "ordType": "limit", "sz": "1"}


@pytest.fixture
def desk(market, clock):
    account = Account(market, clock, Decimal(10_000))
    with serving(market, clock, account=account) as url:
        price = f"{float(account.last(ID)) * 0.99:.1f}"
        yield url, account, {**RESTING, "px": price}


def talk_with(url, *messages, endpoint="private", logged_in=True):
    async def job():
        async with wire(url, endpoint, logged_in=logged_in) as talk:
            return [await talk.ask(message) for message in messages]

    return asyncio.run(job())


def test_place_amend_and_cancel(desk):
    url, account, body = desk
    placed, amended, shown, cancelled = talk_with(
        url,
        {"id": "1", "op": "order", "args": [{**body, "clOrdId": "a1"}]},
        {"id": "2", "op": "amend-order", "args": [{"instId": ID, "clOrdId": "a1", "newSz": "2", "reqId": "r1"}]},
        {"id": "3", "op": "order", "args": [{**body, "clOrdId": "a1"}]},
        {"id": "4", "op": "cancel-order", "args": [{"instId": ID, "clOrdId": "a1"}]},
    )
    [order] = account.orders.values()
    assert (placed["id"], placed["op"], placed["code"], placed["msg"]) == ("1", "order", "0", "")
    assert set(placed) == {"id", "op", "code", "msg", "data", "inTime", "outTime"}
    assert placed["data"][0]["ordId"] == order.ord_id
    assert (amended["data"][0]["reqId"], amended["code"]) == ("r1", "0")
    assert (shown["code"], shown["data"][0]["sCode"]) == ("1", "51016")
    assert (cancelled["id"], cancelled["code"], order.state, order.size) == ("4", "0", "canceled", 2)


def test_batches(desk):
    url, account, body = desk
    names = [{"instId": ID, "clOrdId": name} for name in ("b1", "b2", "none")]
    placed, amended, cancelled = talk_with(
        url,
        {"id": "1", "op": "batch-orders", "args": [{**body, "clOrdId": "b1"}, {**body, "clOrdId": "b2"}]},
        {"id": "2", "op": "batch-amend-orders", "args": [{**name, "newSz": "3"} for name in names]},
        {"id": "3", "op": "batch-cancel-orders", "args": names},
    )
    assert [answer["code"] for answer in (placed, amended, cancelled)] == ["0", "2", "2"]
    assert [row["sCode"] for row in amended["data"]] == ["0", "0", "51503"]
    assert [(o.client_id, o.size, o.state) for o in account.orders.values()] == [
        ("b1", 3, "canceled"),
        ("b2", 3, "canceled"),
    ]


def test_an_instrument_by_its_code(desk):
    url, account, body = desk
    [row] = ask(url, "GET", "public/instruments", {"instType": "SWAP", "instId": ID})["data"]
    named = {name: value for name, value in body.items() if name != "instId"} | {"instIdCode": row["instIdCode"]}
    placed, wrong = talk_with(
        url,
        {"id": "1", "op": "order", "args": [named]},
        {"id": "2", "op": "order", "args": [{**named, "instIdCode": 99}]},
    )
    assert placed["code"] == "0"
    assert [o.inst_id for o in account.orders.values()] == [ID]
    assert (wrong["id"], wrong["code"]) == ("2", "51001")


def test_what_is_refused(desk):
    url, account, body = desk
    order = {"id": "1", "op": "order", "args": [body]}
    two, late = {**order, "args": [body, body]}, {**order, "expTime": "1000"}
    assert [answer["code"] for answer in talk_with(url, two, late)] == ["60013", "50036"]
    [stranger] = talk_with(url, order, logged_in=False)
    assert (stranger["event"], stranger["code"]) == ("error", "60011")
    [elsewhere] = talk_with(url, order, endpoint="business")
    assert (elsewhere["event"], elsewhere["code"]) == ("error", "60019")
    mass = {"id": "9", "op": "mass-cancel", "args": [{"instType": "OPTION", "instFamily": "BTC-USD"}]}
    [answer] = talk_with(url, mass, endpoint="business")
    assert (answer["id"], answer["code"]) == ("9", "51010")
    assert not account.orders


def test_a_lost_answer_of_an_order_that_was_placed(desk):
    url, account, body = desk
    inject(url, "ws_lost", "WS /ws/v5/private/order")

    async def job():
        async with wire(url, "private", logged_in=True) as talk:
            await talk.send({"id": "1", "op": "order", "args": [{**body, "clOrdId": "lost1"}]})
            return await talk.hear_all()

    assert asyncio.run(job()) == []
    assert [order.client_id for order in account.orders.values()] == ["lost1"]


def test_ccxt_pro(desk):
    url, account, body = desk

    async def job():
        async with ccxt_pro(url) as okx:
            await okx.load_markets()
            price = float(body["px"])
            placed = await okx.create_order_ws(SYMBOL, "limit", "buy", 1, price, {"clientOrderId": "w1"})
            await okx.edit_order_ws(placed["id"], SYMBOL, "limit", "buy", 2, price)
            [order] = account.orders.values()
            assert (order.ord_id, order.size, order.state) == (placed["id"], 2, "live")
            await okx.cancel_order_ws(placed["id"], SYMBOL)
            assert order.state == "canceled"
            with pytest.raises(ccxt.ExchangeError, match="51000"):
                await okx.create_order_ws(SYMBOL, "limit", "buy", 1, price / 2, {"posSide": "long"})

    asyncio.run(job())
