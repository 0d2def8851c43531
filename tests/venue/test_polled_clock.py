"""A clock of an exchange at any speed: no instant is slept through, and none seems to have come before it has."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pairity.timeline import HOUR, ceil_to, to_ms
from venue.clock import PolledClock

T0 = datetime(2026, 1, 20, tzinfo=UTC)


@dataclass
class Venue:
    """A venue that answers with its time, which runs `speed` times as fast as real time."""

    speed: float
    url: str = ""
    begun: float = field(default_factory=time.monotonic)
    polls: int = 0

    def now(self) -> datetime:
        return T0 + timedelta(seconds=(time.monotonic() - self.begun) * self.speed)


@contextlib.contextmanager
def venue(speed: float) -> Iterator[Venue]:
    made = Venue(speed)

    class Handler(BaseHTTPRequestHandler):
        disable_nagle_algorithm = True  # else a body waits 40 ms for the acknowledgement of its headers

        def do_GET(self) -> None:
            made.polls += 1
            body = json.dumps({"code": "0", "data": [{"ts": str(to_ms(made.now()))}]}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_given: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=lambda: server.serve_forever(0.02), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@pytest.mark.parametrize("speed", [720, 7200, 14400])
def test_every_hour_of_a_fast_venue_is_met(speed: int) -> None:
    """At 14,400 times real time an hour takes a quarter of a second, less than a usual pause between two polls."""

    async def meet() -> list[datetime]:
        clock = await PolledClock.connect(made.url, 5.0)
        met = []
        until = time.monotonic() + 1.6
        while time.monotonic() < until:
            close = ceil_to(clock.now() + timedelta(microseconds=1), HOUR)
            if time.monotonic() + (close - clock.now()).total_seconds() / speed > until:
                break
            await clock.sleep_until(close)
            assert clock.now() >= close
            met.append(close)
        return met

    with venue(speed) as made:
        met = asyncio.run(meet())
    assert len(met) == len(set(met)), "none twice"
    expected = [met[0] + number * HOUR for number in range(len(met))] if met else []
    assert met == expected, "and none left out"
    assert len(met) >= (3 if speed > 720 else 0)


@pytest.mark.parametrize("speed", [0.0, 0.25, 1.0, 120.0])
def test_it_is_never_ahead_of_the_venue(speed: float) -> None:
    """A bar that seemed to have closed already would be waited for an interval too long."""

    async def watch() -> None:
        clock = await PolledClock.connect(made.url, 5.0)
        for _ in range(6):
            await asyncio.sleep(0.05)
            assert clock.now() <= made.now() + timedelta(milliseconds=60)
        if speed:
            await clock.sleep_until(clock.now() + timedelta(seconds=0.1 * speed))
            assert clock.now() <= made.now() + timedelta(milliseconds=60)

    with venue(speed) as made:
        asyncio.run(watch())


def test_a_real_venue_is_not_asked_more_often_than_it_must() -> None:
    async def sleep() -> None:
        clock = await PolledClock.connect(made.url, 5.0)
        await clock.sleep_until(clock.now() + timedelta(seconds=1.4))

    with venue(1.0) as made:
        asyncio.run(sleep())
    assert made.polls <= 9
