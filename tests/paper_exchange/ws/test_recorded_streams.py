"""Pushed rows have the keys of the guide's samples and of recorded messages."""

import asyncio
import json
import os
from decimal import Decimal
from pathlib import Path

import pytest

from paper_exchange.account.account import Account
from tests.paper_exchange.exchange_server import serving
from tests.paper_exchange.signed_requests import ask
from tests.paper_exchange.ws.streams import advance, wire

RECORDED = os.environ.get("PAIRITY_RECORDED_DATA", "")
FOLDER = Path(RECORDED or "/nowhere") / "payloads" / "okx"
ID = "BTC-USDT-SWAP"
FILES = (
    "guide/order__book__trading-trade-ws-order-channel.json",
    "guide/order__book__trading-algo-trading-ws-algo-orders-channel.json",
    "guide/trading__account__websocket-positions-channel.json",
    "guide/trading__account__websocket-account-channel.json",
    "guide/order__book__trading-market-data-ws-order-book-channel.json",
    "guide/order__book__trading-market-data-ws-trades-channel.json",
    "guide/order__book__trading-market-data-ws-tickers-channel.json",
    "guide/order__book__trading-market-data-ws-candlesticks-channel.json",
    "guide/public__data__websocket-funding-rate-channel.json",
    "guide/public__data__websocket-mark-price-channel.json",
    "nautilus_trader/ws_orders.json",
    "nautilus_trader/ws_account_empty.json",
    "nautilus_trader/ws_instruments.json",
    "nautilus_trader/ws_books_snapshot.json",
    "nautilus_trader/ws_trades.json",
)

pytestmark = [
    pytest.mark.recorded,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="PAIRITY_RECORDED_DATA has no payloads of OKX"),
]


def list_samples():
    """(file, channel, keys beside arg and data, keys of the row or its length) of every sample."""
    for name in FILES:
        content = json.loads((FOLDER / name).read_text())
        for message in content.get("examples", [content]):
            if "data" in message:
                row = message["data"][0]
                shape = set(row) if isinstance(row, dict) else len(row)
                yield name, message["arg"]["channel"], set(message) - {"arg", "data"}, shape


def hear_everything(url):
    """The messages of all channels, by channel, of an account that trades."""

    async def job():
        public = {"op": "subscribe", "args": []}
        names = ("tickers", "trades", "books", "books5", "bbo-tbt", "mark-price", "funding-rate")
        public["args"] += [{"channel": name, "instId": ID} for name in names]
        public["args"].append({"channel": "instruments", "instType": "SWAP"})
        heard = []
        async with (
            wire(url, "public") as market,
            wire(url, "private", logged_in=True) as private,
            wire(url, "business", logged_in=True) as business,
        ):
            await market.send(public)
            for channel in ("orders", "positions", "account", "balance_and_position"):
                await private.subscribe(channel, instType="SWAP")
            await business.subscribe("candle1D", instId=ID)
            await business.subscribe("orders-algo", instType="SWAP")
            body = {"instId": ID, "tdMode": "cross", "side": "buy", "ordType": "market", "sz": "2"}
            stops = [{"slTriggerPx": "1000", "slOrdPx": "-1"}]
            await asyncio.to_thread(ask, url, "POST", "trade/order", {**body, "attachAlgoOrds": stops})
            await advance(url, by_ms=60_000)
            for talk in (market, private, business):
                heard += [message for message in await talk.hear_all() if message.get("data")]
        return heard

    messages = {}
    for message in asyncio.run(job()):
        messages.setdefault(message["arg"]["channel"], []).append(message)
    return messages


def test_every_key_of_the_samples(market, clock):
    with serving(market, clock, account=Account(market, clock, Decimal(10_000))) as url:
        messages = hear_everything(url)
    differences = {}
    for name, channel, beside, shape in list_samples():
        for message in messages[channel]:
            own = set(message) - {"arg", "data"}
            row = message["data"][0]
            if name.startswith("guide") and own != beside:
                differences[name, "message"] = own ^ beside
            if isinstance(shape, int):
                assert len(row) == shape
            elif shape - set(row):
                differences[name, channel] = shape - set(row)
    assert differences == {}
