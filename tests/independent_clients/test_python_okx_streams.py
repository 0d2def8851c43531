"""python-okx over WebSocket: login, channels and orders; it insists on TLS, so the connection is made for it."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
import websockets

from tests.independent_clients.paper_desk import BTC
from tests.paper_exchange.ws.streams import streams_of

okx = pytest.importorskip("okx", reason="python-okx is not installed: make install brings it")


@asynccontextmanager
async def connected(desk, endpoint):
    """The client on a plain connection, logged in unless it is public, and what it heard so far."""
    from okx.websocket.WsPrivateAsync import WsPrivateAsync
    from okx.websocket.WsPublicAsync import WsPublicAsync

    url, heard = f"{streams_of(desk.url)}/{endpoint}", []
    if endpoint == "public":
        stream = WsPublicAsync(url)
    else:
        stream = WsPrivateAsync(apiKey="paper", passphrase="paper", secretKey="paper", url=url)
    stream.callback = lambda text: heard.append(json.loads(text))
    async with websockets.connect(url) as socket:
        stream.websocket = socket
        listening = asyncio.create_task(stream.consume())
        if endpoint != "public":
            await stream.login()
            assert (await wait_for(heard, lambda message: message.get("event") == "login"))["code"] == "0"
        yield stream, heard
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def wait_for(heard, fits):
    """The first message that fits, when it is there; AssertionError after three seconds."""
    for _ in range(300):
        found = next((message for message in heard if fits(message)), None)
        if found is not None:
            return found
        await asyncio.sleep(0.01)
    raise AssertionError(heard)


def on(channel, heard):
    return wait_for(heard, lambda message: message.get("arg", {}).get("channel") == channel and message.get("data"))


def test_public_channels(desk):
    async def job():
        async with connected(desk, "public") as (stream, heard):
            names = ("tickers", "mark-price", "funding-rate", "books5", "trades")
            await stream.send("subscribe", [{"channel": name, "instId": BTC} for name in names])
            ticker = (await on("tickers", heard))["data"][0]
            assert float(ticker["last"]) == float(desk.account.last(BTC))
            assert float((await on("mark-price", heard))["data"][0]["markPx"]) == float(desk.account.mark(BTC))
            for name in names[2:]:
                assert (await on(name, heard))["arg"] == {"channel": name, "instId": BTC}
            await stream.unsubscribe([{"channel": "tickers", "instId": BTC}], stream.callback)
            await wait_for(heard, lambda message: message.get("event") == "unsubscribe")

    asyncio.run(job())


def test_orders_and_what_is_pushed_of_them(desk):
    async def job():
        async with connected(desk, "private") as (stream, heard):
            channels = [{"channel": name, "instType": "SWAP"} for name in ("orders", "positions")]
            await stream.send("subscribe", [*channels, {"channel": "account"}])
            await on("account", heard)
            body = {"instId": BTC, "tdMode": "cross", "side": "buy", "sz": "1", "clOrdId": "w1"}
            await stream.place_order([{**body, "ordType": "limit", "px": desk.price(0.99)}], id="1")
            placed = await wait_for(heard, lambda message: message.get("id") == "1")
            order = desk.order("w1")
            assert (placed["code"], placed["data"][0]["ordId"]) == ("0", order.ord_id)
            await stream.amend_order([{"instId": BTC, "clOrdId": "w1", "newSz": "2"}], id="2")
            await wait_for(heard, lambda message: message.get("id") == "2")
            await stream.cancel_order([{"instId": BTC, "clOrdId": "w1"}], id="3")
            await wait_for(heard, lambda message: message.get("id") == "3")
            assert (order.size, order.state) == (2, "canceled")
            bodies = [{**body, "clOrdId": name, "ordType": "market"} for name in ("w2", "w3")]
            await stream.batch_orders(bodies, id="4")
            await wait_for(heard, lambda message: message.get("id") == "4")
            pushed = await wait_for(
                heard,
                lambda message: any(row.get("pos") == "2" for row in message.get("data", []) if "id" not in message),
            )
            assert pushed["arg"]["channel"] == "positions"
            states = [
                (row["clOrdId"], row["state"])
                for message in heard
                if message.get("arg", {}).get("channel") == "orders"
                for row in message.get("data", [])
            ]
            assert states[:3] == [("w1", "live"), ("w1", "live"), ("w1", "canceled")]
            assert {("w2", "filled"), ("w3", "filled")} <= set(states)

    asyncio.run(job())


def test_mass_cancel_is_for_options(desk):
    async def job():
        async with connected(desk, "business") as (stream, heard):
            await stream.mass_cancel([{"instType": "OPTION", "instFamily": "BTC-USD"}], id="9")
            answer = await wait_for(heard, lambda message: message.get("id") == "9")
            assert answer["code"] == "51010"

    asyncio.run(job())
