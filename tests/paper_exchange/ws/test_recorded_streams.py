"""Pushed rows have the keys of the guide's samples and of recorded messages."""

import asyncio
import json
import os
from decimal import Decimal
from pathlib import Path

import pytest

from paper_exchange.account.account import Account
from paper_exchange.clock import VirtualClock
from paper_exchange.market.synthetic import SyntheticMarket
from tests.paper_exchange.exchange_server import serving
from tests.paper_exchange.recorded_forms import collect, named
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
    "nautilus_trader/ws_account.json",
    "nautilus_trader/ws_bbo_tbt.json",
    "nautilus_trader/ws_books_update.json",
    "nautilus_trader/ws_candle.json",
    "nautilus_trader/ws_funding_rate.json",
    "nautilus_trader/ws_orders_optimal_limit_ioc.json",
    "nautilus_trader/ws_orders_trigger.json",
    "nautilus_trader/ws_tickers.json",
)

pytestmark = [
    pytest.mark.recorded,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="PAIRITY_RECORDED_DATA has no payloads of OKX"),
]

CHOSEN = named(
    "uid clOrdId algoClOrdId attachAlgoClOrdId algoId ordId posId tag reqId tradeId px actualPx failCode "
    "slTriggerPx slOrdPx slTriggerPxType tpTriggerPx tpOrdPx tpTriggerPxType triggerPx liqPx nextFundingRate "
    "source"
)
"""Fields that follow from what was ordered, are ids, or may be empty; the rate of the next period was known once."""
OF_SPOT = named("tgtCcy tradeQuoteCcy ccy posSide stpMode interest pendingCloseOrdLiabVal")
"""Fields whose samples are of spot and margin, or of swaps alone."""
OF_ISOLATED = named("imr margin usdPx")
BORROWING = named(
    "adjEq availEq borrowFroz delta deltaLever crossLiab isoLiab liab maxLoan notionalLever uplLiab "
    "notionalUsd notionalUsdForBorrow notionalUsdForFutures notionalUsdForOption notionalUsdForSwap ordFroz "
    "upl imr mmr"
)
"""Fields of an account that borrows: the guide's sample of a balance is of one, ours of Futures mode."""
OURS_MORE = {
    "orders": "amendPxOnTriggerType tpOrdKind failReason failCode cancelSourceReason attachAlgoId",
    "orders-algo": "activePx callbackRatio callbackSpread chaseType chaseVal maxChaseType maxChaseVal moveTriggerPx "
    "pxLimit pxSpread pxVar szLimit timeInterval triggerPxType",
    "positions": "quoteBal baseBal bePx usdPx",
    "account": "autoLendMtAmt autoLendStatus maxSpotInUse",
    "funding-rate": "prevFundingTime",
}
"""Keys that the venue's REST rows have and a sample of the guide has not."""


def list_messages():
    """(file, message) of every recorded or sample message with data."""
    for name in FILES:
        content = json.loads((FOLDER / name).read_text())
        for message in content.get("examples", [content]):
            if "data" in message:
                yield name, message


def list_samples():
    """(file, channel, keys beside arg and data, keys of the row or its length) of every sample."""
    for name, message in list_messages():
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
            whole = {**body, "side": "sell", "ordType": "conditional", "closeFraction": "1", "reduceOnly": True}
            whole |= {"sz": "", **stops[0]}
            await asyncio.to_thread(ask, url, "POST", "trade/order", {**body, "attachAlgoOrds": stops})
            await asyncio.to_thread(ask, url, "POST", "trade/order-algo", whole)
            await asyncio.to_thread(ask, url, "POST", "trade/order", {**body, "sz": "1"})
            await advance(url, by_ms=60_000)
            for talk in (market, private, business):
                heard += [message for message in await talk.hear_all() if message.get("data")]
        return heard

    messages = {}
    for message in asyncio.run(job()):
        messages.setdefault(message["arg"]["channel"], []).append(message)
    return messages


@pytest.fixture(scope="module")
def messages():
    start_ms = 1_767_225_600_000 + 9 * 3_600_000
    market = SyntheticMarket(7, start_ms, history_days=3, future_days=2)
    clock = VirtualClock("stepped", start_ms)
    with serving(market, clock, account=Account(market, clock, Decimal(10_000))) as url:
        return hear_everything(url)


def test_every_key_of_the_samples(messages):
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


def test_keys_inside_rows_and_their_forms(messages):
    differences = {}
    for name, sample in list_messages():
        channel, theirs, ours = sample["arg"]["channel"], collect(sample["data"]), {}
        for message in messages[channel]:
            collect(message["data"], "", ours)
        excused = CHOSEN | OF_SPOT | (OF_ISOLATED if channel == "positions" else set())
        excused |= BORROWING if (channel, name[:5]) == ("account", "guide") else set()
        for field, forms in theirs.items():
            if field not in ours:
                differences[name, field] = "missing"
            elif not forms & ours[field] and field not in excused:
                differences[name, field] = (sorted(forms), sorted(ours[field]))
        if name.startswith("guide"):
            more = set(ours) - set(theirs) - set(OURS_MORE.get(channel, "").split())
            if more:
                differences[name, "more"] = sorted(more)
    assert differences == {}
