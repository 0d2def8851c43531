"""Health: alive, trading and fresh mean three things, and each says why."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import aiohttp
import pytest

from pairity.errors import VenueUnreachableError
from pairity.trading_settings import ServeSettings
from serving.health import Health, Pulse
from serving.status import Status
from serving.web.app import make_app
from serving.web.health_routes import make_health_router
from serving.web.server import serve_api
from tests.serving.api_scene import status_sources
from tests.serving.trading import T0


class Times:
    """Two clocks that a test sets: the one in use, and real seconds."""

    def __init__(self) -> None:
        self.now, self.seconds = T0, 1000.0


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.fixture
def status() -> Status:
    return Status(mode="paper", market="here", model={}, state="waiting for the bar", watched=T0.isoformat())


@pytest.fixture
def health(times: Times, status: Status) -> Health:
    pulse = Pulse(lambda: times.seconds)
    return Health(
        status=lambda: status,
        now=lambda: times.now,
        pulse=pulse,
        serve=ServeSettings(watch_s=15),
        started_at=lambda: T0,
    )


def test_a_loop_without_a_sign_of_life_is_not_alive(health: Health, times: Times) -> None:
    assert health.check_alive().ok
    times.seconds += 330
    assert health.check_alive().ok
    times.seconds += 1
    found = health.check_alive()
    assert not found.ok
    assert "331 s old, more than 330 s" in found.why
    health.pulse.beat()
    assert health.check_alive().ok


@pytest.mark.parametrize("state", ["guarding", "halted"])
def test_guarding_and_halted_do_not_trade_and_live(health: Health, status: Status, state: str) -> None:
    status.trading, status.trading_reason = state, "venue: nothing answers"
    assert health.check_trading() == (False, f"{state}: venue: nothing answers")
    assert health.check_alive().ok


def test_a_process_that_starts_or_ended_does_not_trade(health: Health, status: Status) -> None:
    assert health.check_trading().ok
    for state in ("starting", "stopped"):
        status.state = state
        assert health.check_trading() == (False, state)


def test_fresh_means_looked_at_and_decided_in_time(health: Health, times: Times, status: Status) -> None:
    assert health.check_fresh().ok  # no bar has closed since the start
    times.now += timedelta(minutes=10)
    assert health.check_fresh().why == "the last look at the venue is 10 min 0 s old, more than 3 min 0 s"
    times.now = T0 + timedelta(minutes=76)
    status.watched = times.now.isoformat()
    assert health.check_fresh().why == "the bar decided on: none since the start, more than 75 min 0 s"
    status.event_timestamp = (T0 + timedelta(hours=1)).isoformat()
    assert health.check_fresh().ok
    times.now += timedelta(hours=1)
    status.watched = times.now.isoformat()
    assert health.check_fresh().why.startswith("the bar decided on is 76 min 0 s old")


def test_a_process_that_comes_back_has_time_until_its_first_decision(
    health: Health, times: Times, status: Status
) -> None:
    status.event_timestamp = (T0 - timedelta(days=3)).isoformat()
    assert health.check_fresh().ok
    times.now += timedelta(minutes=1)
    status.watched = times.now.isoformat()
    assert not health.check_fresh().ok


def test_a_clock_that_cannot_be_read_is_not_fresh(health: Health, status: Status) -> None:
    def fail():
        raise VenueUnreachableError("no time", "")

    blind = Health(status=lambda: status, now=fail, pulse=Pulse(), serve=ServeSettings(), started_at=lambda: T0)
    assert blind.check_fresh() == (False, "the clock cannot be read: VenueUnreachableError")


def test_each_question_over_http(health: Health, status: Status) -> None:
    status.trading, status.trading_reason = "halted", "a person asked"

    async def ask() -> dict[str, tuple[int, dict]]:
        app = make_app(status_sources(status), [make_health_router(health)])
        answers = {}
        async with serve_api(app, ServeSettings(port=0)) as url, aiohttp.ClientSession() as http:
            for path in ("/health", "/health/alive", "/health/trading", "/health/fresh", "/health/none"):
                async with http.get(f"{url}{path}") as answer:
                    answers[path] = answer.status, await answer.json()
        return answers

    answers = asyncio.run(ask())
    assert answers["/health"] == (200, {"state": "waiting for the bar"})
    assert answers["/health/alive"][0] == 200
    assert answers["/health/trading"] == (
        503,
        {"question": "trading", "ok": False, "why": "halted: a person asked"},
    )
    assert answers["/health/fresh"][0] == 200
    assert answers["/health/none"][0] == 404
    assert "/health/alive" in answers["/health/none"][1]["error"]["remedy"]
