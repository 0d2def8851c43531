from __future__ import annotations

import asyncio
import socket

import aiohttp
import pytest

from pairity.errors import ConfigError
from pairity.trading_settings import ServeSettings
from serving.status import Status
from serving.web.app import make_app
from serving.web.server import serve_api
from tests.serving.api_scene import status_sources

STATUS = Status(mode="paper", market="here", model={"name": "m"}, state="deciding", cycles=3, equity_usdt=99.5)


def ask(*paths):
    async def scenario():
        async with serve_api(make_app(status_sources(STATUS)), ServeSettings(port=0)) as url:
            assert url.startswith("http://127.0.0.1:")
            async with aiohttp.ClientSession() as http:
                answers = []
                for method, path in paths:
                    async with http.request(method, f"{url}{path}") as answer:
                        answers.append((answer.status, await answer.text()))
                return answers

    return asyncio.run(scenario())


def test_the_status_over_http():
    ((ok, status),) = ask(("GET", "/status"))
    assert ok == 200
    assert '"cycles":3' in status


def test_nothing_changes_state():
    assert [code for code, _ in ask(("POST", "/status"), ("DELETE", "/status"), ("GET", "/docs"))] == [405, 405, 404]


def test_a_port_in_use_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        async def scenario():
            async with serve_api(make_app(status_sources(STATUS)), ServeSettings(port=port)):
                pass

        with pytest.raises(ConfigError, match=f"127.0.0.1:{port}"):
            asyncio.run(scenario())


def test_it_listens_on_the_loopback_only():
    with pytest.raises(ValueError, match="host"):
        ServeSettings(host="0.0.0.0")


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_the_address_of_an_ipv6_loopback_can_be_opened():
    async def scenario():
        async with (
            serve_api(make_app(status_sources(STATUS)), ServeSettings(port=0, host="::1")) as url,
            aiohttp.ClientSession() as http,
            http.get(f"{url}/status") as answer,
        ):
            return url, answer.status

    url, status = asyncio.run(scenario())
    assert url.startswith("http://[::1]:")
    assert status == 200
