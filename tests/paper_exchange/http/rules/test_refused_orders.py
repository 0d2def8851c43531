"""Orders, triggers and changes of them that the venue refuses: what was sent, and the code that comes back."""

import pytest

from tests.paper_exchange.handmade_market import BTC, ETH
from tests.paper_exchange.http.rules.refusals import ORDER, STOP, books, without
from tests.paper_exchange.signed_requests import ask, code_of

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
