"""The status API over the wire, as a hostile page and a hostile program of this machine meet it."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from pairity.connection_limits import ConnectionLimits
from pairity.local_requests import SECURITY_HEADERS
from pairity.trading_settings import ServeSettings
from serving.status import Status
from serving.web import server
from serving.web.app import make_app
from serving.web.server import serve_api
from tests.hostile_http import EVIL_HEADERS, EVIL_HOSTS, port_of, request, status_of, talk
from tests.serving.api_scene import status_sources

STATUS = Status(mode="paper", market="<script>alert(1)</script>", model={"name": "m"}, state="deciding")


@contextmanager
def served(limits=None, **settings):
    before, started, stop, urls, loops = server.LIMITS, threading.Event(), asyncio.Event(), [], []
    server.LIMITS = limits or before

    async def serve():
        loops.append(asyncio.get_running_loop())
        async with serve_api(make_app(status_sources(STATUS)), ServeSettings(port=0, **settings)) as url:
            urls.append(url)
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert started.wait(20)
    try:
        yield urls[0]
    finally:
        server.LIMITS = before
        loops[0].call_soon_threadsafe(stop.set)
        thread.join(10)


@pytest.fixture(scope="module")
def url():
    with served() as address:
        yield address


@pytest.fixture(scope="module")
def guarded():
    with served(status_token="s3cret") as address:
        yield address


PATHS = ("/status", "/health", "/metrics", "/", "/docs")


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_has_the_security_headers(url, path):
    answer = talk(url, request("GET", path, url)).decode()
    for name, value in SECURITY_HEADERS.items():
        assert f"{name.lower()}: {value.lower()}" in answer.lower()
    assert "text/html" not in answer
    assert "server:" not in answer.lower()


def test_pages_that_name_the_server_rightly_are_answered(url):
    for host in ("127.0.0.1:{port}", "localhost:{port}", "[::1]:{port}"):
        assert status_of(talk(url, request("GET", "/status", url, host=host))) == 200


@pytest.mark.parametrize("host", EVIL_HOSTS)
def test_rebound_names_are_refused(url, host):
    answer = talk(url, request("GET", "/status", url, host=host))
    assert status_of(answer) in (400, 403)
    assert b"deciding" not in answer


@pytest.mark.parametrize("header", EVIL_HEADERS)
def test_other_origins_are_refused(url, header):
    answer = talk(url, request("GET", "/status", url, header))
    assert status_of(answer) in (400, 403)
    assert b"deciding" not in answer


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
def test_nothing_but_reading_is_served(url, method):
    assert status_of(talk(url, request(method, "/status", url))) == 405


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Authorization: Bearer s3cret", 200),
        ("authorization: Bearer s3cret", 200),
        ("Authorization: Bearer s3cre", 401),
        ("Authorization: Bearer s3cret2", 401),
        ("Authorization: Basic s3cret", 401),
        ("Authorization: ", 401),
        ("Authorization: Bearer \u00e9", 401),
        ("Authorization: Bearer s3cret\r\nAuthorization: Bearer x", 401),
        ("X: y", 401),
    ],
)
def test_with_a_token_nobody_reads_without_it(guarded, header, expected):
    for path in (*PATHS, "/api/v1/status", "/api/v1/openapi.json", "/api/v1/stream/x"):
        answer = talk(guarded, request("GET", path, guarded, header))
        if path == "/":  # the page holds no data: there is none here, and nobody needs a token to learn that
            assert status_of(answer) == 404
        elif not path.startswith("/api/"):
            assert status_of(answer) == (404 if expected == 200 and path in ("/docs", "/metrics") else expected)
        elif expected == 401:
            assert status_of(answer) == 401
            assert b'{"error": {"what": ' in answer
        assert b"s3cret" not in answer


OVERSIZED = {
    "a long request line": lambda url: [b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n"],
    "a long header": lambda url: [b"GET /status HTTP/1.1\r\nX: " + b"x" * 100_000],
    "many headers": lambda url: [b"GET /status HTTP/1.1\r\n" + b"X: y\r\n" * 20_000],
    "an endless chunked body": lambda url: [
        request("POST", "/status", url, "Transfer-Encoding: chunked"),
        *[b"1000\r\n" + b"x" * 0x1000 + b"\r\n"] * 40,
    ],
    "no HTTP at all": lambda url: [b"\x16\x03\x01" + b"\x00" * 100 + b"\r\n\r\n"],
    "both lengths": lambda url: [
        request("POST", "/status", url, "Content-Length: 4", "Transfer-Encoding: chunked") + b"0\r\n\r\n"
    ],
}


@pytest.mark.parametrize("kind", OVERSIZED)
def test_what_is_too_large_or_malformed_is_refused_at_once(url, kind):
    begun = time.monotonic()
    assert status_of(talk(url, *OVERSIZED[kind](url))) in (0, 400, 403, 405, 413, 431)
    assert time.monotonic() - begun < 5
    assert status_of(talk(url, request("GET", "/health", url))) == 200


def test_ten_thousand_pipelined_requests_are_bounded(url):
    line = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % port_of(url)
    answer = talk(url, line * 10_000, timeout_s=3)
    assert answer.count(b"HTTP/1.1 200") < 10_000
    assert status_of(talk(url, request("GET", "/health", url))) == 200


def test_a_slow_request_and_idle_connections_do_not_keep_the_owner_out():
    quick = ConnectionLimits(connections=8, request_s=0.5, idle_s=0.5, request_bytes=65_536)
    with served(quick) as url:
        idle = [socket.create_connection(("127.0.0.1", port_of(url))) for _ in range(40)]
        slow = socket.create_connection(("127.0.0.1", port_of(url)))
        slow.sendall(b"GET /health HTTP/1.1\r\nHost: 127")
        assert status_of(talk(url, request("GET", "/health", url))) == 200
        slow.settimeout(5)
        with suppress(ConnectionResetError):
            assert slow.recv(100) == b""  # ended, though a byte may still come some day
        for connection in (*idle, slow):
            connection.close()
