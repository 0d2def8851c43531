"""Requests that the venue refuses, one row each: what was sent, and the code that comes back.

The codes are in docs/okx-protocol.md. Nothing that is refused may leave a trace on the account.
"""

import pytest

from paper_exchange.account.account import Account
from paper_exchange.clock import VirtualClock
from tests.paper_exchange.exchange_server import serving
from tests.paper_exchange.handmade_market import BTC, ETH, T0, HandmadeMarket, flat
from tests.paper_exchange.signed_requests import ask, code_of, send

ORDER = {"instId": BTC, "tdMode": "cross", "side": "buy", "ordType": "limit", "px": "99", "sz": "1"}
STOP = {
    "instId": BTC,
    "tdMode": "cross",
    "side": "sell",
    "ordType": "conditional",
    "sz": "1",
    "slTriggerPx": "90",
    "slOrdPx": "-1",
    "reduceOnly": "true",
}
LEVER = {"instId": BTC, "lever": "3", "mgnMode": "cross"}
CLOSE = {"instId": BTC, "mgnMode": "cross"}


def without(body, *names):
    return {name: value for name, value in body.items() if name not in names}


@pytest.fixture(scope="module")
def desk():
    market = HandmadeMarket({BTC: flat(100), ETH: flat(100)})
    clock = VirtualClock("stepped", T0)
    account = Account(market, clock, 10_000)
    with serving(market, clock, account=account) as url:
        ids = {}
        for name, inst in (("btc", BTC), ("eth", ETH)):
            placed = ask(url, "POST", "trade/order", {**ORDER, "instId": inst, "clOrdId": f"rests{name}"})
            ids[name] = placed["data"][0]["ordId"]
        algo = ask(url, "POST", "trade/order-algo", {**STOP, "ordType": "trigger", "triggerPx": "105", "orderPx": "-1"})
        ids["algo"] = algo["data"][0]["algoId"]
        yield url, account, ids


def books(account):
    orders = [(o.state, o.size, o.price) for o in account.orders.values()]
    algos = [(a.state, a.size, a.trigger) for a in account.algos.values()]
    return (
        account.ledger.cash,
        orders,
        algos,
        dict(account.leverage),
        dict(account.cancel_all_at),
        dict(account.positions),
    )


ODD = ("1e1", "1E1", "+1", " 1", "1 ", "1_0", "1,000", "0x1", "NaN", "Infinity", ".5", "5.", "١", "one", "--1")
NOT_NUMBERS = (*ODD, "1" * 41, "0." + "1" * 41)


PLACED = [
    *[(without(ORDER, name), "50014") for name in ("instId", "tdMode", "side", "ordType")],
    *[({**ORDER, name: ""}, "50014") for name in ("instId", "tdMode", "side", "ordType")],
    *[({**ORDER, name: None}, "50014") for name in ("instId", "tdMode", "side", "ordType")],
    *[({**ORDER, "sz": text}, "51000") for text in NOT_NUMBERS],
    *[({**ORDER, "px": text}, "51000") for text in NOT_NUMBERS],
    (without(ORDER, "sz"), "51000"),
    ({**ORDER, "sz": "0"}, "51000"),
    ({**ORDER, "sz": "0.00"}, "51000"),
    ({**ORDER, "sz": "-1"}, "51000"),
    ({**ORDER, "sz": True}, "51000"),
    ({**ORDER, "sz": ["1"]}, "51000"),
    ({**ORDER, "sz": {"contracts": 1}}, "51000"),
    ({**ORDER, "sz": "0.015"}, "51121"),
    (without(ORDER, "px"), "51204"),
    ({**ORDER, "px": ""}, "51204"),
    ({**ORDER, "px": "99.05"}, "51006"),
    ({**ORDER, "px": "0"}, "51006"),
    ({**ORDER, "px": "-99"}, "51006"),
    ({**ORDER, "instId": "BTC-USDT"}, "51001"),
    ({**ORDER, "instId": "btc-usdt-swap"}, "51001"),
    ({**ORDER, "instId": "NONE-USDT-SWAP"}, "51001"),
    ({**ORDER, "instId": f"{BTC},{ETH}"}, "50025"),
    ({**ORDER, "instId": 10459}, "51001"),
    ({**ORDER, "tdMode": "Cross"}, "51000"),
    ({**ORDER, "tdMode": "cash"}, "51000"),
    ({**ORDER, "tdMode": "margin"}, "51000"),
    ({**ORDER, "side": "BUY"}, "51000"),
    ({**ORDER, "side": "long"}, "51000"),
    ({**ORDER, "posSide": "long"}, "51000"),
    ({**ORDER, "posSide": "short"}, "51000"),
    ({**ORDER, "posSide": "both"}, "51000"),
    ({**ORDER, "ordType": "LIMIT"}, "51000"),
    ({**ORDER, "ordType": "stop"}, "51000"),
    ({**ORDER, "ordType": "conditional"}, "51000"),
    ({**ORDER, "clOrdId": "with-dash"}, "51000"),
    ({**ORDER, "clOrdId": "under_score"}, "51000"),
    ({**ORDER, "clOrdId": "a" * 33}, "51000"),
    ({**ORDER, "clOrdId": "ü"}, "51000"),
    ({**ORDER, "clOrdId": ["a"]}, "51000"),
    ({**ORDER, "clOrdId": "restsbtc"}, "51016"),
    ({**ORDER, "tag": "t" * 17}, "51000"),
    ({**ORDER, "tag": "a b"}, "51000"),
    ({**ORDER, "reduceOnly": "yes"}, "51000"),
    ({**ORDER, "reduceOnly": 1}, "51000"),
    ({**ORDER, "reduceOnly": "True"}, "51000"),
    ({**ORDER, "reduceOnly": True}, "51169"),
    ({**ORDER, "stpMode": "none"}, "51000"),
    ({**ORDER, "pxAmendType": "2"}, "51000"),
    ({**ORDER, "tgtCcy": "quote"}, "51000"),
    ({**ORDER, "banAmend": "maybe"}, "51000"),
    ({**ORDER, "attachAlgoOrds": "none"}, "51000"),
    ({**ORDER, "attachAlgoOrds": {"slTriggerPx": "90"}}, "51000"),
    ({**ORDER, "attachAlgoOrds": ["90"]}, "51000"),
    ({**ORDER, "attachAlgoOrds": [{"slTriggerPx": "9e1", "slOrdPx": "-1"}]}, "51000"),
    ({**ORDER, "attachAlgoOrds": [{"slTriggerPx": "90", "slOrdPx": "-1", "attachAlgoClOrdId": "x-1"}]}, "51000"),
    ({**ORDER, "attachAlgoOrds": [{"tpTriggerRatio": "0.1", "tpOrdPx": "-1"}]}, "51000"),
    ({**ORDER, "attachAlgoOrds": [{"slTriggerPx": "90", "slOrdPx": "-1", "callbackRatio": "0.1"}]}, "51000"),
    ({**ORDER, "attachAlgoOrds": [{"slTriggerPx": "90", "slOrdPx": "-1", "slTriggerPxType": "bid"}]}, "51000"),
]


@pytest.mark.parametrize(("body", "code"), PLACED)
@pytest.mark.parametrize("path", ["trade/order", "trade/batch-orders"])
def test_orders(desk, path, body, code):
    url, account, _ = desk
    before = books(account)
    answer = ask(url, "POST", path, [body] if "batch" in path else body)
    assert code_of(answer) == code, answer
    assert answer["code"] == "1"
    assert books(account) == before


ALGOS = [
    *[(without(STOP, name), "50014") for name in ("instId", "tdMode", "side", "ordType")],
    *[({**STOP, "slTriggerPx": text}, "51000") for text in NOT_NUMBERS],
    (without(STOP, "slTriggerPx"), "51000"),
    (without(STOP, "sz"), "51000"),
    ({**STOP, "instId": "NONE-USDT-SWAP"}, "51001"),
    ({**STOP, "ordType": "limit"}, "51000"),
    ({**STOP, "ordType": "oco"}, "51000"),
    ({**STOP, "posSide": "long"}, "51000"),
    ({**STOP, "slTriggerPx": "0"}, "51000"),
    ({**STOP, "slOrdPx": "-2"}, "51000"),
    ({**STOP, "slOrdPx": "market"}, "51000"),
    ({**STOP, "slTriggerPxType": "Mark"}, "51000"),
    ({**STOP, "slTriggerPx": "110"}, "51280"),
    ({**STOP, "algoClOrdId": "x-1"}, "51000"),
    ({**STOP, "algoClOrdId": "a" * 33}, "51000"),
    ({**STOP, "closeFraction": "0.5"}, "51000"),
    ({**STOP, "closeFraction": "all"}, "51000"),
    ({**STOP, "cxlOnClosePos": "yes"}, "51000"),
    ({**STOP, "tpOrdKind": "market"}, "51000"),
    ({**STOP, "ordType": "trigger", "triggerPx": ""}, "51000"),
    ({**STOP, "ordType": "trigger", "triggerPx": "1e2"}, "51000"),
    ({**STOP, "ordType": "trigger", "triggerPx": "105", "triggerPxType": "ask"}, "51000"),
    ({**STOP, "ordType": "trigger", "triggerPx": "105", "advanceOrdType": "gtc"}, "51000"),
    ({**STOP, "ordType": "trigger", "triggerPx": "105", "advanceOrdType": "fok"}, "51000"),
    ({**STOP, "ordType": "move_order_stop"}, "50015"),
    ({**STOP, "ordType": "move_order_stop", "callbackRatio": "1%"}, "51000"),
]


@pytest.mark.parametrize(("body", "code"), ALGOS)
def test_algo_orders(desk, body, code):
    url, account, _ = desk
    before = books(account)
    answer = ask(url, "POST", "trade/order-algo", body)
    assert (answer["code"], code_of(answer)) == ("1", code), answer
    assert "inTime" not in answer
    assert books(account) == before


CHANGES = [
    ("trade/cancel-order", {"ordId": "{btc}"}, "50014"),
    ("trade/cancel-order", {"clOrdId": "restsbtc"}, "50014"),
    ("trade/cancel-order", {"instId": BTC}, "51407"),
    ("trade/cancel-order", {"instId": ETH, "ordId": "{btc}"}, "51400"),
    ("trade/cancel-order", {"instId": ETH, "clOrdId": "restsbtc"}, "51400"),
    ("trade/cancel-order", {"instId": "NONE-USDT-SWAP", "ordId": "{btc}"}, "51001"),
    ("trade/cancel-order", {"instId": BTC, "ordId": "12ab"}, "51000"),
    ("trade/cancel-order", {"instId": BTC, "ordId": "7"}, "51400"),
    ("trade/cancel-order", {"instId": BTC, "clOrdId": "not-mine"}, "51000"),
    ("trade/cancel-order", {"instId": BTC, "ordId": "{algo}"}, "51400"),
    ("trade/amend-order", {"ordId": "{btc}", "newSz": "2"}, "50014"),
    ("trade/amend-order", {"instId": BTC, "newSz": "2"}, "51003"),
    ("trade/amend-order", {"instId": ETH, "ordId": "{btc}", "newSz": "2"}, "51503"),
    ("trade/amend-order", {"instId": ETH, "clOrdId": "restsbtc", "newSz": "2"}, "51503"),
    ("trade/amend-order", {"instId": BTC, "ordId": "7", "newSz": "2"}, "51503"),
    ("trade/amend-order", {"instId": BTC, "ordId": "{btc}"}, "51500"),
    ("trade/amend-order", {"instId": BTC, "ordId": "{btc}", "newSz": "2e0"}, "51000"),
    ("trade/amend-order", {"instId": BTC, "ordId": "{btc}", "newSz": "0.015"}, "51121"),
    ("trade/amend-order", {"instId": BTC, "ordId": "{btc}", "newPx": "low"}, "51000"),
    ("trade/amend-order", {"instId": BTC, "ordId": "{btc}", "newPx": "99.01"}, "51006"),
    ("trade/amend-order", {"instId": BTC, "ordId": "{btc}", "newSz": "2", "cxlOnFail": "no"}, "51000"),
    ("trade/amend-order", {"instId": BTC, "ordId": "{btc}", "newSz": "2", "reqId": "r-1"}, "51000"),
    ("trade/cancel-algos", {"algoId": "{algo}"}, "50014"),
    ("trade/cancel-algos", {"instId": "NONE-USDT-SWAP", "algoId": "{algo}"}, "51001"),
    ("trade/cancel-algos", {"instId": ETH, "algoId": "{algo}"}, "51400"),
    ("trade/cancel-algos", {"instId": BTC}, "51003"),
    ("trade/cancel-algos", {"instId": BTC, "algoId": "{btc}"}, "51400"),
    ("trade/cancel-algos", {"instId": BTC, "algoId": "x"}, "51000"),
    ("trade/amend-algos", {"algoId": "{algo}", "newSz": "2"}, "50014"),
    ("trade/amend-algos", {"instId": ETH, "algoId": "{algo}", "newSz": "2"}, "51503"),
    ("trade/amend-algos", {"instId": BTC, "algoId": "7", "newSz": "2"}, "51503"),
    ("trade/amend-algos", {"instId": BTC, "newSz": "2"}, "51003"),
    ("trade/amend-algos", {"instId": BTC, "algoId": "{algo}", "newSz": "two"}, "51000"),
    ("trade/amend-algos", {"instId": BTC, "algoId": "{algo}", "newTriggerPxType": "bid"}, "51000"),
]


@pytest.mark.parametrize(("path", "body", "code"), CHANGES)
def test_cancelling_and_amending(desk, path, body, code):
    url, account, ids = desk
    before = books(account)
    sent = {name: value.format(**ids) for name, value in body.items()}
    answer = ask(url, "POST", path, [sent] if path == "trade/cancel-algos" else sent)
    assert (answer["code"], code_of(answer)) == ("1", code), answer
    assert books(account) == before


POSTS = [
    ("account/set-leverage", without(LEVER, "lever"), "50014"),
    ("account/set-leverage", without(LEVER, "mgnMode"), "50014"),
    ("account/set-leverage", without(LEVER, "instId"), "50014"),
    ("account/set-leverage", {**LEVER, "lever": "three"}, "51000"),
    ("account/set-leverage", {**LEVER, "lever": "0"}, "51000"),
    ("account/set-leverage", {**LEVER, "lever": "0.5"}, "59105"),
    ("account/set-leverage", {**LEVER, "lever": "101"}, "59102"),
    ("account/set-leverage", {**LEVER, "mgnMode": "both"}, "51000"),
    ("account/set-leverage", {**LEVER, "posSide": "long"}, "51000"),
    ("account/set-leverage", {**LEVER, "instId": "NONE-USDT-SWAP"}, "51001"),
    ("account/set-leverage", LEVER, "59107"),
    ("account/set-position-mode", {"posMode": "hedge"}, "51000"),
    ("account/set-position-mode", {"mode": "net_mode"}, "50014"),
    ("account/set-position-mode", {"posMode": "long_short_mode"}, "59000"),
    ("account/position/margin-balance", {"instId": BTC, "posSide": "net", "type": "add", "amt": "1"}, "59300"),
    ("account/position/margin-balance", {"instId": BTC, "posSide": "net", "type": "put", "amt": "1"}, "51000"),
    ("account/position/margin-balance", {"instId": BTC, "posSide": "net", "type": "add", "amt": "-1"}, "51000"),
    ("account/position/margin-balance", {"instId": BTC, "posSide": "long", "type": "add", "amt": "1"}, "51000"),
    ("account/position/margin-balance", {"instId": BTC, "type": "add", "amt": "1"}, "50014"),
    ("trade/close-position", without(CLOSE, "instId"), "50014"),
    ("trade/close-position", without(CLOSE, "mgnMode"), "50014"),
    ("trade/close-position", {**CLOSE, "posSide": "long"}, "51000"),
    ("trade/close-position", {**CLOSE, "autoCxl": "1"}, "51000"),
    ("trade/close-position", {**CLOSE, "clOrdId": "x y"}, "51000"),
    ("trade/close-position", {**CLOSE, "instId": "NONE-USDT-SWAP"}, "51001"),
    ("trade/close-position", CLOSE, "51023"),
    ("trade/cancel-all-after", {"tag": "a"}, "50014"),
    ("trade/cancel-all-after", {"timeOut": "5"}, "51000"),
    ("trade/cancel-all-after", {"timeOut": "121"}, "51000"),
    ("trade/cancel-all-after", {"timeOut": "30.5"}, "51000"),
    ("trade/cancel-all-after", {"timeOut": "-30"}, "51000"),
    ("trade/cancel-all-after", {"timeOut": "30", "tag": "a-b"}, "51000"),
]


@pytest.mark.parametrize(("path", "body", "code"), POSTS)
def test_requests_that_are_refused_as_a_whole(desk, path, body, code):
    url, account, _ = desk
    before = books(account)
    answer = ask(url, "POST", path, body)
    assert (answer["code"], answer["data"]) == (code, []), answer
    assert books(account) == before


READS = [
    ("trade/order", {"ordId": "{btc}"}, "50014"),
    ("trade/order", {"instId": BTC}, "51003"),
    ("trade/order", {"instId": ETH, "ordId": "{btc}"}, "51603"),
    ("trade/order", {"instId": ETH, "clOrdId": "restsbtc"}, "51603"),
    ("trade/order", {"instId": "NONE-USDT-SWAP", "ordId": "{btc}"}, "51001"),
    ("trade/order", {"instId": BTC, "ordId": "abc"}, "51000"),
    ("trade/order", {"instId": BTC, "clOrdId": "not-mine"}, "51000"),
    ("trade/order", {"instId": BTC, "clOrdId": "nobodys"}, "51603"),
    ("trade/orders-pending", {"instType": "SWAPS"}, "51000"),
    ("trade/orders-pending", {"instType": "swap"}, "51000"),
    ("trade/orders-pending", {"instType": "ANY"}, "51000"),
    ("trade/orders-pending", {"instId": "NONE-USDT-SWAP"}, "51001"),
    ("trade/orders-pending", {"instType": "SPOT", "instId": BTC}, "51015"),
    ("trade/orders-pending", {"state": "filled"}, "51000"),
    ("trade/orders-pending", {"state": "open"}, "51000"),
    ("trade/orders-pending", {"ordType": "stop"}, "51000"),
    ("trade/orders-pending", {"limit": "0"}, "51000"),
    ("trade/orders-pending", {"limit": "-1"}, "51000"),
    ("trade/orders-pending", {"limit": "1.5"}, "51000"),
    ("trade/orders-pending", {"after": "yesterday"}, "51000"),
    ("trade/orders-pending", {"before": "-1"}, "51000"),
    ("trade/orders-pending", {"instFamily": "BTC"}, "51000"),
    ("trade/orders-history", {}, "50014"),
    ("trade/orders-history", {"instId": BTC}, "50014"),
    ("trade/orders-history", {"instType": "SWAP", "state": "live"}, "51000"),
    ("trade/orders-history", {"instType": "SWAP", "category": "liquidation"}, "51000"),
    ("trade/orders-history", {"instType": "SWAP", "begin": "2026-01-01"}, "51000"),
    ("trade/orders-history-archive", {}, "50014"),
    ("trade/orders-history-archive", {"instType": "SWAP", "end": "1e12"}, "51000"),
    ("trade/fills", {"instType": "PERP"}, "51000"),
    ("trade/fills", {"ordId": "x"}, "51000"),
    ("trade/fills-history", {}, "50014"),
    ("trade/fills-history", {"instType": "SWAP", "subType": "buy"}, "51000"),
    ("trade/fills-history", {"instType": "SWAP", "begin": "-5"}, "51000"),
    ("trade/order-algo", {}, "51003"),
    ("trade/order-algo", {"algoId": "x"}, "51000"),
    ("trade/order-algo", {"algoId": "7"}, "51603"),
    ("trade/orders-algo-pending", {}, "50014"),
    ("trade/orders-algo-pending", {"ordType": "limit"}, "51000"),
    ("trade/orders-algo-pending", {"ordType": "oco,limit"}, "51000"),
    ("trade/orders-algo-pending", {"ordType": "oco,trigger"}, "51000"),
    ("trade/orders-algo-history", {"ordType": "oco"}, "51000"),
    ("trade/orders-algo-history", {"ordType": "oco", "state": "live"}, "51000"),
    ("trade/orders-algo-history", {"state": "canceled"}, "50014"),
    ("account/positions", {"instType": "SWAPS"}, "51000"),
    ("account/positions", {"instId": "NONE-USDT-SWAP"}, "51001"),
    ("account/positions", {"instId": ",".join([BTC] * 11)}, "50025"),
    ("account/positions", {"instId": f"{BTC},"}, "51000"),
    ("account/positions-history", {"type": "9"}, "51000"),
    ("account/positions-history", {"mgnMode": "net"}, "51000"),
    ("account/positions-history", {"posId": "x"}, "51000"),
    ("account/balance", {"ccy": "USDT,"}, "51000"),
    ("account/balance", {"ccy": "US DT"}, "51000"),
    ("account/leverage-info", {"instId": BTC}, "50014"),
    ("account/leverage-info", {"mgnMode": "cross"}, "50014"),
    ("account/leverage-info", {"instId": BTC, "mgnMode": "all"}, "51000"),
    ("account/leverage-info", {"instId": ",".join([BTC] * 21), "mgnMode": "cross"}, "50025"),
    ("account/leverage-info", {"instId": "NONE-USDT-SWAP", "mgnMode": "cross"}, "51001"),
    ("account/max-size", {"instId": BTC}, "50014"),
    ("account/max-size", {"tdMode": "cross"}, "50014"),
    ("account/max-size", {"instId": BTC, "tdMode": "cash"}, "51000"),
    ("account/max-size", {"instId": BTC, "tdMode": "cross", "px": "0"}, "51000"),
    ("account/max-size", {"instId": BTC, "tdMode": "cross", "leverage": "101"}, "51000"),
    ("account/max-size", {"instId": ",".join([BTC] * 6), "tdMode": "cross"}, "50025"),
    ("account/max-avail-size", {"instId": BTC}, "50014"),
    ("account/max-avail-size", {"instId": BTC, "tdMode": "cross", "reduceOnly": "x"}, "51000"),
    ("account/max-avail-size", {"instId": "NONE-USDT-SWAP", "tdMode": "cross"}, "51001"),
    ("account/bills", {"type": "funding"}, "51000"),
    ("account/bills", {"ctType": "quanto"}, "51000"),
    ("account/bills", {"mgnMode": "net"}, "51000"),
    ("account/bills", {"begin": "x"}, "51000"),
    ("account/bills-archive", {"instType": "ALL"}, "51000"),
    ("account/bills-archive", {"limit": "many"}, "51000"),
    ("account/trade-fee", {}, "50014"),
    ("account/trade-fee", {"instType": "PERPETUAL"}, "51000"),
    ("account/instruments", {}, "50014"),
    ("account/instruments", {"instType": "SWAP", "instId": "NONE-USDT-SWAP"}, "51001"),
    ("account/account-position-risk", {"instType": "ALL"}, "51000"),
    ("public/instruments", {}, "50014"),
    ("public/instruments", {"instType": "swap"}, "51000"),
    ("public/instruments", {"instType": "OPTION"}, "50015"),
    ("public/instruments", {"instType": "SPOT", "instId": BTC}, "51015"),
    ("public/underlying", {}, "50014"),
    ("public/underlying", {"instType": "SPOT"}, "51000"),
    ("public/position-tiers", {"instType": "SWAP", "instFamily": "BTC-USDT"}, "50014"),
    ("public/position-tiers", {"instType": "SWAP", "tdMode": "cross"}, "50015"),
    ("public/position-tiers", {"instType": "SWAP", "tdMode": "cash", "instFamily": "BTC-USDT"}, "51000"),
    ("public/price-limit", {}, "50014"),
    ("public/price-limit", {"instId": "NONE-USDT-SWAP"}, "51001"),
    ("public/funding-rate", {}, "50014"),
    ("public/funding-rate", {"instId": "NONE-USDT-SWAP"}, "51001"),
    ("public/funding-rate-history", {}, "50014"),
    ("public/funding-rate-history", {"instId": BTC, "after": "x"}, "51000"),
    ("public/mark-price", {"instType": "SWAPS"}, "51000"),
    ("public/open-interest", {}, "50014"),
    ("public/open-interest", {"instType": "SWAP", "instId": "NONE-USDT-SWAP"}, "51001"),
    ("public/premium-history", {}, "50014"),
    ("market/ticker", {}, "50014"),
    ("market/ticker", {"instId": "BTC-USDT"}, "51001"),
    ("market/tickers", {}, "50014"),
    ("market/tickers", {"instType": "ANY"}, "51000"),
    ("market/books", {}, "50014"),
    ("market/books", {"instId": BTC, "sz": "0"}, "51000"),
    ("market/books", {"instId": BTC, "sz": "-5"}, "51000"),
    ("market/books", {"instId": BTC, "sz": "all"}, "51000"),
    ("market/trades", {"instId": BTC, "limit": "0"}, "51000"),
    ("market/history-trades", {"instId": BTC, "type": "3"}, "51000"),
    ("market/history-trades", {"instId": BTC, "type": "2", "before": "1"}, "50039"),
    ("market/candles", {}, "50014"),
    ("market/candles", {"instId": BTC, "bar": "1h"}, "51000"),
    ("market/candles", {"instId": BTC, "bar": "7m"}, "51000"),
    ("market/candles", {"instId": BTC, "bar": "1mutc"}, "51000"),
    ("market/candles", {"instId": BTC, "after": "now"}, "51000"),
    ("market/candles", {"instId": BTC, "limit": "-1"}, "51000"),
    ("market/candles", {"instId": "NONE-USDT-SWAP"}, "51001"),
    ("market/index-candles", {"instId": BTC}, "51001"),
    ("market/index-tickers", {}, "50015"),
    ("market/index-tickers", {"instId": "NONE-USDT"}, "51001"),
    ("market/index-tickers", {"quoteCcy": "EUR"}, "51000"),
    ("system/status", {"state": "fine"}, "51000"),
    ("rubik/stat/taker-volume-contract", {}, "50014"),
    ("rubik/stat/taker-volume-contract", {"instId": BTC, "period": "7m"}, "51000"),
    ("rubik/stat/taker-volume-contract", {"instId": BTC, "unit": "3"}, "51000"),
    ("rubik/stat/taker-volume", {"ccy": "BTC"}, "50014"),
    ("rubik/stat/taker-volume", {"ccy": "BTC", "instType": "SWAP"}, "51000"),
    ("rubik/stat/contracts/long-short-account-ratio", {}, "50014"),
    ("rubik/stat/contracts/long-short-account-ratio", {"ccy": "NONE"}, "51012"),
    ("rubik/stat/contracts/long-short-account-ratio", {"ccy": "BTC", "period": "15m"}, "51000"),
    ("rubik/stat/contracts/long-short-account-ratio-contract", {"instId": "BTC"}, "51001"),
    ("rubik/stat/contracts/open-interest-history", {"instId": BTC, "begin": "x"}, "51000"),
]


@pytest.mark.parametrize(("path", "query", "code"), READS)
def test_reads(desk, path, query, code):
    url, _, ids = desk
    answer = ask(url, "GET", path, {name: value.format(**ids) for name, value in query.items()})
    assert (answer["code"], answer["data"]) == (code, []), answer
    assert answer["msg"]


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("trade/order", b"", 400, "50000"),
        ("trade/batch-orders", b"[]", 400, "50000"),
        ("trade/order", b"{", 400, "50002"),
        ("trade/order", b"instId=BTC", 400, "50002"),
        ("trade/order", b'"text"', 400, "50002"),
        ("trade/order", b"7", 400, "50002"),
        ("trade/order", b"null", 400, "50002"),
        ("trade/order", b"[{}]", 400, "50002"),  # an array where one order belongs
        ("trade/batch-orders", b"{}", 400, "50002"),
        ("trade/batch-orders", b"[1]", 400, "50002"),
        ("trade/batch-orders", b"[[]]", 400, "50002"),
        ("trade/cancel-batch-orders", b"{}", 400, "50002"),
        ("trade/amend-batch-orders", b"{}", 400, "50002"),
        ("trade/cancel-algos", b"{}", 400, "50002"),
        ("trade/cancel-order", b"[{}]", 400, "50002"),
        ("account/set-leverage", b"[{}]", 400, "50002"),
        ("trade/order", b"{\xff}", 400, "50002"),
        ("trade/order", b"[" * 200_000, 400, "50002"),
    ],
)
def test_bodies(desk, path, body, status, code):
    url, account, _ = desk
    before = books(account)
    answer = send(url, "POST", path, body=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert books(account) == before


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/xml", None])
def test_content_types(desk, kind):
    url, _, _ = desk
    answer = send(url, "POST", "trade/order", ORDER, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["code"]) == (400, "50006")


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_json_may_say_its_charset(desk, kind):
    url, _, _ = desk
    answer = send(url, "POST", "trade/order", {**ORDER, "sz": "x"}, headers={"Content-Type": kind})
    assert code_of(answer.json()) == "51000"


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "trade/cancel-order"), ("POST", "account/balance"), ("PUT", "trade/order"), ("DELETE", "trade/order")],
)
def test_methods(desk, method, path):
    url, _, _ = desk
    answer = send(url, method, path, {} if method == "POST" else None)
    assert (answer.status_code, answer.json()["code"]) == (405, "50115")


def test_batches_are_bounded(desk):
    url, account, _ = desk
    before = books(account)
    assert ask(url, "POST", "trade/batch-orders", [ORDER] * 21)["code"] == "51111"
    assert ask(url, "POST", "trade/amend-batch-orders", [{"instId": BTC, "ordId": "1"}] * 21)["code"] == "51111"
    assert ask(url, "POST", "trade/cancel-batch-orders", [{"instId": BTC, "ordId": "1"}] * 21)["code"] == "51111"
    assert ask(url, "POST", "trade/cancel-algos", [{"instId": BTC, "algoId": "1"}] * 11)["code"] == "51111"
    assert books(account) == before


def test_what_clients_leave_unset_or_add_of_their_own_is_ignored(desk):
    """python-okx sends unset fields as "" and null, ccxt a stray clientOrderId."""
    url, account, _ = desk
    before = len(account.orders)
    body = {**ORDER, "posSide": "", "tag": None, "ccy": "", "clientOrderId": "stray-id!", "attachAlgoOrds": None}
    assert ask(url, "POST", "trade/order", body)["code"] == "0"
    assert ask(url, "GET", "trade/orders-pending", {"instType": "", "unknown": "x"})["code"] == "0"
    assert len(account.orders) == before + 1


def test_a_refusal_names_what_the_client_named(desk):
    url, _, _ = desk
    answer = ask(url, "POST", "trade/batch-orders", [{**ORDER, "clOrdId": "mine1", "tag": "t1", "side": "up"}])
    [element] = answer["data"]
    assert (element["clOrdId"], element["tag"], element["ordId"]) == ("mine1", "t1", "")
    assert element["sMsg"] == "Parameter side error"
