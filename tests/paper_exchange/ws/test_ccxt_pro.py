"""The real ccxt.pro client, with nothing changed but the URL."""

import asyncio
from decimal import Decimal

import ccxt
import pytest

from paper_exchange.account.account import Account
from tests.paper_exchange.exchange_server import inject, serving
from tests.paper_exchange.ws.streams import advance, ccxt_pro

BTC, ID = "BTC/USDT:USDT", "BTC-USDT-SWAP"


@pytest.fixture
def private_url(market, clock):
    with serving(market, clock, account=Account(market, clock, Decimal(10_000))) as where:
        yield where


def watching(url, job):
    async def run():
        async with ccxt_pro(url) as okx:
            return await asyncio.wait_for(job(okx), 20)

    return asyncio.run(run())


def test_market_data(url):
    async def job(okx):
        ticker = await okx.watch_ticker(BTC)
        assert ticker["last"] == (await okx.fetch_ticker(BTC))["last"]
        assert (await okx.watch_mark_price(BTC))["markPrice"] > 0
        assert (await okx.watch_funding_rate(BTC))["fundingRate"] is not None
        [trade] = await okx.watch_trades(BTC)
        assert trade["id"] == (await okx.fetch_trades(BTC))[-1]["id"]
        book = await okx.watch_order_book(BTC)
        assert book["bids"][0][0] < book["asks"][0][0]
        assert len(book["bids"]) == 400
        forming_ms = (await okx.watch_ohlcv(BTC, "1m"))[-1][0]
        candles = asyncio.ensure_future(okx.watch_ohlcv(BTC, "1m"))
        await advance(url, by_ms=180_000)
        await candles
        await asyncio.sleep(0.2)
        assert [row[0] - forming_ms for row in okx.ohlcvs[BTC]["1m"]] == [0, 60_000, 120_000, 180_000]
        later = asyncio.ensure_future(okx.watch_trades(BTC))
        await advance(url, by_ms=60_000)
        assert [row["timestamp"] for row in await later][-1] > trade["timestamp"]
        whole = await okx.fetch_order_book(BTC, 400)
        assert [list(level[:2]) for level in okx.orderbooks[BTC]["bids"]] == [row[:2] for row in whole["bids"]]
        assert [list(level[:2]) for level in okx.orderbooks[BTC]["asks"]] == [row[:2] for row in whole["asks"]]

    watching(url, job)


def test_the_account(private_url):
    async def job(okx):
        balance = await okx.watch_balance()
        assert balance["USDT"]["total"] == 10_000
        assert await okx.watch_positions() == []
        orders = asyncio.ensure_future(okx.watch_orders())
        trades = asyncio.ensure_future(okx.watch_my_trades())
        positions = asyncio.ensure_future(okx.watch_positions())
        await asyncio.sleep(0.2)
        placed = await okx.create_order(BTC, "market", "buy", 2, None, {"stopLoss": {"triggerPrice": 10_000}})
        [order] = [row for row in await orders if row["id"] == placed["id"]]
        assert (order["symbol"], order["side"], order["amount"]) == (BTC, "buy", 2)
        [trade] = await trades
        assert (trade["order"], trade["amount"], trade["takerOrMaker"]) == (placed["id"], 2, "taker")
        assert trade["fee"]["cost"] < 0  # as the venue signs it
        [position] = await positions
        assert (position["contracts"], position["side"]) == (2, "long")
        stops = asyncio.ensure_future(okx.watch_orders(params={"trigger": True}))
        await asyncio.sleep(0.3)
        [pending] = await okx.fetch_open_orders(BTC, params={"trigger": True, "ordType": "conditional"})
        await okx.cancel_order(pending["id"], BTC, {"trigger": True})
        [stop] = await stops
        assert (stop["id"], stop["status"]) == (pending["id"], "canceled")
        held = asyncio.ensure_future(okx.watch_positions())
        await okx.create_order(BTC, "market", "sell", 2, None, {"reduceOnly": True})
        gone = await held
        assert {row["contracts"] for row in gone} == {0}

    watching(private_url, job)


def test_a_refused_login(private_url):
    async def job(okx):
        okx.secret = "wrong"
        with pytest.raises(ccxt.AuthenticationError):
            await okx.watch_balance()

    watching(private_url, job)


def test_a_dropped_connection(private_url):
    async def job(okx):
        await okx.watch_balance()
        waiting = asyncio.ensure_future(okx.watch_orders())
        await asyncio.sleep(0.2)
        await asyncio.to_thread(inject, private_url, "ws_drop", "WS private")
        with pytest.raises(ccxt.NetworkError):
            await waiting
        assert (await okx.watch_balance())["USDT"]["total"] == 10_000

    watching(private_url, job)
