"""The budget of the API: what readers take of a processor is bounded, whatever they ask."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.web.budget import BURST_S, BUSY_BURST_S, BUSY_SHARE, MOST_DEBT_S, SHARE, CpuBudget


class Work:
    """Time that passes by itself and is worked, both told."""

    def __init__(self):
        self.now_s = self.used_s = 0.0
        self.busy = False

    def budget(self, app=None):
        return CpuBudget(app, lambda: self.busy, monotonic=lambda: self.now_s, used=lambda: self.used_s)


WORKED_S = st.floats(0, MOST_DEBT_S / 2)


@pytest.mark.parametrize(("busy", "share", "burst_s"), [(False, SHARE, BURST_S), (True, BUSY_SHARE, BUSY_BURST_S)])
@given(
    st.lists(
        st.tuples(st.floats(0, 2), st.floats(0, MOST_DEBT_S / 2), st.floats(0, MOST_DEBT_S / 2)),
        min_size=1,
        max_size=60,
    )
)
def test_over_any_stretch_the_share_is_kept_but_for_one_burst_and_one_request(busy, share, burst_s, steps):
    work, largest, begun = Work(), 0.0, 0.0
    budget, work.busy = work.budget(), busy
    budget.find_wait()
    for pause_s, here_s, elsewhere_s in steps:
        work.now_s += pause_s
        while (wait_s := budget.find_wait()) > 0:
            work.now_s += wait_s + 1e-9
        work.used_s += here_s
        budget.charge(elsewhere_s)
        begun += here_s + elsewhere_s
        largest = max(largest, here_s + elsewhere_s)
        assert begun <= work.now_s * share + burst_s + largest + 1e-6


def test_requests_wait_in_the_order_in_which_they_came():
    work, served = Work(), []

    async def app(scope, receive, send):
        served.append(scope)
        work.used_s += 0.04

    async def scenario():
        budget = work.budget(app)
        waiting = [asyncio.ensure_future(budget(number, None, None)) for number in range(20)]
        for _ in range(2000):
            await asyncio.sleep(0)
            work.now_s += 0.01
            if len(served) == 20:
                break
            await asyncio.sleep(0.001)
        await asyncio.gather(*waiting)

    asyncio.run(scenario())
    assert served == list(range(20))
    assert work.now_s >= (0.04 * 19 - BURST_S) / SHARE - 0.1


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


def test_what_was_saved_up_is_not_spent_while_a_decision_is_made():
    work = Work()
    budget = work.budget()
    work.now_s += 100
    assert budget.find_wait() <= 0
    work.busy = True
    budget.find_wait()
    work.used_s += BUSY_BURST_S + 0.01
    assert budget.find_wait() == pytest.approx(0.01 / BUSY_SHARE)
    work.busy = False
    assert budget.find_wait() == pytest.approx(0.01 / SHARE)


@given(st.floats(0, 1000), st.booleans())
def test_nobody_waits_for_long_for_what_others_took(debt_s, busy):
    work = Work()
    budget, work.busy = work.budget(), busy
    budget.find_wait()
    budget.charge(debt_s)
    assert budget.find_wait() <= MOST_DEBT_S / BUSY_SHARE < 1
