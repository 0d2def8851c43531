"""Requests that the venue refuses as a whole: for a value, a body, a method, a content type or their number.

The codes are in docs/okx-protocol.md. Nothing that is refused may leave a trace on the account.
"""

import pytest

from tests.paper_exchange.handmade_market import BTC
from tests.paper_exchange.http.rules.refusals import CLOSE, LEVER, ORDER, books, without
from tests.paper_exchange.signed_requests import ask, code_of, send

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
