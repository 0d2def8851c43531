"""Faults on the wire, met by the real ccxt client: each must become an error that says what to do, never silence."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web

from pairity.backoff import Backoff
from pairity.errors import (
    ConfigError,
    CredentialsError,
    LiveSwitchError,
    OrderUnknownError,
    PairityError,
    VenueAnswerError,
    VenueRejectedError,
    VenueUnreachableError,
)
from pairity.settings import ExchangeSettings, Settings
from venue.okx_client import READ_BACKOFF, aclose, call, make_client, server_time

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
GOOD = {"code": "0", "msg": "", "data": [{"ts": "1742317080000"}]}
READ, WRITE = "publicGetPublicTime", "privatePostTradeOrder"


class Venue:
    """Answers `faults` first, then well; counts what it was asked."""

    def __init__(self, fault: Handler, times: int) -> None:
        self.fault, self.left, self.requests = fault, times, []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        if self.left > 0:
            self.left -= 1
            return await self.fault(request)
        return web.json_response(GOOD)


@asynccontextmanager
async def venue_with(fault: Handler, times: int = 1_000) -> AsyncIterator[tuple[Venue, str]]:
    venue = Venue(fault, times)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", venue.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield venue, f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()
        await asyncio.sleep(0.02)  # let closed connections be forgotten before their loop is


def settings_for(url: str | None, **more: object) -> Settings:
    keys = {"api_key": "paper", "api_secret": "top-secret", "api_passphrase": "paper"}
    return Settings(exchange=ExchangeSettings(url=url, **{**keys, "rate_limit": False, "timeout_s": 2.0, **more}))


class Naps:
    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)

    def backoff(self) -> Backoff:
        return replace(READ_BACKOFF, jitter=random.Random(7))


def answer(status: int, body: str, content_type: str = "application/json") -> Handler:
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=body, content_type=content_type)

    return handler


async def reset(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def cut_off(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "500"})
    await response.prepare(request)
    await response.write(b'{"code":"0","data":[{"ts":')
    assert request.transport is not None
    request.transport.close()
    return response


async def silent(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(1.0)
    return web.json_response(GOOD)


HTML = "<html><body>Maintenance</body></html>"
TRANSIENT = {
    "html with status 200": answer(200, HTML, "text/html"),
    "empty body": answer(200, ""),
    "empty body, no text": answer(200, "", "application/octet-stream"),
    "cut JSON": answer(200, '{"code":"0","data":[{"ts":"17'),
    "JSON array": answer(200, "[1,2]"),
    "JSON without a code": answer(200, '{"hello":"world"}'),
    "429 JSON": answer(429, '{"msg":"Too Many Requests","code":"50011"}'),
    "200 with 50011": answer(200, '{"msg":"Too Many Requests","code":"50011"}'),
    "429 HTML": answer(429, HTML, "text/html"),
    "502 HTML": answer(502, HTML, "text/html"),
    "504 HTML": answer(504, HTML, "text/html"),
    "500 with 50026": answer(500, '{"code":"50026","data":[],"msg":"System error"}'),
    "500 internal": answer(500, '{"code":500,"msg":"Internal Server Error"}'),
    "503 with 50001": answer(503, '{"code":"50001","data":[],"msg":"Service temporarily unavailable"}'),
    "400 with 50004": answer(400, '{"code":"50004","data":[],"msg":"Endpoint request timeout"}'),
    "reset": reset,
    "aborted body": cut_off,
}
NOT_JSON = {
    "html with status 200",
    "empty body",
    "empty body, no text",
    "cut JSON",
    "JSON array",
    "JSON without a code",
}


@pytest.mark.parametrize("name", TRANSIENT)
def test_a_read_survives_two_transient_failures(name: str) -> None:
    async def run() -> None:
        naps = Naps()
        async with venue_with(TRANSIENT[name], times=2) as (venue, url):
            client = make_client(settings_for(url), signed=False)
            try:
                assert await call(client, READ, {}, retries=3, backoff=naps.backoff(), sleep=naps) == GOOD["data"]
            finally:
                await aclose(client)
        assert len(venue.requests) == 3
        if name != "reset":  # aiohttp itself repeats a GET once on a reused connection that was closed
            assert len(naps.taken) == 2
            assert naps.taken[0] < naps.taken[1] * 1.01

    asyncio.run(run())


@pytest.mark.parametrize("name", TRANSIENT)
def test_a_read_gives_up_with_an_error_that_says_why(name: str) -> None:
    error = asyncio.run(_failure(TRANSIENT[name], READ, retries=1))
    assert isinstance(error, VenueAnswerError if name in NOT_JSON else VenueUnreachableError)
    assert "http://127.0.0.1" in str(error) or "throttles" in str(error)
    assert error.remedy


@pytest.mark.parametrize("name", TRANSIENT)
def test_a_write_is_sent_once_and_its_outcome_is_unknown(name: str) -> None:
    async def run() -> None:
        async with venue_with(TRANSIENT[name]) as (venue, url):
            client = make_client(settings_for(url), signed=True)
            try:
                with pytest.raises(OrderUnknownError):
                    await call(client, WRITE, {"instId": "BTC-USDT-SWAP", "clOrdId": "a1"}, retries=5)
            finally:
                await aclose(client)
        assert len(venue.requests) == 1

    asyncio.run(run())


async def _failure(fault: Handler, method: str, *, retries: int = 0, **more: object) -> PairityError:
    async with venue_with(fault) as (_, url):
        client = make_client(settings_for(url, **more), signed=True)
        try:
            with pytest.raises(PairityError) as caught:
                await call(client, method, {}, retries=retries, sleep=Naps())
        finally:
            await aclose(client)
    assert "top-secret" not in str(caught.value)
    return caught.value


def test_a_venue_that_is_silent_runs_into_the_timeout_of_the_settings() -> None:
    error = asyncio.run(_failure(silent, READ, timeout_s=0.1))
    assert isinstance(error, VenueUnreachableError)
    assert "in time" in str(error)


@pytest.mark.parametrize("code", ["50103", "50105", "50111", "50113", "50119"])
def test_wrong_credentials_name_the_variables(code: str) -> None:
    error = asyncio.run(_failure(answer(401, f'{{"msg":"Invalid Sign","code":"{code}"}}'), "privateGetAccountBalance"))
    assert isinstance(error, CredentialsError)
    assert "PAIRITY_EXCHANGE__API_SECRET" in error.remedy


@pytest.mark.parametrize("method", ["privateGetAccountBalance", WRITE])
def test_a_request_that_came_too_late_is_sent_once_more_even_a_write(method: str) -> None:
    seen: list[str] = []

    async def once(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers["OK-ACCESS-TIMESTAMP"])
        late = len(seen) == 1
        body = '{"msg":"Timestamp request expired","code":"50102"}' if late else '{"code":"0","data":[],"msg":""}'
        return web.Response(status=401 if late else 200, text=body, content_type="application/json")

    async def send() -> list[object]:
        async with venue_with(once) as (_, url):
            client = make_client(settings_for(url), signed=True)
            try:
                return await call(client, method, {}, retries=0)
            finally:
                await aclose(client)

    assert asyncio.run(send()) == []
    assert len(seen) == 2
    assert len(set(seen)) == 2


def test_a_skewed_clock_is_told_apart_from_wrong_keys() -> None:
    error = asyncio.run(
        _failure(
            answer(401, '{"msg":"Timestamp request expired","code":"50102"}'), "privateGetAccountBalance", retries=3
        )
    )
    assert isinstance(error, CredentialsError)
    assert "clock" in error.what


def test_a_refusal_carries_the_venues_code_and_is_not_repeated() -> None:
    refusal = '{"code":"1","data":[{"sCode":"51008","sMsg":"Insufficient USDT margin"}],"msg":"All operations failed"}'
    error = asyncio.run(_failure(answer(200, refusal), WRITE))
    assert isinstance(error, VenueRejectedError)
    assert error.code == "51008"
    assert "Insufficient USDT margin" in error.what
    error = asyncio.run(
        _failure(answer(200, '{"code":"51000","data":[],"msg":"Parameter bar error"}'), READ, retries=3)
    )
    assert isinstance(error, VenueRejectedError)
    assert error.code == "51000"


def test_an_unlisted_code_is_a_refusal_too() -> None:
    error = asyncio.run(_failure(answer(200, '{"code":"59999","data":[],"msg":"Something new"}'), READ))
    assert isinstance(error, VenueRejectedError)
    assert error.code == "59999"


@pytest.mark.parametrize("method", [READ, WRITE])
def test_nothing_listening_names_the_url_and_the_demo(method: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"

    async def run() -> None:
        client = make_client(settings_for(url), signed=True)
        try:
            with pytest.raises(VenueUnreachableError, match="make demo") as caught:
                await call(client, method, {}, retries=1, sleep=Naps())
        finally:
            await aclose(client)
        assert url in caught.value.what

    asyncio.run(run())


def test_server_time_and_the_demo_header() -> None:
    async def run() -> None:
        async with venue_with(answer(200, "")) as (venue, url):
            venue.left = 0
            for signed in (False, True):
                client = make_client(settings_for(url + "/"), signed=signed)
                try:
                    assert (await server_time(client)).isoformat() == "2025-03-18T16:58:00+00:00"
                finally:
                    await aclose(client)
            assert "x-simulated-trading" not in venue.requests[0].headers
            assert venue.requests[1].headers["x-simulated-trading"] == "1"
            assert venue.requests[1].path == "/api/v5/public/time"

    asyncio.run(run())


def test_server_time_refuses_an_answer_without_a_time() -> None:
    async def run() -> None:
        async with venue_with(answer(200, '{"code":"0","data":[]}')) as (_, url):
            client = make_client(settings_for(url), signed=False)
            try:
                with pytest.raises(VenueAnswerError, match="instead of a time"):
                    await server_time(client)
            finally:
                await aclose(client)

    asyncio.run(run())


def test_the_default_is_okx_itself_with_the_demo_header_on_signed_requests() -> None:
    async def run() -> None:
        client = make_client(settings_for(None, rate_limit=True), signed=True)
        assert client.implode_hostname(client.urls["api"]["rest"]) == "https://www.okx.com"
        assert client.headers["x-simulated-trading"] == "1"
        assert client.enableRateLimit
        assert client.timeout == 2000
        await aclose(client)

    asyncio.run(run())


def test_missing_keys_are_named() -> None:
    with pytest.raises(CredentialsError, match="PAIRITY_EXCHANGE__API_PASSPHRASE is not set"):
        make_client(settings_for(None, api_passphrase=None), signed=True)


def test_several_missing_keys_are_several() -> None:
    with pytest.raises(CredentialsError, match="API_KEY, PAIRITY_EXCHANGE__API_PASSPHRASE are not set") as caught:
        make_client(settings_for(None, api_key=None, api_passphrase=None), signed=True)
    assert caught.value.remedy.startswith("set them in ")


def test_live_needs_the_second_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PAIRITY_LIVE_TRADING", raising=False)
    with pytest.raises(LiveSwitchError, match="PAIRITY_LIVE_TRADING"):
        make_client(settings_for(None), signed=True, live=True)
    monkeypatch.setenv("PAIRITY_LIVE_TRADING", "i-accept-the-risk")

    async def run() -> None:
        client = make_client(settings_for(None), signed=True, live=True)
        assert "x-simulated-trading" not in client.headers
        await aclose(client)

    asyncio.run(run())


@pytest.mark.parametrize("url", ["http://example.com", "ftp://127.0.0.1", "127.0.0.1:8000"])
def test_unusable_urls_are_refused(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_client(settings_for(url), signed=False)
    assert url not in str(caught.value)  # what stands in its place may be a key
