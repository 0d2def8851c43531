"""The budget of the API: what readers take of a processor is bounded, whatever they ask."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.web.budget import CpuBudget


class Work:
    """Time that passes by itself and is worked, both told."""

    def __init__(self):
        self.now_s = self.used_s = 0.0

    def budget(self, app=None, share=0.25):
        return CpuBudget(app, share, monotonic=lambda: self.now_s, used=lambda: self.used_s)


@given(st.lists(st.tuples(st.floats(0, 2), st.floats(0, 0.4), st.floats(0, 0.2)), min_size=1, max_size=60))
def test_over_any_stretch_the_share_is_kept_but_for_one_burst_and_one_request(steps):
    work, largest, begun = Work(), 0.0, 0.0
    budget = work.budget()
    for pause_s, here_s, elsewhere_s in steps:
        work.now_s += pause_s
        while (wait_s := budget.find_wait()) > 0:
            work.now_s += wait_s + 1e-9
        work.used_s += here_s
        budget.charge(elsewhere_s)
        begun += here_s + elsewhere_s
        largest = max(largest, here_s + elsewhere_s)
        assert begun <= work.now_s * 0.25 + 0.5 + largest + 1e-6


def test_requests_wait_in_the_order_in_which_they_came():
    work, served = Work(), []

    async def app(scope, receive, send):
        served.append(scope)
        work.used_s += 0.3

    async def scenario():
        budget = work.budget(app)
        waiting = [asyncio.ensure_future(budget(number, None, None)) for number in range(5)]
        for _ in range(2000):
            await asyncio.sleep(0)
            work.now_s += 0.01
            if len(served) == 5:
                break
            await asyncio.sleep(0.001)
        await asyncio.gather(*waiting)

    asyncio.run(scenario())
    assert served == [0, 1, 2, 3, 4]
    assert work.now_s >= (0.3 * 4 - 0.5) / 0.25 - 0.1


def test_one_that_hangs_up_while_it_waits_lets_the_next_one_in():
    async def app(scope, receive, send):
        return None

    async def scenario():
        work = Work()
        budget = work.budget(app)
        budget.charge(10.0)
        first = asyncio.ensure_future(budget("first", None, None))
        second = asyncio.ensure_future(budget("second", None, None))
        await asyncio.sleep(0.05)
        first.cancel()
        work.now_s += 1000
        await asyncio.wait_for(second, 5)
        with pytest.raises(asyncio.CancelledError):
            await first

    asyncio.run(scenario())
