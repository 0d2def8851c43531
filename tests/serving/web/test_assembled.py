"""The API as the process serves it: reading, actions, metrics, health and the page behind one door."""

from __future__ import annotations

import asyncio
import json
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from serving.journal import TradingState
from serving.pages import make_health, make_routers, make_sources
from serving.presence import Presence
from serving.status import DECIDING
from serving.web.app import make_app
from serving.web.server import serve_api
from tests.serving.api_scene import Client
from tests.serving.guarding import Guard
from tests.serving.tiny_okx import TinyOkx

READING, CONTROL = "a-token-that-reads", "a-token-that-controls"


@pytest.fixture
def guard(tiny: TinyOkx, tmp_path: Path) -> Iterator[Guard]:
    tmp_path.chmod(0o700)
    made = Guard(tiny, tmp_path)
    serve = made.parts.settings.serve.model_validate(
        {"port": 0, "status_token": READING, "control_token": CONTROL, "adopt_positions": False}
    )
    object.__setattr__(made.parts, "settings", made.parts.settings.model_copy(update={"serve": serve}))
    yield made
    made.desk.journal.close()


@pytest.fixture
def client(guard: Guard) -> Iterator[Client]:
    parts = guard.parts
    presence = Presence.of(parts)
    app = make_app(make_sources(presence), make_routers(presence, make_health(presence), lambda: 0.0))
    loop = asyncio.new_event_loop()
    served = serve_api(app, parts.settings.serve)
    try:
        yield Client(loop.run_until_complete(served.__aenter__()))
    finally:
        loop.run_until_complete(served.__aexit__(None, None, None))
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def act(client: Client, token: str | None, **headers: str) -> int:
    connection = HTTPConnection(urlsplit(client.url).netloc, timeout=20)
    sent = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    if token is not None:
        sent["Authorization"] = f"Bearer {token}"
    try:
        body = json.dumps({"reason": "a test", "confirmation": "HALT"})
        connection.request("POST", "/api/v1/actions/halt", body, sent)
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_page_needs_no_token_and_everything_that_holds_data_does(client: Client) -> None:
    assert client.ask("/")[0] == 200
    assert client.ask("/static/js/main.js")[0] == 200
    for path in ("/metrics", "/health/alive", "/status", "/api/v1/status", "/api/v1/openapi.json"):
        assert client.ask(path)[0] == 401
        for token in (READING, CONTROL):
            assert client.ask(path, Authorization=f"Bearer {token}")[0] == 200, path


def test_the_description_has_the_actions_and_every_reading_path(client: Client) -> None:
    paths = client.get("openapi.json", Authorization=f"Bearer {READING}")["paths"]
    assert "post" in paths["/api/v1/actions/{action}"]
    assert {"/api/v1/status", "/api/v1/positions", "/api/v1/events", "/api/v1/trust"} <= set(paths)


def test_every_use_of_an_action_is_journalled_whoever_is_refused(client: Client, guard: Guard) -> None:
    assert act(client, None) == 401
    assert act(client, READING) == 401
    assert act(client, CONTROL, Origin="http://evil.example") == 403
    assert act(client, CONTROL, Host="evil.example") == 403
    assert act(client, CONTROL) == 202
    asyncio.run(guard.watch.look())
    assert guard.supervisor.state is TradingState.HALTED
    log = guard.desk.journal.event_log
    wait_until(lambda: len(log.page(kind="request.refused")) == 4)
    assert len(log.page(kind="request")) == 1
    assert not [event for event in log.page(limit=500) if CONTROL in event.text or READING in event.text]


def test_a_journal_that_is_locked_keeps_no_refusal_waiting(client: Client, guard: Guard) -> None:
    """A reset connection says nothing of a wrong token; the use is journalled as soon as that can be done."""
    with closing(sqlite3.connect(guard.desk.journal.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        assert act(client, "wrong") == 401
        assert time.monotonic() - begun < 2
        other.execute("ROLLBACK")
    wait_until(lambda: guard.desk.journal.event_log.page(kind="request.refused") != [])


def test_an_action_that_is_cut_off_is_a_refused_use_and_no_error_of_the_process(
    client: Client, guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    where = urlsplit(client.url)
    head = f"POST /api/v1/actions/halt HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Bearer {CONTROL}\r\n"
    with socket.create_connection((where.hostname, where.port)) as connection:
        connection.sendall(f'{head}Content-Type: application/json\r\nContent-Length: 90\r\n\r\n{{"reason"'.encode())
        time.sleep(0.3)
    log = guard.desk.journal.event_log
    wait_until(lambda: len(log.page(kind="request.refused")) == 1)
    assert "cut off" in log.page(kind="request.refused")[0].text
    asyncio.run(guard.watch.look())
    assert guard.supervisor.state is TradingState.TRADING
    assert caplog.records == []


def test_who_halts_does_not_wait_behind_those_who_read(client: Client, guard: Guard) -> None:
    guard.status.state = DECIDING  # readers get next to nothing
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            client.ask("/api/v1/status")

    readers = [threading.Thread(target=read, daemon=True) for _ in range(60)]
    for reader in readers:
        reader.start()
    try:
        time.sleep(1)
        begun = time.monotonic()
        assert act(client, CONTROL) == 202
        took_s = time.monotonic() - begun
        assert act(client, "wrong") == 401
        refused_s = time.monotonic() - begun - took_s
    finally:
        over.set()
        for reader in readers:
            reader.join(30)
    assert took_s < refused_s / 2, "and whoever has no token waits like everybody"


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 15
    while not true():
        assert time.monotonic() < until
        time.sleep(0.05)
