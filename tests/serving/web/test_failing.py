"""A server of the API that fails after its start: it is told, nothing listens any more, and trading goes on."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
import uvicorn
from fastapi import FastAPI

from pairity.trading_settings import ServeSettings
from serving.journal.event_records import Severity
from serving.notify import Notifier
from serving.pages import Pages
from serving.presence import Presence
from serving.web import server
from serving.web.app import make_app
from serving.web.server import serve_api
from tests.serving.api_scene import ApiScene, status_sources
from tests.serving.test_api import STATUS

FAULTS = {
    "an error of the system": OSError(24, "Too many open files"),
    "a mistake in a library": RuntimeError("the loop is gone"),
    "a request to exit": SystemExit(1),
}


def fail_at(monkeypatch: pytest.MonkeyPatch, fault: BaseException | None) -> None:
    """Let the servers that are made from now on raise, or end by themselves, at their third tick."""
    plain = server._make_server

    def make(app: FastAPI, settings: ServeSettings) -> uvicorn.Server:
        made: uvicorn.Server = plain(app, settings)
        go_on = made.on_tick

        async def tick(counter: int) -> bool:
            if counter < 3:
                return await go_on(counter)
            if fault is None:
                return True
            raise fault

        monkeypatch.setattr(made, "on_tick", tick)
        return made

    # Not the class: a server of another test that runs in this process would fail as well.
    monkeypatch.setattr(server, "_make_server", make)


def is_refused(url: str) -> bool:
    address = urlsplit(url)
    with socket.socket() as client:
        client.settimeout(2)
        return client.connect_ex((address.hostname, address.port)) != 0


@pytest.mark.parametrize("name", [*FAULTS, "nothing"])
def test_the_failure_of_a_running_server_is_told_once_and_nothing_listens(name, monkeypatch, caplog):
    fault = FAULTS.get(name)
    fail_at(monkeypatch, fault)
    told: list[str] = []

    async def scenario() -> bool:
        async with serve_api(make_app(status_sources(STATUS)), ServeSettings(port=0), told.append) as url:
            assert not is_refused(url)
            until = time.monotonic() + 5
            while not told and time.monotonic() < until:
                await asyncio.sleep(0.02)
            return is_refused(url)

    with caplog.at_level(logging.ERROR, "pairity.api"):
        assert asyncio.run(scenario())
    (why,) = told
    assert why == "it ended by itself" if fault is None else type(fault).__name__ in why
    assert any(f"the status API ended: {why}" in record.message for record in caplog.records)


def test_a_server_that_is_stopped_has_not_failed():
    told: list[str] = []

    async def scenario() -> None:
        async with serve_api(make_app(status_sources(STATUS)), ServeSettings(port=0), told.append):
            pass

    asyncio.run(scenario())
    assert told == []


def test_the_process_has_an_event_of_it_and_goes_on_trading(tmp_path, monkeypatch):
    fail_at(monkeypatch, FAULTS["an error of the system"])
    scene = ApiScene(tmp_path)
    try:
        scene.trade()
        presence = Presence.of(scene.guard.parts)
        settings = scene.settings.model_copy(update={"serve": scene.settings.serve.model_copy(update={"port": 0})})
        urls: list[str] = []

        async def scenario() -> Pages:
            pages = Pages(settings, presence, lambda: 0.0, Notifier(None, None), urls.append)
            await pages.open(needed=True)
            until = time.monotonic() + 5
            while pages.fault is None and time.monotonic() < until:
                await asyncio.sleep(0.02)
            presence.events.flush()
            with suppress(Exception):
                await pages.close()
            return pages

        pages = asyncio.run(scenario())
        assert pages.fault is not None
        (event,) = scene.guard.parts.journal.event_log.page(kind="pages")
        assert event.severity == Severity.WARNING
        assert "the status page and the API ended: OSError: " in event.text
        assert "trading goes on" in event.text
        assert presence.status.causes == {}
    finally:
        scene.close()
