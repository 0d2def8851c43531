"""The protocol, message by message: login, subscriptions, refusals, limits, ping and silence."""

import asyncio
import json
import time
from decimal import Decimal

import aiohttp
import pytest

import paper_exchange.ws.connection as connection_module
import paper_exchange.ws.sending as sending_module
from paper_exchange.account.account import Account
from paper_exchange.http.auth import sign
from tests.paper_exchange.exchange_server import inject, serving
from tests.paper_exchange.ws.streams import advance, ccxt_pro, login, streams_of, wire

ID = "BTC-USDT-SWAP"


@pytest.fixture
def private_url(market, clock):
    with serving(market, clock, account=Account(market, clock, Decimal(10_000))) as where:
        yield where


def code_of(event):
    assert event["event"] == "error", event
    return event["code"]


def test_ping_and_operations_that_are_none(url):
    async def job():
        async with wire(url, "public") as talk:
            assert await talk.ask("ping") == "pong"
            for text in ("", "pong", "{", "[]", '{"op": []}', '{"op": "subscribe", "id": {}}', "[" * 9_000):
                assert code_of(await talk.ask(text)) == "60012"
            assert code_of(await talk.ask({"op": "buy", "args": [{}]})) == "60019"
            for args in (None, [], {}, ["tickers"]):
                assert code_of(await talk.ask({"op": "subscribe", "args": args})) == "60013"
            error = await talk.ask({"id": "1512", "op": "subscribe", "argss": [{"channel": "tickers"}]})
            assert (error["id"], error["event"], len(error["connId"])) == ("1512", "error", 8)
            await talk.send("x" * 70_000)
            assert await talk.hear() == ("closed", 1009)

    asyncio.run(job())


def test_subscriptions(url):
    async def job():
        async with wire(url, "public") as talk:
            one, other = {"channel": "tickers", "instId": ID}, {"channel": "mark-price", "instId": ID}
            await talk.send({"id": "7", "op": "subscribe", "args": [one, {"channel": "nothing"}, other]})
            events = await talk.hear_all()
            assert [(e.get("event"), e["arg"] if "arg" in e else e["code"]) for e in events] == [
                ("subscribe", one),
                (None, one),
                ("error", "60018"),
                ("subscribe", other),
                (None, other),
            ]
            assert {e["id"] for e in events if "event" in e} == {"7"}
            await talk.send({"op": "unsubscribe", "args": [one]})
            assert (await talk.hear())["event"] == "unsubscribe"
            await advance(url, by_ms=120_000)
            assert {message["arg"]["channel"] for message in await talk.hear_all()} == {"mark-price"}

    asyncio.run(job())


@pytest.mark.parametrize(
    ("endpoint", "argument", "code"),
    [
        ("public", {"channel": "tickers"}, "60012"),
        ("public", {"channel": "tickers", "instId": "NONE-USDT-SWAP"}, "60018"),
        ("public", {"channel": "candle1m", "instId": ID}, "60018"),
        ("public", {"channel": "account"}, "60018"),
        ("business", {"channel": "tickers", "instId": ID}, "60018"),
        ("business", {"channel": "candle7m", "instId": ID}, "60018"),
        ("business", {"channel": "orders-algo", "instType": "SWAP"}, "60011"),
        ("private", {"channel": "account"}, "60011"),
        ("private", {"channel": "positions", "instType": "SWAP"}, "60011"),
        ("public", {"channel": "instruments", "instType": "FRUIT"}, "60018"),
        ("public", {"channel": ["tickers"]}, "60012"),
        ("public", {"instId": ID}, "60012"),
    ],
)
def test_subscriptions_that_are_refused(private_url, endpoint, argument, code):
    async def job():
        async with wire(private_url, endpoint) as talk:
            assert code_of(await talk.ask({"op": "subscribe", "args": [argument]})) == code

    asyncio.run(job())


def test_logins(private_url):
    old = str(int(time.time()) - 31)
    refused = [
        ({"apiKey": "other"}, "60005"),
        ({"apiKey": ""}, "60001"),
        ({"sign": ""}, "60002"),
        ({"passphrase": ""}, "60003"),
        ({"passphrase": "wörng"}, "60024"),
        ({"timestamp": "yesterday"}, "60004"),
        ({"timestamp": old, "sign": sign("paper", old, "GET", "/users/self/verify", b"")}, "60006"),
        ({"sign": "wrong"}, "60007"),
    ]

    async def job():
        async with wire(private_url, "private") as talk:
            for changes, code in refused:
                assert code_of(await talk.ask(login(**changes))) == code
            assert code_of(await talk.ask({"op": "login", "args": login()["args"] * 2})) == "60021"
            await asyncio.to_thread(inject, private_url, "ws_login_refused", "WS private/login")
            assert code_of(await talk.ask(login())) == "60009"
            assert (await talk.ask(login()))["code"] == "0"
            assert code_of(await talk.ask(login())) == "60031"
            assert (await talk.subscribe("account"))["event"] == "subscribe"
        async with wire(private_url, "public") as talk:
            assert code_of(await talk.ask(login())) == "60008"

    asyncio.run(job())


def test_a_login_by_the_exchanges_own_clock(private_url, clock):
    stamp = str(clock.now_ms() // 1000)

    async def job():
        async with wire(private_url, "business") as talk:
            signed = sign("paper", stamp, "GET", "/users/self/verify", b"")
            assert (await talk.ask(login(timestamp=stamp, sign=signed)))["event"] == "login"

    asyncio.run(job())


def test_limits_of_connections_and_operations(market, clock):
    account = Account(market, clock, Decimal(10_000))

    async def job(url):
        async with aiohttp.ClientSession() as session:
            for _ in range(3):
                await session.ws_connect(f"{streams_of(url)}/public")
            with pytest.raises(aiohttp.WSServerHandshakeError, match="429"):
                await session.ws_connect(f"{streams_of(url)}/public")
        await asyncio.sleep(1.05)
        async with wire(url, "public") as talk:
            for _ in range(connection_module.MOST_OPERATIONS):
                await talk.send({"op": "unsubscribe", "args": [{"channel": "tickers", "instId": ID}]})
            answers = [await talk.hear() for _ in range(connection_module.MOST_OPERATIONS)]
            assert {answer["event"] for answer in answers} == {"unsubscribe"}
            assert code_of(await talk.subscribe("tickers", instId=ID)) == "60014"

    with serving(market, clock, account=account, rate_limits=True) as url:
        asyncio.run(job(url))


def test_connections_of_a_private_channel_are_counted(private_url):
    async def job():
        async with aiohttp.ClientSession() as session:
            sockets = [await session.ws_connect(f"{streams_of(private_url)}/private") for _ in range(31)]
            answers = []
            for socket in sockets:
                await socket.send_str(json.dumps(login()))
                await socket.receive()
                await socket.send_str(json.dumps({"op": "subscribe", "args": [{"channel": "account"}]}))
                answers.append(json.loads((await socket.receive()).data))
            assert [answer["event"] for answer in answers] == [*["subscribe"] * 30, "channel-conn-count-error"]
            counted = json.loads((await sockets[1].receive()).data)
            assert (counted["event"], counted["channel"], counted["connCount"]) == (
                "channel-conn-count",
                "account",
                "2",
            )

    asyncio.run(job())


def test_a_silent_client_is_left(url, monkeypatch):
    monkeypatch.setattr(connection_module, "IDLE_S", 0.3)

    async def job():
        async with wire(url, "public") as talk:
            for _ in range(4):
                await asyncio.sleep(0.15)
                assert await talk.ask("ping") == "pong"
            assert await talk.hear() == ("closed", 4004)

    asyncio.run(job())


def test_a_page_of_another_origin_is_refused(url):
    async def job():
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
                await session.ws_connect(f"{streams_of(url)}/private", origin="http://evil.example")
            async with session.get(f"{url}/ws/v5/private") as answer:
                assert answer.status == 400

    asyncio.run(job())


def test_the_exchange_stops_under_its_connections(market, clock):
    async def connect(url):
        async with ccxt_pro(url) as okx:
            await okx.watch_ticker("BTC/USDT:USDT")

    async def stop():
        session = aiohttp.ClientSession()
        with serving(market, clock) as url:
            await connect(url)
            socket = await session.ws_connect(f"{streams_of(url)}/public")
        assert (await socket.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
        await session.close()

    asyncio.run(stop())


def test_more_waits_for_a_client_than_may(url, monkeypatch):
    async def job():
        async with wire(url, "public") as talk:
            assert await talk.ask("ping") == "pong"
            monkeypatch.setattr(sending_module, "MOST_WAITING_CHARACTERS", 50)
            await talk.send({"op": "subscribe", "args": [{"channel": "books", "instId": ID}]})
            assert await talk.hear() == ("closed", 4005)

    asyncio.run(job())


@pytest.mark.parametrize(
    ("endpoint", "channel", "code"),
    [("private", "fills", "60029"), ("public", "books50-l2-tbt", "60029"), ("public", "books-l2-tbt", "60030")],
)
def test_channels_of_larger_traders(private_url, endpoint, channel, code):
    async def job():
        async with wire(private_url, endpoint, logged_in=endpoint == "private") as talk:
            await talk.send({"op": "subscribe", "args": [{"channel": channel, "instId": "BTC-USDT-SWAP"}]})
            return await talk.hear()

    answer = asyncio.run(job())
    assert (answer["event"], answer["code"]) == ("error", code)
