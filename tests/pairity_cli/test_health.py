"""`pairity health` asks the process of this machine: what a container and a script need of it is the exit code."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from pairity.trading_settings import ServeSettings
from pairity_cli.main import main
from serving.health import Health, Pulse
from serving.status import Status
from serving.web.app import make_app
from serving.web.health_routes import make_health_router
from serving.web.server import serve_api
from tests.serving.api_scene import status_sources
from tests.serving.trading import T0

TOKEN = "a-reading-token"


@contextmanager
def process(status: Status) -> Iterator[int]:
    """Serve a process's health from a thread; yield its port."""
    health = Health(status=lambda: status, now=lambda: T0, pulse=Pulse(), serve=ServeSettings(), started_at=lambda: T0)
    ready, port = threading.Event(), [0]
    stop = asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        app = make_app(status_sources(status), [make_health_router(health)])
        async with serve_api(app, ServeSettings(port=0, status_token=SecretStr(TOKEN))) as url:
            port[0] = int(url.rpartition(":")[2])
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(20)
    try:
        yield port[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o700)
    monkeypatch.setenv("PAIRITY_HOME", str(tmp_path))
    monkeypatch.setenv("PAIRITY_SERVE__STATUS_TOKEN", TOKEN)


def ask(port: int, *arguments: str) -> tuple[int, str]:
    found = CliRunner().invoke(main, ["health", *arguments], env={"PAIRITY_SERVE__PORT": str(port)})
    return found.exit_code, found.output


def test_each_question_has_its_exit_code() -> None:
    status = Status(mode="paper", market="here", model={}, state="waiting", trading="halted", trading_reason="a test")
    with process(status) as port:
        assert ask(port)[0] == 0
        assert ask(port, "trading") == (1, "trading: no: halted: a test\n")
        assert ask(port, "fresh")[0] == 0
    code, said = ask(port)
    assert code == 1
    assert said.startswith(f"alive: no: nothing answers on 127.0.0.1:{port}")


def test_a_wrong_token_is_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAIRITY_SERVE__STATUS_TOKEN", "another one")
    with process(Status(mode="paper", market="here", model={})) as port:
        code, said = ask(port)
    assert code == 1
    assert "answers 401" in said


def test_a_port_that_is_not_fixed_is_named() -> None:
    code, said = ask(0)
    assert code not in (0, 1)
    assert "serve.port" in said
