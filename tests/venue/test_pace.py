"""The client stays below the venue's limits, whatever the answers take; and knows what the exchange enforces."""

from __future__ import annotations

import asyncio
import random
import time

import pytest

from paper_exchange.http.rate_limits import _LIMITS
from venue.pace import LIMITS, Limit, Pace


def test_the_limits_are_those_that_the_exchange_enforces():
    enforced = {f"publicGet{''.join(_words(path))}": limit for path, limit in _LIMITS.items() if path.startswith("GET")}
    assert {method: tuple(limit) for method, limit in LIMITS.items()} == {
        method: tuple(enforced[method]) for method in LIMITS
    }


def _words(path):
    return [word.capitalize() for word in path.removeprefix("GET ").replace("-", "/").split("/")]


async def _requests(pace, count, method="slow", longest_s=0.03, **params):
    """Make requests at once; return when the venue counts each: at any moment while it is under way."""
    chances, counted = random.Random(count), []

    async def request():
        async with pace.turn(method, params):
            before_s, after_s = chances.uniform(0, longest_s), chances.uniform(0, longest_s)
            await asyncio.sleep(before_s)
            counted.append(time.monotonic())
            await asyncio.sleep(after_s)

    await asyncio.gather(*(request() for _ in range(count)))
    return sorted(counted)


@pytest.mark.parametrize(("allowed", "count"), [(1, 5), (3, 20), (7, 30)])
def test_no_window_holds_more_than_is_allowed(allowed, count):
    window_s = 0.1
    counted = asyncio.run(_requests(Pace({"slow": Limit(allowed, window_s)}), count))
    assert len(counted) == count
    for first, beyond in zip(counted, counted[allowed:], strict=False):
        assert beyond - first >= window_s


def test_what_is_allowed_is_not_made_to_wait():
    begun = time.monotonic()
    counted = asyncio.run(_requests(Pace({"slow": Limit(20, 30.0)}), 20))
    assert counted[-1] - begun < 1.0


def test_instruments_do_not_wait_for_each_other_where_the_venue_counts_them_apart():
    pace = Pace({"slow": Limit(1, 30.0, per="instId")})

    async def run():
        return [await _requests(pace, 1, instId=name) for name in ("BTC", "ETH", "SOL")]

    begun = time.monotonic()
    assert asyncio.run(run())[-1][0] - begun < 1.0


def test_a_request_that_is_cancelled_or_fails_does_not_hold_up_the_next_one():
    pace = Pace({"slow": Limit(1, 0.05)})

    async def fail():
        with pytest.raises(ValueError, match="broken"):
            async with pace.turn("slow", {}):
                raise ValueError("broken")

    async def hang():
        async with pace.turn("slow", {}):
            await asyncio.sleep(60)

    async def run():
        await fail()
        hanging = asyncio.create_task(hang())
        waiting = asyncio.create_task(hang())
        await asyncio.sleep(0.1)
        waiting.cancel()
        hanging.cancel()
        await asyncio.gather(hanging, waiting, return_exceptions=True)
        return await _requests(pace, 1)

    assert len(asyncio.run(asyncio.wait_for(run(), 5.0))) == 1


def test_an_endpoint_that_is_not_listed_is_asked_rarely():
    pace = Pace({})
    counted = asyncio.run(_requests(pace, 6, "publicGetSomethingNew", 0.01))
    assert counted[5] - counted[0] >= 2.0
