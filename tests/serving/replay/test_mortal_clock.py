"""A clock that ends its process: where the exchange stands then, and that nothing of the process runs after it."""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import timedelta

import pytest

from serving.replay.mortal_clock import MortalClock
from tests.feature_repo.rows import HOUR, START
from venue.clock import SteppedClock


class Killed(Exception):
    """In place of the signal."""


@pytest.fixture
def clock(monkeypatch):
    stepped = []

    async def step(self, instant):
        stepped.append(instant)
        self._now = instant

    def kill(number, sent):
        assert (number, sent) == (os.getpid(), signal.SIGKILL)
        raise Killed

    monkeypatch.setattr(SteppedClock, "sleep_until", step)
    monkeypatch.setattr(os, "kill", kill)
    made = MortalClock("http://127.0.0.1:1", START)
    made.until = START + HOUR
    return made, stepped


def test_sleeps_up_to_the_end_are_sleeps(clock):
    made, stepped = clock
    asyncio.run(made.sleep_until(START + HOUR))
    assert stepped == [START + HOUR]


def test_a_sleep_beyond_the_end_stops_at_it(clock):
    made, stepped = clock
    with pytest.raises(Killed):
        asyncio.run(made.sleep_until(START + HOUR + timedelta(seconds=1)))
    assert stepped == [START + HOUR]
