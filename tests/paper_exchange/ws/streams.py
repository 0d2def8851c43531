"""WebSocket clients of a paper exchange: ccxt.pro with nothing changed but the URL, and one that sends any text."""

import asyncio
import json
import time
from contextlib import asynccontextmanager

import aiohttp
import ccxt.pro
import requests

from paper_exchange.http.auth import sign
from tests.paper_exchange.exchange_server import client


def streams_of(url):
    return url.replace("http://", "ws://") + "/ws/v5"


@asynccontextmanager
async def ccxt_pro(url):
    """ccxt.pro's own client."""
    okx = client(url, ccxt.pro.okx)
    okx.urls["api"]["ws"] = streams_of(url)
    okx.timeout_on_exit = 0
    try:
        yield okx
    finally:
        await okx.close()


def login(**changes):
    stamp = str(int(time.time()))
    argument = {
        "apiKey": "paper",
        "passphrase": "paper",
        "timestamp": stamp,
        "sign": sign("paper", stamp, "GET", "/users/self/verify", b""),
    }
    return {"op": "login", "args": [{**argument, **changes}]}


class Wire:
    """A bare connection: what is sent and heard, message by message."""

    def __init__(self, socket):
        self.socket = socket

    async def send(self, message):
        await self.socket.send_str(message if isinstance(message, str) else json.dumps(message))

    async def hear(self, seconds=5.0):
        """The next message; a text that is no JSON as it is, a close as ("closed", code)."""
        message = await asyncio.wait_for(self.socket.receive(), seconds)
        if message.type is not aiohttp.WSMsgType.TEXT:
            return ("closed", self.socket.close_code)
        return json.loads(message.data) if message.data.startswith("{") else message.data

    async def ask(self, message):
        await self.send(message)
        return await self.hear()

    async def subscribe(self, channel, **argument):
        """The answer to a subscription."""
        return await self.ask({"op": "subscribe", "args": [{"channel": channel, **argument}]})

    async def hear_all(self, seconds=0.35):
        """All messages until none comes for a while."""
        heard = []
        try:
            while True:
                heard.append(await self.hear(seconds))
        except TimeoutError:
            return heard


@asynccontextmanager
async def wire(url, endpoint, *, logged_in=False):
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{streams_of(url)}/{endpoint}") as socket:
        talk = Wire(socket)
        if logged_in:
            assert (await talk.ask(login()))["event"] == "login"
        yield talk


async def advance(url, **how):
    """Step the exchange's clock, off this loop."""
    answer = await asyncio.to_thread(requests.post, f"{url}/control/advance", json=how)
    answer.raise_for_status()
