"""The paper exchange over the wire, as a hostile page and a hostile program of this machine meet it."""

from __future__ import annotations

import socket

import pytest

from pairity.local_requests import SECURITY_HEADERS
from paper_exchange.clock import VirtualClock
from paper_exchange.market.synthetic import SyntheticMarket
from tests.hostile_http import EVIL_HEADERS, EVIL_HOSTS, port_of, request, status_of, talk
from tests.paper_exchange.exchange_server import serving

START_MS = 1_767_225_600_000
JSON = "Content-Type: application/json"


@pytest.fixture(scope="module")
def url():
    market = SyntheticMarket(7, START_MS, history_days=1, assets=2)
    with serving(market, VirtualClock("stepped", START_MS)) as address:
        yield address


def test_answers_have_the_security_headers(url):
    for path in ("/api/v5/public/time", "/control/state", "/nowhere"):
        answer = talk(url, request("GET", path, url)).decode().lower()
        for name, value in SECURITY_HEADERS.items():
            assert f"{name.lower()}: {value.lower()}" in answer


@pytest.mark.parametrize("path", ["/api/v5/public/time", "/control/state"])
@pytest.mark.parametrize("host", EVIL_HOSTS)
def test_rebound_names_are_refused(url, path, host):
    assert status_of(talk(url, request("GET", path, url, host=host))) in (400, 403)


@pytest.mark.parametrize("header", EVIL_HEADERS)
def test_pages_of_other_origins_neither_trade_nor_step_the_clock(url, header):
    for method, path, body in (
        ("POST", "/control/advance", b'{"by_ms":1000}'),
        ("POST", "/control/faults", b'{"kind":"reset"}'),
        ("DELETE", "/control/faults", b""),
        ("POST", "/api/v5/trade/order", b"{}"),
        ("GET", "/api/v5/public/time", b""),
    ):
        assert status_of(talk(url, request(method, path, url, header, JSON, body=body))) in (400, 403)
    assert b'"faults_waiting":0' in talk(url, request("GET", "/control/state", url))


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"]
)
@pytest.mark.parametrize("path", ["/control/advance", "/control/faults"])
def test_forms_of_pages_change_nothing(url, path, content_type):
    header = [f"Content-Type: {content_type}"] if content_type else []
    body = b'{"by_ms":1000,"kind":"reset"}'
    assert status_of(talk(url, request("POST", path, url, *header, body=body))) == 403


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"to":' * 50_000,
        b'{"by_ms": 1e400}',
        b'{"by_ms": Infinity}',
        b'{"to": NaN}',
        b'{"by_ms": "' + b"9" * 5_000 + b'"}',
        b'{"kind": "reset", "count": "x"}',
        b"\xff\xfe",
        b"null",
    ],
)
def test_impossible_control_requests_are_refused_in_words(url, body):
    for path in ("/control/advance", "/control/faults"):
        answer = talk(url, request("POST", path, url, JSON, body=body))
        assert status_of(answer) == 400, answer
        assert b"error" in answer


@pytest.mark.parametrize("body", [b"[" * 100_000, b"{" * 100_000, b'{"a":' * 60_000])
def test_nesting_is_a_syntax_error_of_the_venue(url, body):
    answer = talk(url, request("POST", "/api/v5/trade/order", url, JSON, body=body))
    assert status_of(answer) in (400, 401, 404)


@pytest.mark.parametrize("limit", ["1e1000000", "9" * 100_000, "1e-1000000", "NaN", "sNaN", "Infinity"])
def test_numbers_that_would_take_long_are_parameter_errors(url, limit):
    path = f"/api/v5/market/candles?instId=BTC-USDT-SWAP&limit={limit}"
    answer = talk(url, request("GET", path, url))
    assert status_of(answer) in (200, 400, 414, 431)
    assert b"51000" in answer or status_of(answer) != 200


def test_signatures_that_are_not_text_are_refused(url):
    with socket.create_connection(("127.0.0.1", port_of(url)), timeout=10) as connection:
        head = request("GET", "/api/v5/account/balance", url, "OK-ACCESS-PASSPHRASE: x", "OK-ACCESS-TIMESTAMP: x")
        connection.sendall(head.replace(b"\r\n\r\n", b"\r\nOK-ACCESS-KEY: \xff\xfe\r\nOK-ACCESS-SIGN: \xff\r\n\r\n"))
        assert status_of(connection.recv(65_536)) in (400, 401, 404)


def test_what_is_too_large_is_refused(url):
    body = b"{" + b" " * (2 << 20) + b"}"
    assert status_of(talk(url, request("POST", "/api/v5/trade/order", url, JSON, body=body))) in (0, 413)
    assert status_of(talk(url, b"GET / HTTP/1.1\r\nX: " + b"x" * 200_000)) in (0, 400, 431)
    assert status_of(talk(url, request("GET", "/api/v5/public/time", url))) == 200
