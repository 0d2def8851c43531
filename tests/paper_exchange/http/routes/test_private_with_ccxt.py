"""The account through the real ccxt client, sync and async, with only the URL changed."""

import asyncio

import ccxt
import ccxt.async_support
import pytest
import requests

from tests.paper_exchange.conftest import START_MS
from tests.paper_exchange.exchange_server import client, inject

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
STOPS = {"trigger": True, "ordType": "conditional,oco"}
HOUR_MS = 3_600_000


def advance(url, by_ms):
    requests.post(f"{url}/control/advance", json={"by_ms": by_ms}).raise_for_status()


def protected(price):
    return {
        "clientOrderId": "entry1",
        "stopLoss": {"triggerPrice": price * 0.9, "type": "market"},
        "takeProfit": {"triggerPrice": price * 1.1, "type": "market"},
    }


def test_an_entry_with_stops_from_order_to_close(okx, account_url, price):
    okx.set_leverage(3, BTC, {"mgnMode": "cross"})
    assert okx.fetch_leverage(BTC, {"mgnMode": "cross"})["longLeverage"] == 3
    placed = okx.create_order(BTC, "market", "buy", 2, None, protected(price))
    order = okx.fetch_order(placed["id"], BTC)
    assert okx.fetch_order("", BTC, {"clOrdId": "entry1"})["id"] == order["id"]
    assert (order["status"], order["filled"], order["clientOrderId"]) == ("closed", 2, "entry1")
    assert (order["stopLossPrice"], order["takeProfitPrice"]) == (
        float(okx.price_to_precision(BTC, price * 0.9)),
        float(okx.price_to_precision(BTC, price * 1.1)),
    )
    [stop] = okx.fetch_open_orders(BTC, params=STOPS)
    assert (stop["type"], stop["side"], stop["amount"], stop["reduceOnly"]) == ("oco", "sell", 2, True)
    assert okx.fetch_order(stop["id"], BTC, {"trigger": True})["status"] == "open"
    position = okx.fetch_position(BTC)
    assert (position["side"], position["contracts"], position["entryPrice"]) == ("long", 2, order["average"])
    assert (position["marginMode"], position["leverage"]) == ("cross", 3)
    assert position["initialMargin"] == pytest.approx(position["notional"] / 3)
    balance = okx.fetch_balance()["USDT"]
    assert balance["used"] == pytest.approx(position["initialMargin"])
    assert balance["total"] == pytest.approx(10_000 + position["unrealizedPnl"] - order["fee"]["cost"])
    okx.close_position(BTC, None, {"mgnMode": "cross", "clientOrderId": "exit1", "autoCxl": True})
    assert okx.fetch_positions([BTC]) == okx.fetch_open_orders(BTC, params=STOPS) == []
    with pytest.raises(ccxt.NullResponse):
        okx.fetch_position(BTC)
    trades = okx.fetch_my_trades(BTC)
    assert [(t["side"], t["amount"], t["takerOrMaker"]) for t in trades] == [("buy", 2, "taker"), ("sell", 2, "taker")]
    assert [t["id"] for t in okx.fetch_order_trades(order["id"], BTC)] == [trades[0]["id"]]
    assert {o["id"] for o in okx.fetch_closed_orders(BTC)} == {t["order"] for t in trades}
    [closed] = okx.fetch_positions_history([BTC])
    assert closed["realizedPnl"] == pytest.approx(okx.fetch_balance()["USDT"]["total"] - 10_000)


def test_resting_orders_edited_and_cancelled(okx, price):
    low = okx.create_order(BTC, "limit", "buy", 1, price * 0.99, {"clientOrderId": "low1"})
    assert [o["clientOrderId"] for o in okx.fetch_open_orders(BTC)] == ["low1"]
    okx.edit_order(low["id"], BTC, "limit", "buy", 2, price * 0.985)
    order = okx.fetch_order(low["id"], BTC)
    assert (order["amount"], order["status"]) == (2, "open")
    assert order["price"] == float(okx.price_to_precision(BTC, price * 0.985))
    with pytest.raises(ccxt.InvalidOrder, match="51016"):
        okx.create_order(BTC, "limit", "buy", 1, price * 0.99, {"clientOrderId": "low1"})
    other = okx.create_order(BTC, "limit", "buy", 1, price * 0.99)
    okx.cancel_orders([other["id"], "7"], BTC)
    assert okx.fetch_order(other["id"], BTC)["status"] == "canceled"
    okx.cancel_order(None, BTC, {"clOrdId": "low1"})
    with pytest.raises(ccxt.OrderNotFound):
        okx.cancel_order(low["id"], BTC)
    with pytest.raises(ccxt.OrderNotFound):
        okx.fetch_order("7", BTC)
    assert {o["id"] for o in okx.fetch_canceled_orders(BTC)} == {low["id"], other["id"]}
    shy = okx.create_order(BTC, "limit", "buy", 1, price * 1.004, {"postOnly": True})
    assert okx.fetch_order(shy["id"], BTC)["info"]["cancelSource"] == "31"
    for unfilled in ("IOC", "FOK"):
        placed = okx.create_order(BTC, "limit", "buy", 1, price * 0.99, {"timeInForce": unfilled})
        assert okx.fetch_order(placed["id"], BTC)["status"] == "canceled"
    assert okx.fetch_open_orders() == okx.fetch_my_trades(BTC) == []


def test_stand_alone_algo_orders(okx, price):
    okx.create_order(BTC, "market", "buy", 1)
    stop = okx.create_order(BTC, "market", "sell", 1, None, {"stopLossPrice": price * 0.9, "reduceOnly": True})
    target = okx.create_order(BTC, "market", "sell", 1, None, {"takeProfitPrice": price * 1.1, "reduceOnly": True})
    both = okx.create_order(
        BTC, "oco", "sell", 1, None, {"stopLossPrice": price * 0.8, "takeProfitPrice": price * 1.2, "reduceOnly": True}
    )
    trigger = okx.create_order(BTC, "market", "buy", 1, None, {"triggerPrice": price * 1.05, "clientOrderId": "break1"})
    listed = {o["id"]: o["type"] for o in okx.fetch_open_orders(BTC, params=STOPS)}
    assert listed == {stop["id"]: "conditional", target["id"]: "conditional", both["id"]: "oco"}
    [waiting] = okx.fetch_open_orders(BTC, params={"trigger": True})
    assert (waiting["id"], waiting["clientOrderId"], waiting["triggerPrice"]) == (
        trigger["id"],
        "break1",
        float(okx.price_to_precision(BTC, price * 1.05)),
    )
    okx.edit_order(stop["id"], BTC, "conditional", "sell", 1, None, {"stopLossPrice": price * 0.95, "newSlOrdPx": -1})
    assert okx.fetch_order(stop["id"], BTC, {"trigger": True})["stopLossPrice"] == pytest.approx(price * 0.95, rel=1e-4)
    okx.cancel_order(trigger["id"], BTC, {"trigger": True})
    assert okx.fetch_order(trigger["id"], BTC, {"trigger": True})["status"] == "canceled"
    assert okx.fetch_canceled_orders(BTC, params={"trigger": True, "ordType": "trigger"})[0]["id"] == trigger["id"]


def test_funding_ledger_and_fees(okx, account_url):
    okx.create_order(BTC, "market", "sell", 5)
    advance(account_url, 9 * HOUR_MS)
    history = okx.fetch_funding_history(BTC)
    assert len(history) >= 1
    position = okx.fetch_positions([BTC])[0]
    assert sum(row["amount"] for row in history) == pytest.approx(float(position["info"]["fundingFee"]))
    ledger = okx.fetch_ledger("USDT", params={"type": "swap"})
    assert okx.fetch_ledger("USDT") == []  # ccxt then asks for instType SPOT
    assert {entry["type"] for entry in ledger} >= {"trade", "fee"}
    total = okx.fetch_balance()["USDT"]["total"]
    assert ledger[-1]["after"] + position["unrealizedPnl"] == pytest.approx(total)
    fee = okx.fetch_trading_fee(BTC)
    assert (fee["taker"], fee["maker"]) == (0.0005, 0.0002)


def test_a_stop_triggers_as_the_clock_moves(okx, account_url, market, clock, price):
    """Advance minute by minute until the market has touched a stop half a per cent away."""
    level = float(okx.price_to_precision(BTC, price * 0.999))
    okx.create_order(BTC, "market", "buy", 1, None, {"stopLoss": {"triggerPrice": level, "type": "market"}})
    inst = "BTC-USDT-SWAP"
    touched = next(b for b in market.bars(inst, START_MS // 60_000 * 60_000, market.end_ms) if b.low <= level)
    advance(account_url, touched.open_ms + 59_999 - START_MS)
    assert okx.fetch_position(BTC)["contracts"] == 1  # the bar has not closed: its low is not known
    advance(account_url, 1)
    assert okx.fetch_positions([BTC]) == []
    exit_ = okx.fetch_closed_orders(BTC)[-1]
    assert (exit_["info"]["source"], exit_["timestamp"]) == ("7", touched.open_ms + 60_000)
    assert exit_["average"] == pytest.approx(min(level, touched.open), rel=1e-4)


def test_position_mode_and_the_dead_mans_switch(okx, account_url, price):
    assert okx.fetch_position_mode(BTC)["hedged"] is False
    okx.set_position_mode(False)
    order = okx.create_order(BTC, "limit", "buy", 1, price * 0.99)
    with pytest.raises(ccxt.ExchangeError, match="59000"):
        okx.set_position_mode(True)
    with pytest.raises(ccxt.BadRequest):
        okx.cancel_all_orders_after(5_000)
    okx.cancel_all_orders_after(30_000)
    advance(account_url, 31_000)
    assert okx.fetch_order(order["id"], BTC)["info"]["cancelSource"] == "20"


@pytest.mark.parametrize(
    ("arguments", "error", "code"),
    [
        (("market", "buy", 90_000), ccxt.InvalidOrder, "51202"),
        (("limit", "buy", 1, 1_000_000), ccxt.InvalidOrder, "51137"),
        (("market", "buy", 100), ccxt.InsufficientFunds, "51008"),
        (("market", "sell", 1, None, {"reduceOnly": True}), ccxt.ExchangeError, "51169"),
        (("market", "buy", 1, None, {"clientOrderId": "not-allowed"}), ccxt.BadRequest, "51000"),
        (("market", "buy", 1, None, {"stopLoss": {"triggerPrice": 10_000_000}}), ccxt.InvalidOrder, "51280"),
        (("market", "buy", 1, None, {"hedged": True}), ccxt.BadRequest, "51000"),
    ],
)
def test_refusals_reach_the_client_as_its_exceptions(okx, arguments, error, code):
    with pytest.raises(error, match=code):
        okx.create_order(BTC, *arguments)
    assert okx.fetch_positions() == []


def test_a_partial_batch_raises_nothing(okx, price):
    orders = [
        {"symbol": BTC, "type": "limit", "side": "buy", "amount": 1, "price": price * 0.99},
        {"symbol": BTC, "type": "limit", "side": "buy", "amount": 1, "price": price * 2},
    ]
    placed = okx.create_orders(orders)
    assert [order["status"] for order in placed] == [None, "rejected"]
    assert len(okx.fetch_open_orders(BTC)) == 1


def test_a_lost_reply_is_found_again_by_its_client_id(okx, account_url):
    inject(account_url, "reset", "trade/batch-orders")
    with pytest.raises(ccxt.NetworkError):
        okx.create_order(BTC, "market", "buy", 1, None, {"clientOrderId": "lost1"})
    assert okx.fetch_order(None, BTC, {"clOrdId": "lost1"})["status"] == "closed"
    assert okx.fetch_position(BTC)["contracts"] == 1


def test_a_request_that_came_too_late_is_refused(okx):
    okx.headers["expTime"] = str(START_MS - 1)
    with pytest.raises(ccxt.ExchangeError, match="50036"):
        okx.create_order(BTC, "market", "buy", 1)
    okx.headers["expTime"] = str(START_MS + 5_000)
    assert okx.create_order(BTC, "market", "buy", 1)["id"]


def test_the_async_client(account_url):
    async def talk():
        okx = client(account_url, ccxt.async_support.okx)
        try:
            await okx.load_markets()
            price = (await okx.fetch_ticker(BTC))["last"]
            await okx.set_leverage(2, BTC, {"mgnMode": "cross"})
            placed = await okx.create_order(BTC, "market", "buy", 2, None, protected(price))
            order, stops, balance = await asyncio.gather(
                okx.fetch_order(placed["id"], BTC), okx.fetch_open_orders(BTC, params=STOPS), okx.fetch_balance()
            )
            assert (order["filled"], len(stops), balance["USDT"]["total"] < 10_000) == (2, 1, True)
            resting = await okx.create_order(ETH, "limit", "buy", 1, (await okx.fetch_ticker(ETH))["last"] * 0.99)
            await okx.cancel_order(resting["id"], ETH)
            with pytest.raises(ccxt.InsufficientFunds):
                await okx.create_order(BTC, "market", "buy", 100)
            await okx.close_position(BTC, None, {"mgnMode": "cross"})
            assert await okx.fetch_positions() == []
            return len(await okx.fetch_my_trades(BTC))
        finally:
            await okx.close()

    assert asyncio.run(talk()) == 2
