"""A request takes effect at once: between two orders of a decision, and in the middle of a sleep."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from pairity.layout import Layout
from pairity.strategy.types import Entry, Exit, ExitReason
from serving.control.queue import Request, RequestQueue
from serving.cycle import Cycle
from serving.execution.entries import Opened
from serving.execution.exits import Closed
from serving.journal import DecisionRecord, TradingState
from serving.journal.event_records import Wish
from serving.parts import Parts
from serving.report import Reporter
from serving.supervisor import PERSON
from serving.wakes import Wakes
from tests.serving.guarding import Guard, ask, look
from tests.serving.real_time import real_time_venue, running, until
from tests.serving.trading import T0, entry

HALTED = TradingState.HALTED


def test_a_halt_between_two_entries_of_a_decision_stops_the_second(
    guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first may take minutes at a slow venue: whoever halts meanwhile must not see another position opened."""
    cycle = Cycle(cast(Parts, guard.parts), guard.watch, Reporter(guard.parts))
    record = guard.desk.decide(entry(), entry(asset="ETH", reference=2000.0))
    look(guard)
    asyncio.run(guard.watch.measure())
    really_open = guard.parts.executor.open

    async def open_and_wait(wanted: Entry, decided: DecisionRecord) -> Opened:
        outcome = await really_open(wanted, decided)
        ask(guard, Wish.HALT)
        return outcome

    monkeypatch.setattr(guard.parts.executor, "open", open_and_wait)
    problems = asyncio.run(cycle._carry_out(record))
    assert [held.position.legs[0].asset for held in guard.desk.journal.open_positions()] == ["BTC"]
    assert guard.supervisor.state is HALTED
    assert "ETH__SOL@20250318T1700Z was not opened: halted" in problems[-1]
    ask(guard, Wish.RESUME)
    ask(guard, Wish.HALT)
    assert asyncio.run(cycle._carry_out(record)) == [f"nothing is carried out: {guard.supervisor.explain_refusal()}"]


def test_a_halt_between_two_exits_of_a_decision_leaves_the_second(
    guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    cycle = Cycle(cast(Parts, guard.parts), guard.watch, Reporter(guard.parts))
    both = [entry(), entry(asset="ETH", reference=2000.0)]
    entered = guard.desk.decide(*both)
    for wanted in both:
        asyncio.run(guard.parts.executor.open(wanted, entered))
    look(guard)
    exits = tuple(Exit(wanted.position_id, ExitReason.Z_CROSS) for wanted in both)
    record = guard.desk.decide(exits=exits, at=T0 + timedelta(hours=1))
    really_close = guard.parts.executor.close

    async def close_and_wait(*given: Any) -> Closed:
        outcome = await really_close(*given)
        ask(guard, Wish.HALT)
        return outcome

    monkeypatch.setattr(guard.parts.executor, "close", close_and_wait)
    problems = asyncio.run(cycle._carry_out(record))
    assert [held.position.legs[0].asset for held in guard.desk.journal.open_positions()] == ["ETH"]
    assert problems[-1].startswith("ETH__SOL@20250318T1700Z was not closed: halted")


def test_a_running_process_takes_a_request_up_at_once(tmp_path: Path) -> None:
    async def job() -> None:
        with real_time_venue() as (url, _account):
            async with running(url, tmp_path / "home", watch_s=300, stream=False) as process:
                await until(lambda: process.status.watched is not None)
                await asyncio.sleep(0.3)
                queue = RequestQueue(Layout(tmp_path / "home"))
                queue.put(Request(wish=Wish.GUARD, at=T0, reason="a test"))
                assert await until(lambda: PERSON in process.supervisor.causes) < 1.5
                await until(lambda: queue.list_waiting() == [])

    asyncio.run(asyncio.wait_for(job(), 60))


def test_a_new_request_wakes_a_sleep_at_once_and_one_that_was_tried_does_not(guard: Guard) -> None:
    class RealClock:
        async def sleep_until(self, _instant: datetime) -> None:
            await asyncio.sleep(3.0)

    queue = RequestQueue(Layout(guard.home))
    wakes = Wakes(None, queue=queue)

    async def sleep() -> float:
        begun = time.monotonic()
        await wakes.sleep_until(RealClock(), T0 + timedelta(days=1))  # type: ignore[arg-type]
        return time.monotonic() - begun

    async def sleep_and_ask() -> float:
        task = asyncio.ensure_future(sleep())
        await asyncio.sleep(0.1)
        ask(guard, Wish.GUARD)
        return await task

    assert asyncio.run(sleep_and_ask()) < 1.0
    queue.mark_seen()
    assert not queue.has_new()
