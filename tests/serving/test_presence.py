"""A process that starts is there to be seen and asked: page, health, status, actions and stream, until it trades."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from pairity.layout import Layout
from pairity.settings import Settings
from serving.control.actions import required_word
from serving.control.door import Door
from serving.control.queue import RequestQueue
from serving.journal import TradingState
from serving.notify import Notifier
from serving.pages import Pages
from serving.parts import GuardParts
from serving.presence import Presence
from serving.supervisor import Supervisor
from serving.watch import Watch
from tests.serving.api_scene import ASSETS, ApiScene, Client

TOKEN = "a-token-that-controls"
KEPT_S = 0.6
"""Seconds after which an answer is made anew."""
WHY = "127.0.0.1:9 does not answer"


class Start:
    """A start over a journal with a past, its pages open, its venue away."""

    def __init__(self, home: Path) -> None:
        self.scene = ApiScene(home)
        self.scene.trade()
        serve = self.scene.settings.serve.model_copy(update={"control_token": SecretStr(TOKEN)})
        self.settings = Settings(home=home, universe={"assets": ASSETS}, serve=serve)
        self.presence = Presence(self.settings, "paper")

    @contextmanager
    def serving(self) -> Iterator[Client]:
        urls: list[str] = []
        pages = Pages(self.settings, self.presence, lambda: 0.0, Notifier(None, None), urls.append)
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        try:
            asyncio.run_coroutine_threadsafe(pages.open(needed=True), loop).result(20)
            yield Client(urls[0])
        finally:
            asyncio.run_coroutine_threadsafe(pages.close(), loop).result(20)
            asyncio.run_coroutine_threadsafe(loop.shutdown_default_executor(), loop).result(20)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(20)
            loop.close()

    def begin_trading(self) -> GuardParts:
        """Open what guards, as the opening does: on the status that was shown all the time."""
        parts, presence = self.scene.guard.parts, self.presence
        presence.note_connected()
        supervisor = Supervisor(parts.journal, presence.status, parts.clock.now, parts.progress.say)
        shared = {"status": presence.status, "sightings": presence.sightings, "pulse": presence.pulse}
        guard = replace(parts, supervisor=supervisor, settings=self.settings, **shared)
        presence.attach(guard)
        return guard


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    made = Start(tmp_path)
    yield made
    made.scene.close()


def act(client: Client, action: str, token: str = TOKEN, **more: Any) -> tuple[int, dict[str, Any]]:
    connection = HTTPConnection(urlsplit(client.url).netloc, timeout=20)
    body = {"reason": "a test", "confirmation": required_word(action, more.get("position_id"))} | more  # type: ignore[arg-type]
    try:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        connection.request("POST", f"/api/v1/actions/{action}", json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_a_start_that_waits_says_for_what_since_when_and_why(start: Start) -> None:
    with start.serving() as client:
        start.presence.note_waiting(WHY)
        assert client.ask("/")[0] == 200
        assert client.ask("/health/alive")[0] == 200
        status, _, body = client.ask("/health/trading")
        assert status == 503
        assert b"starting: waiting for the venue since " in body
        shown = client.get("status")
        assert (shown["state"], shown["trading"]) == ("starting", "guarding")
        assert shown["trading_reason"].startswith("starting: waiting for the venue since 2")
        assert shown["trading_reason"].endswith(f" UTC, because {WHY}")
        since = shown["trading_since"]
        start.presence.note_connecting()
        start.presence.note_waiting("it is in maintenance")
        time.sleep(KEPT_S)
        shown = client.get("status")
        assert shown["trading_since"] == since, "it has waited since the first try that failed"
        assert shown["causes"] == {"venue": "it is in maintenance"}
        assert [item["position_id"] for item in client.get("positions")["items"]], "what is held is shown meanwhile"
        metrics = client.ask("/metrics")[2].decode()
        assert "pairity_trading_state 1.0" in metrics


def test_alive_is_a_start_whose_tries_go_on(start: Start) -> None:
    with start.serving() as client:
        start.presence.note_waiting(WHY)
        start.presence.pulse._beat_at -= 3600
        assert client.ask("/health/alive")[0] == 503
        start.presence.note_connecting()
        assert client.ask("/health/alive")[0] == 200


def test_a_halt_at_the_start_holds_and_a_resume_is_refused_with_words(start: Start) -> None:
    with start.serving() as client:
        start.presence.note_waiting(WHY)
        for action in ("resume", "unguard"):
            status, answer = act(client, action)
            assert status == 409
            assert "the process is starting: waiting for the venue since" in answer["error"]["what"]
            assert "halt" in answer["error"]["remedy"]
        assert act(client, "resume", token="wrong")[0] == 401, "who may not act learns nothing"
        status, answer = act(client, "halt")
        assert status == 202
        assert "carried out before anything else" in answer["note"]
        guard = start.begin_trading()
        watch = Watch(guard)
        asyncio.run(watch.look())
        assert guard.supervisor.state is TradingState.HALTED
        time.sleep(KEPT_S)
        assert client.get("status")["trading"] == "halted"
        assert act(client, "resume")[0] == 202, "a process that has started takes it"
        guard.events.flush()
        assert len(guard.journal.event_log.page(kind="request.refused")) == 3, (
            "refused uses of the start are journalled"
        )


def test_a_stream_that_was_opened_at_the_start_goes_on_when_trading_begins(start: Start) -> None:
    with start.serving() as client:
        start.presence.note_waiting(WHY)
        connection = HTTPConnection(urlsplit(client.url).netloc, timeout=20)
        connection.request("GET", "/api/v1/stream")
        stream = connection.getresponse()
        seen = read_until(stream, lambda shown: shown["trading"] == "guarding")
        assert seen["trading_reason"].endswith(WHY)
        start.begin_trading()
        start.presence.status.state = "waiting for the bar that closes at 12:00 UTC"
        seen = read_until(stream, lambda shown: shown["trading"] == "trading")
        assert seen["causes"] == {}
        connection.close()


def read_until(stream: Any, fits: Any) -> dict[str, Any]:
    until, kind = time.monotonic() + 15, ""
    while time.monotonic() < until:
        line = stream.readline().decode().strip()
        if line.startswith("event: "):
            kind = line.removeprefix("event: ")
        elif line.startswith("data: ") and kind == "status" and fits(shown := json.loads(line.removeprefix("data: "))):
            return shown
    raise AssertionError("no such event came")


def test_a_process_that_ends_takes_nothing_and_says_so(start: Start) -> None:
    with start.serving() as client:
        start.begin_trading()
        assert act(client, "guard")[0] == 202
        start.presence.door.close("the process ends, as it was asked to")
        for action in ("halt", "flatten", "guard", "unguard", "resume", "acknowledge-all"):
            status, answer = act(client, action)
            assert status == 409
            assert "the process ends, as it was asked to: nothing is taken any more" in answer["error"]["what"]
            assert "pairity halt" in answer["error"]["remedy"]
        assert len(RequestQueue(Layout.of(start.settings)).list_waiting()) == 1, "and keeps none of them"


def test_what_passes_the_door_is_whole_before_it_closes() -> None:
    door, order = Door(), []
    inside = threading.Event()

    def pass_slowly() -> None:
        with door.passing("halt"):  # type: ignore[arg-type]
            inside.set()
            time.sleep(0.2)
            order.append("written")

    passing = threading.Thread(target=pass_slowly)
    passing.start()
    inside.wait(5)
    door.close("it ends")
    order.append("closed")
    passing.join()
    assert order == ["written", "closed"]
