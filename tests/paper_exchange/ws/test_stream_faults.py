"""Faults of streams: each strikes what its pattern names, and requests are left alone."""

import asyncio

import aiohttp
import pytest

from tests.paper_exchange.exchange_server import get, inject
from tests.paper_exchange.ws.streams import advance, streams_of, wire

ID = "BTC-USDT-SWAP"
CANDLES = {"channel": "candle1m", "instId": ID}


def on_candles(url, kind, path="WS candle1m", *, minutes=3, count=1, **params):
    """What a subscriber of candles hears over a few minutes: [open times in minutes from the first]."""

    async def job():
        async with wire(url, "business") as talk:
            await talk.subscribe(**CANDLES)
            first = int((await talk.hear())["data"][0][0])
            await asyncio.to_thread(inject, url, kind, path, count, **params)
            for _ in range(minutes):
                await advance(url, by_ms=60_000)
            heard = await talk.hear_all(0.6)
        return [
            (int(m["data"][0][0]) - first) // 60_000 if isinstance(m, dict) and "data" in m else m
            for m in heard
            if not isinstance(m, dict) or m.get("data", [[0] * 9])[0][8] != "1"
        ]

    return asyncio.run(job())


@pytest.mark.slow
def test_without_a_fault(url):
    assert on_candles(url, "ws_lost", "WS tickers") == [1, 2, 3]


@pytest.mark.parametrize(
    ("kind", "params", "heard"),
    [
        pytest.param("ws_delay", {"ms": 100}, [1, 2, 3], marks=pytest.mark.slow),
        ("ws_text", {"text": "[[[[", "repeat": 3}, ["[[[["] * 3 + [1, 2, 3]),
        pytest.param("ws_flood", {"repeat": 3}, [1, 2, 3], marks=pytest.mark.slow),
    ],
)
def test_faults_of_messages(url, kind, params, heard):
    # The first message that is struck is the closed candle: it is not in the list.
    assert on_candles(url, kind, **params) == heard


@pytest.mark.slow
def test_lost_duplicate_and_late_messages(url):
    assert on_candles(url, "ws_lost", count=6, minutes=4) == [4]
    assert on_candles(url, "ws_duplicate", count=4) == [1, 1, 2, 2, 3]
    both = on_candles(url, "ws_out_of_order", count=2, ms=300)
    assert sorted(both) == [1, 2, 3]


def test_a_message_is_overtaken_by_the_next_one(url):
    async def job():
        async with wire(url, "business") as talk:
            await talk.subscribe(**CANDLES)
            await talk.hear()
            await asyncio.to_thread(inject, url, "ws_out_of_order", "candle1m")
            await advance(url, by_ms=60_000)
            return [int(m["data"][0][0]) for m in await talk.hear_all()]

    forming, closed = asyncio.run(job())
    assert forming - closed == 60_000


def test_a_silent_connection_stays_open(url):
    async def job():
        async with wire(url, "public") as talk:
            await asyncio.to_thread(inject, url, "ws_silent", "WS ws/v5/public", ms=500)
            await asyncio.sleep(0.15)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(talk.ask("ping"), 0.2)

    asyncio.run(job())


def test_a_connection_is_cut_and_requests_are_not(url):
    async def job():
        async with wire(url, "public") as talk:
            await asyncio.to_thread(inject, url, "ws_drop", count=None)
            assert (await talk.hear())[0] == "closed"

    asyncio.run(job())
    assert get(url, "public/time")["code"] == "0"


def test_a_notice_and_the_end_that_it_announces(url):
    async def job():
        async with wire(url, "public") as talk:
            await asyncio.to_thread(inject, url, "ws_notice", "WS public", ms=200)
            notice = await talk.hear()
            assert (notice["event"], notice["code"]) == ("notice", "64008")
            assert await talk.ask("ping") == "pong"
            assert await talk.hear() == ("closed", 1001)

    asyncio.run(job())


def test_faults_of_requests_strike_the_handshake(url):
    async def job():
        async with aiohttp.ClientSession() as session:
            await asyncio.to_thread(inject, url, "html_503", "GET ws/v5/private")
            with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
                await session.ws_connect(f"{streams_of(url)}/private")
            await asyncio.to_thread(inject, url, "latency", "ws/v5/private", ms=100)
            await session.ws_connect(f"{streams_of(url)}/private")

    asyncio.run(job())
