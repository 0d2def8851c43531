"""The stream wakes the watch: on a clock that runs, what happens to the account is noticed within about a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pairity.settings import ExchangeSettings, Settings
from paper_exchange.account.account import Account
from paper_exchange.account.algo_orders import AlgoOrder
from serving.status import Status
from serving.wakes import Wakes, start_stream
from tests.paper_exchange.exchange_server import inject
from tests.serving.real_time import Running, real_time_venue, running, until
from tests.serving.trading import BTC, ETH, entry
from venue.clock import SystemClock
from venue.okx_client import aclose, call, make_client
from venue.okx_stream import OkxStream

SHORT = entry(contracts="60", reference=100.0)
SLOW_WATCH = {"watch_s": 300}
"""So slow that whatever is noticed was noticed by the stream."""
ABOUT_A_SECOND = 2.0


@pytest.fixture
def venue() -> Iterator[tuple[str, Account]]:
    with real_time_venue() as served:
        yield served


def run(job: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(job(), 60))  # type: ignore[arg-type]


async def by_hand(process: Running, method: str, body: object) -> None:
    """Do something to the account as a person does: with another client."""
    client = make_client(process.parts.settings, signed=True)
    try:
        await call(client, method, body, retries=0)  # type: ignore[arg-type]
    finally:
        await aclose(client)


def stops(account: Account) -> list[AlgoOrder]:
    return list(account.live_algos(BTC))


async def cancel_stop(process: Running, account: Account) -> None:
    (stop,) = stops(account)
    await by_hand(process, "privatePostTradeCancelAlgos", [{"instId": BTC, "algoId": stop.algo_id}])


def test_a_lost_stop_a_hand_trade_and_a_fill_are_noticed_in_about_a_second(
    venue: tuple[str, Account], tmp_path: Path
) -> None:
    url, account = venue

    async def job() -> None:
        async with running(url, tmp_path / "home", wanted=SHORT, **SLOW_WATCH) as process:
            await process.listen()
            await cancel_stop(process, account)
            assert await until(lambda: bool(stops(account))) < ABOUT_A_SECOND
            buy = {"instId": ETH, "tdMode": "cross", "side": "buy", "ordType": "market", "sz": "1"}
            await by_hand(process, "privatePostTradeOrder", buy)
            assert await until(lambda: ETH in process.status.blocked) < ABOUT_A_SECOND
            close = {"instId": BTC, "tdMode": "cross", "side": "buy", "ordType": "market", "sz": "60"}
            await by_hand(process, "privatePostTradeOrder", close)
            assert await until(lambda: not process.desk.journal.open_positions()) < ABOUT_A_SECOND

    run(job)


@pytest.mark.slow
def test_without_a_stream_the_watch_looks_by_itself(venue: tuple[str, Account], tmp_path: Path) -> None:
    url, account = venue

    async def job() -> None:
        async with running(url, tmp_path / "home", wanted=SHORT, stream=False, watch_s=5) as process:
            await until(lambda: process.status.watched is not None)
            await cancel_stop(process, account)
            assert 2 * ABOUT_A_SECOND < await until(lambda: bool(stops(account))) < 6.5
            assert process.status.stream is None

    run(job)


@pytest.mark.parametrize(
    "fault",
    ["ws_login_refused", *(pytest.param(name, marks=pytest.mark.slow) for name in ("ws_drop", "ws_text"))],
)
def test_a_stream_that_fails_is_shown_and_stops_nothing(fault: str, venue: tuple[str, Account], tmp_path: Path) -> None:
    url, account = venue
    inject(url, fault, count=10_000, **({"text": "{]"} if fault == "ws_text" else {}))

    async def job() -> None:
        async with running(url, tmp_path / "home", wanted=SHORT, watch_s=1) as process:
            await until(lambda: (process.status.stream or {}).get("reason", "") != "")
            await cancel_stop(process, account)
            assert await until(lambda: bool(stops(account))) < 3
            assert list(process.status.causes) == ["opening"]

    run(job)


def test_a_stream_that_cannot_be_is_off_with_its_reason() -> None:
    status = Status("paper", "nowhere", {})
    assert start_stream(Settings(exchange=ExchangeSettings(url="http://127.0.0.1:1")), status, live=False) is None
    assert status.stream is not None
    assert status.stream["state"] == "off"
    assert "credentials" in status.stream["reason"]


def silent_stream() -> OkxStream:
    keys = {"api_key": "paper", "api_secret": "paper", "api_passphrase": "paper"}
    return OkxStream(Settings(exchange=ExchangeSettings(url="http://127.0.0.1:1", **keys)))


def test_changes_are_looked_at_together_and_a_flood_of_them_does_not_make_a_flood_of_looks() -> None:
    now_s = 1000.0

    async def waits(wakes: Wakes) -> bool:
        """Return whether a wake is still held back after a moment."""
        begun_s = time.monotonic()
        await wakes.sleep_until(SystemClock(), datetime.fromtimestamp(time.time() + 0.05, UTC))
        return time.monotonic() - begun_s > 0.04

    async def job() -> None:
        nonlocal now_s
        stream = silent_stream()
        wakes = Wakes(stream, lambda: now_s)
        assert await waits(wakes), "nothing changed"
        for _ in range(20):
            stream.changed.set()
            assert wakes.waiting
            assert not await waits(wakes)
            wakes.begin_look()
            stream.changed.set()  # while it looks
            wakes.end_look()
            assert wakes.waiting
            assert await waits(wakes), "a second has not passed"
            now_s += 1
        assert await waits(wakes), "twenty looks in a minute are enough"
        now_s += 41
        assert not await waits(wakes)

    run(job)
