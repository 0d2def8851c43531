from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest

from pairity.errors import VenueAnswerError, VenueUnreachableError
from pairity.settings import ExchangeSettings
from pairity.timeline import from_ms
from tests.e2e.running import paper_exchange
from venue.clock import PolledClock, SteppedClock, SystemClock, clock_for


@pytest.fixture(scope="module")
def stepped():
    with paper_exchange() as exchange:
        yield exchange


def test_a_stepped_clock_moves_the_exchange_and_nothing_else_does(stepped):
    async def scenario():
        clock = await SteppedClock.connect(stepped.control)
        begun = clock.now()
        await clock.sleep_until(begun + timedelta(hours=3))
        assert clock.now() == begun + timedelta(hours=3) == from_ms(stepped.state()["now_ms"])
        await clock.sleep_until(begun)
        assert clock.now() == begun + timedelta(hours=3)
        await clock.sleep_until(clock.now() + timedelta(microseconds=1))
        assert clock.now() >= begun + timedelta(hours=3, microseconds=1)

    asyncio.run(scenario())


def test_a_clock_that_was_stepped_by_somebody_else_refuses_to_go_back(stepped):
    async def scenario():
        clock = await SteppedClock.connect(stepped.control)
        stepped.post("advance", {"by_ms": 3_600_000})
        await clock.sleep_until(clock.now() + timedelta(minutes=1))

    with pytest.raises(VenueAnswerError, match="cannot go back"):
        asyncio.run(scenario())


def test_hours_of_a_stepped_exchange_may_take_their_time(stepped):
    async def scenario():
        settings = ExchangeSettings(url=stepped.url, control_url=stepped.control, stepped_hour_s=0.2)
        clock = await clock_for(settings)
        begun = time.monotonic()
        await clock.sleep_until(clock.now() + timedelta(hours=2))
        return time.monotonic() - begun

    assert asyncio.run(scenario()) >= 0.4


def test_an_accelerated_exchange_is_polled():
    with paper_exchange("--clock", "x3600") as exchange:

        async def scenario():
            clock = await PolledClock.connect(exchange.url, 5.0)
            wanted = clock.now() + timedelta(minutes=30)
            await clock.sleep_until(wanted)
            assert clock.now() >= wanted

        asyncio.run(scenario())


def test_the_clock_follows_the_venue(stepped):
    async def kinds():
        return [
            await clock_for(ExchangeSettings()),
            await clock_for(ExchangeSettings(url=stepped.url)),
            await clock_for(ExchangeSettings(url=stepped.url, control_url=stepped.control)),
        ]

    found = asyncio.run(kinds())
    assert [type(clock) for clock in found] == [SystemClock, PolledClock, SteppedClock]


@pytest.mark.parametrize("path", ["", "/api/v5/public/time"])
def test_what_is_not_a_control_endpoint_is_said(stepped, path):
    with pytest.raises(VenueAnswerError):
        asyncio.run(SteppedClock.connect(f"{stepped.url}{path}"))


def test_nobody_there():
    with pytest.raises(VenueUnreachableError, match=r"127\.0\.0\.1:9"):
        asyncio.run(SteppedClock.connect("http://127.0.0.1:9/control"))
    with pytest.raises(VenueUnreachableError, match=r"127\.0\.0\.1:9"):
        asyncio.run(PolledClock.connect("http://127.0.0.1:9", 1.0))
