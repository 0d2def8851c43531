"""The stream of the account against a real paper exchange: wakes, drops, silence, floods, and keys that stay home."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from aiohttp import web

from pairity.backoff import Backoff
from pairity.errors import ConfigError, CredentialsError, LiveSwitchError
from pairity.settings import ExchangeSettings, Settings
from paper_exchange.account.account import Account
from paper_exchange.clock import VirtualClock
from paper_exchange.faults.catalogue import FaultPlan
from paper_exchange.http.auth import Credentials
from paper_exchange.market.synthetic import SyntheticMarket
from tests.paper_exchange.exchange_server import serving
from tests.paper_exchange.ws.streams import advance
from tests.venue.conftest import NOW_MS
from tests.venue.elsewhere import elsewhere
from venue.okx_client import LIVE_CONSENT, LIVE_VARIABLE, aclose, call, make_client
from venue.okx_hosts import OKX_HOSTS, STREAM_HOSTS, stream_address
from venue.okx_stream import OkxStream, StreamPatience
from venue.stream_changes import CONNECTION, Change

BTC = "BTC-USDT-SWAP"
SECRETS = {"api_key": "the-key-of-it", "api_secret": "the-secret-of-it", "api_passphrase": "the-passphrase-of-it"}
SLOW = pytest.mark.slow
QUICK = Backoff(first_s=0.05, cap_s=0.2)
BUY = {"instId": BTC, "tdMode": "cross", "side": "buy", "ordType": "market", "sz": "1"}


@pytest.fixture
def url(market: SyntheticMarket, faults: FaultPlan) -> Iterator[str]:
    clock = VirtualClock("stepped", NOW_MS)
    account = Account(market, clock, Decimal(10_000))
    with serving(market, clock, account=account, credentials=Credentials(*SECRETS.values()), faults=faults) as where:
        yield where


def settings_of(url: str | None, **changes: str) -> Settings:
    return Settings(exchange=ExchangeSettings(url=url, rate_limit=False, **{**SECRETS, **changes}))


@asynccontextmanager
async def streaming(url: str, patience: StreamPatience | None = None, **changes: str) -> AsyncIterator[OkxStream]:
    stream = OkxStream(settings_of(url, **changes), patience=patience, reconnects=QUICK)
    stream.start()
    try:
        yield stream
    finally:
        await stream.close()
        assert stream.describe().state == "closed"


async def until(true: Callable[[], bool], seconds: float = 8.0) -> None:
    end_s = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end_s
        await asyncio.sleep(0.02)


async def opened(stream: OkxStream, connections: int = 1) -> None:
    await until(lambda: stream.describe().connections >= connections and stream.describe().state == "open")


async def next_of(stream: OkxStream, seconds: float = 5.0) -> frozenset[Change]:
    return await asyncio.wait_for(anext(stream.wakes()), seconds)


async def order(url: str, method: str = "privatePostTradeOrder", **body: object) -> None:
    client = make_client(settings_of(url), signed=True)
    try:
        await call(client, method, body or BUY, retries=0)
    finally:
        await aclose(client)


def run(job: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(job(), 30))  # type: ignore[arg-type]


def test_changes_of_the_account(url: str) -> None:
    async def job() -> None:
        async with streaming(url) as stream:
            await opened(stream)
            assert Change(CONNECTION, "") in await next_of(stream)
            await asyncio.sleep(0.2)
            stream.take()
            stops = [{"slTriggerPx": "1000", "slOrdPx": "-1"}]
            await order(url, **BUY, attachAlgoOrds=stops)
            seen: set[Change] = set()
            while len(seen) < 4:
                seen |= await next_of(stream)
            assert seen == {
                Change("orders", BTC),
                Change("positions", BTC),
                Change("stops", BTC),
                Change("balance", ""),
            }
            assert stream.last_heard is not None
            assert (stream.describe().state, stream.describe().connections) == ("open", 1)

    run(job)


def test_what_comes_regularly_wakes_nobody(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paper_exchange.ws.account_feeds.REGULAR_S", 0.1)

    async def job() -> None:
        await order(url)
        async with streaming(url) as stream:
            await opened(stream)
            await asyncio.sleep(0.3)
            stream.take()
            heard = stream.last_heard
            with pytest.raises(TimeoutError):
                await next_of(stream, 0.8)
            assert stream.last_heard != heard
            # Funding is paid: nobody asked for it, and the cash is another.
            await advance(url, by_ms=9 * 3_600_000)
            while Change("balance", "") not in await next_of(stream):
                pass

    run(job)


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("ws_drop", "WS private"),
        ("ws_notice", "WS business"),
        pytest.param("ws_drop", "WS business", marks=SLOW),
        pytest.param("ws_notice", "WS private", marks=SLOW),
    ],
)
def test_a_lost_connection_comes_back(url: str, faults: FaultPlan, kind: str, path: str) -> None:
    async def job() -> None:
        async with streaming(url) as stream:
            await opened(stream)
            await asyncio.sleep(0.1)
            stream.take()
            faults.add(kind, path)
            assert Change(CONNECTION, "") in await next_of(stream)
            await opened(stream, 2)
            await asyncio.sleep(0.1)
            stream.take()
            await order(url)
            assert Change("orders", BTC) in await next_of(stream)

    run(job)


@pytest.mark.parametrize("path", ["WS business", pytest.param("WS private", marks=SLOW)])
def test_a_silent_connection_is_noticed(url: str, faults: FaultPlan, path: str) -> None:
    async def job() -> None:
        async with streaming(url, StreamPatience(ping_s=0.1)) as stream:
            await opened(stream)
            faults.add("ws_silent", path)
            await until(lambda: stream.describe().connections == 2)

    run(job)


def test_a_subscription_that_died_behind_its_pongs_is_noticed(url: str, faults: FaultPlan) -> None:
    async def job() -> None:
        async with streaming(url, StreamPatience(ping_s=0.1, data_s=0.5)) as stream:
            await opened(stream)
            faults.add("ws_lost", "WS private/account", None)
            faults.add("ws_lost", "WS private/positions", None)
            await until(lambda: "no data" in stream.describe().reason)
            await opened(stream, 2)

    run(job)


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("ws_flood", {"repeat": 50_000}),
        ("ws_text", {"text": "[" * 100_000}),
        pytest.param("ws_text", {"text": "{"}, marks=SLOW),
        pytest.param("ws_text", {"text": "x" * 2_000_000}, marks=SLOW),
        pytest.param("ws_text", {"text": '{"arg":{"channel":"account"},"data":[' + "1," * 60_000 + "1]}"}, marks=SLOW),
        pytest.param("ws_text", {"text": '{"event":"login"}{"event":"login"}'}, marks=SLOW),
        pytest.param("ws_text", {"text": '{"event":"error","code":"60009","msg":"the-secret-of-it"}'}, marks=SLOW),
        pytest.param("ws_text", {"text": '{"arg":{"channel":"orders"},"data":[1e999]}'}, marks=SLOW),
    ],
)
def test_hostile_messages_cost_the_connection_and_nothing_else(
    url: str, faults: FaultPlan, kind: str, params: dict[str, object]
) -> None:
    async def job() -> None:
        async with streaming(url) as stream:
            await opened(stream)
            faults.add(kind, "WS private/orders", params=params)
            await order(url)
            await opened(stream, 2)
            assert "secret" not in stream.describe().reason
            await asyncio.sleep(0.1)
            stream.take()
            await order(url)
            assert Change("orders", BTC) in await next_of(stream)

    run(job)


ODD = [
    '{"arg":{"channel":"orders"},"data":[{"instId":7e3},{"instId":[]},{},5]}',
    '{"arg":{"channel":"positions"},"eventType":"snapshot","data":[{"posId":"1","instId":"X","pos":"1e99999"}]}',
    '{"arg":{"channel":"account"},"eventType":"snapshot","data":[{"details":{"ccy":1}}]}',
    '{"arg":{"channel":["orders"]},"data":{}}',
    '{"arg":{"channel":"orders"},"data":{"instId":"X"}}',
    '{"arg":{"channel":"positions"},"data":7}',
    '{"op":"batch-orders","data":[]}',
    '{"event":"login","code":"0"}',
    '{"event":[]}',
    '{"event":"subscribe","arg":7}',
    "{}",
    "pong",
]


def test_odd_messages_end_nothing(url: str, faults: FaultPlan) -> None:
    async def job() -> None:
        async with streaming(url) as stream:
            await opened(stream)
            for text in ODD:
                faults.add("ws_text", "WS private/orders", params={"text": text})
                await order(url)
                await asyncio.sleep(0.05)
                await opened(stream)
                stream.take()
            await order(url)
            assert {change.kind for change in await next_of(stream)} & {"orders", "positions", "balance"}

    run(job)


def test_lost_doubled_and_late_messages_still_wake(url: str, faults: FaultPlan) -> None:
    async def job() -> None:
        async with streaming(url) as stream:
            await opened(stream)
            for kind in ("ws_duplicate", "ws_out_of_order", "ws_lost"):
                await asyncio.sleep(0.1)
                stream.take()
                faults.add(kind, "WS private/orders", params={"ms": 50})
                await order(url)
                assert await next_of(stream)

    run(job)


def test_a_refused_login_is_a_state(url: str, faults: FaultPlan) -> None:
    async def job() -> None:
        faults.add("ws_login_refused", "WS private/login", 3)
        async with streaming(url) as stream:
            await until(lambda: "60009" in stream.describe().reason)
            await opened(stream)
        async with streaming(url, api_secret="another secret") as stream:
            await until(lambda: "60007" in stream.describe().reason)
            assert stream.describe().connections == 0

    run(job)


def test_nobody_listens_and_then_somebody_does(market: SyntheticMarket) -> None:
    async def job() -> None:
        async with streaming("http://127.0.0.1:9") as stream:
            await until(lambda: stream.describe().state == "waiting")
            assert "ExchangeError" not in stream.describe().reason
            assert stream.last_heard is None

    run(job)


@pytest.mark.parametrize(
    "kind",
    ["html_503", *(pytest.param(kind, marks=SLOW) for kind in ("reset", "html_200", "rate_limit_json", "empty_200"))],
)
def test_a_handshake_that_fails_is_tried_again(url: str, faults: FaultPlan, kind: str) -> None:
    async def job() -> None:
        faults.add(kind, "GET ws/v5/private", 2)
        async with streaming(url) as stream:
            await opened(stream)

    run(job)


@pytest.mark.parametrize("status", [307, *(pytest.param(status, marks=SLOW) for status in (301, 302, 303, 308))])
def test_no_redirect_is_followed(url: str, faults: FaultPlan, status: int) -> None:
    async def job() -> None:
        async with elsewhere() as other:
            faults.add("redirect", "GET ws/v5/private", params={"status": status, "to": other.url})
            async with streaming(url) as stream:
                await until(lambda: f"redirect ({status})" in stream.describe().reason)
                await opened(stream)
            assert other.heard == []

    run(job)


def test_no_proxy_is_used(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def job() -> None:
        async with elsewhere() as other:
            for name in ("http_proxy", "https_proxy", "all_proxy", "ws_proxy", "HTTP_PROXY", "ALL_PROXY"):
                monkeypatch.setenv(name, other.url)
            async with streaming(url) as stream:
                await opened(stream)
            assert other.heard == []

    run(job)


def test_a_venue_that_repeats_the_login_shows_no_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def echo(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            told = message.data.replace('"', "'")
            await socket.send_str(f'{{"event":"error","code":"60009","msg":"{told}"}}')
        return socket

    async def job() -> None:
        app = web.Application()
        app.router.add_get("/ws/v5/private", echo)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            async with streaming(f"http://127.0.0.1:{runner.addresses[0][1]}") as stream:
                await until(lambda: "60009" in stream.describe().reason)
                shown = f"{stream.describe()} {stream} {caplog.text}"
                assert not any(secret in shown for secret in SECRETS.values())
        finally:
            await runner.cleanup()

    run(job)


def test_where_the_stream_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(STREAM_HOSTS) == OKX_HOSTS - {"tr.okx.com"}
    for host, (live, demo) in STREAM_HOSTS.items():
        exchange = ExchangeSettings(url=f"https://{host}", **SECRETS)
        for is_live, expected in ((True, live), (False, demo)):
            address = stream_address(exchange, live=is_live)
            assert address is not None
            assert address.url == f"https://{expected}/ws/v5"
    paper = stream_address(ExchangeSettings(url="http://127.0.0.1:8750", **SECRETS), live=False)
    assert paper is not None
    assert paper.url == "http://127.0.0.1:8750/ws/v5"
    with pytest.raises(ConfigError, match="neither OKX nor this machine"):
        OkxStream(settings_of("https://evil.example"))
    with pytest.raises(ConfigError, match="is not OKX"):
        OkxStream(settings_of("http://127.0.0.1:8750"), live=True)
    with pytest.raises(CredentialsError):
        OkxStream(Settings(exchange=ExchangeSettings()))
    monkeypatch.delenv(LIVE_VARIABLE, raising=False)
    with pytest.raises(LiveSwitchError):
        OkxStream(settings_of(None), live=True)
    monkeypatch.setenv(LIVE_VARIABLE, LIVE_CONSENT)
    assert OkxStream(settings_of(None), live=True).describe().state == "closed"


def test_a_host_without_a_known_stream_is_left_alone() -> None:
    async def job() -> None:
        stream = OkxStream(settings_of("https://tr.okx.com"))
        stream.start()
        assert stream.describe().state == "off"
        await stream.close()

    run(job)
