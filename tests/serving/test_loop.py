"""The loop around decisions: what happens while nothing can be decided."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pairity.errors import LakeCorruptError, NoChampionError, PairityError, VenueUnreachableError
from pairity.timeline import HOUR, ceil_to
from serving.journal import TradingState
from serving.loop import TradingLoop
from serving.opening import Stakes, read_stakes
from serving.parts import GuardParts, Parts
from tests.serving.guarding import Guard
from tests.serving.tiny_okx import TinyOkx
from tests.serving.trading import BTC, opened


@pytest.fixture
def guard(tiny: TinyOkx, tmp_path: Path) -> Iterator[Guard]:
    made = Guard(tiny, tmp_path)
    yield made
    made.desk.journal.close()


class Refusing:
    """What opens the deciding parts, and fails; the last time it asks the loop to stop."""

    def __init__(self, guard: Guard, errors: list[Exception]) -> None:
        self.guard, self.errors, self.tries = guard, errors, 0
        self.loop = TradingLoop(guard.parts, self.open)

    async def open(self) -> Parts:
        error = self.errors[min(self.tries, len(self.errors) - 1)]
        self.tries += 1
        if self.tries == len(self.errors):
            self.loop.stop()
        raise error


def test_open_positions_are_guarded_while_nothing_can_decide(guard: Guard, tiny: TinyOkx) -> None:
    """No champion, a torn lake, a full disk: the stop that is cancelled meanwhile is placed again."""
    asyncio.run(opened(guard.desk))
    stakes = read_stakes(guard.home / "journal.db")
    assert (stakes.began, stakes.open) == (True, True)
    tiny.algos[0]["state"] = "canceled"
    errors = [NoChampionError("none"), LakeCorruptError("torn"), OSError(28, "No space left")]
    refusing = Refusing(guard, errors)
    report = asyncio.run(refusing.loop.run())
    assert (report.cycles, refusing.tries) == (0, 3)
    assert guard.supervisor.state is TradingState.GUARDING
    assert "No space left" in guard.status.causes["opening"]
    assert len(tiny.live_algos(BTC)) == 1


def test_tries_move_apart_and_the_watch_does_not(guard: Guard, tiny: TinyOkx) -> None:
    asyncio.run(opened(guard.desk))
    begun, refusing = guard.parts.clock.now(), Refusing(guard, [NoChampionError("none")] * 7)
    asyncio.run(refusing.loop.run())
    passed = guard.parts.clock.now() - begun
    assert timedelta(seconds=600) < passed < timedelta(seconds=1200)
    looks = len(tiny.sent("privateGetAccountPositions"))
    assert looks >= passed / timedelta(seconds=15) * 0.9


def test_a_clock_that_cannot_be_asked_is_waited_for(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    failures: list[PairityError] = [VenueUnreachableError("no exchange answers")] * 2
    real, slept = guard.parts.clock.sleep_until, []

    async def sleep_until(instant):  # type: ignore[no-untyped-def]
        if failures:
            raise failures.pop()
        await real(instant)

    pause = asyncio.sleep

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await pause(0)  # others wait in asyncio's sleep too, and must not spin

    monkeypatch.setattr(guard.parts.clock, "sleep_until", sleep_until)
    refusing = Refusing(guard, [NoChampionError("none")] * 2)
    with monkeypatch.context() as patched:
        patched.setattr("serving.loop.asyncio.sleep", sleep)
        asyncio.run(refusing.loop.run())
    assert failures == []
    assert "time" not in guard.status.causes


def test_a_long_job_is_watched(guard: Guard, tiny: TinyOkx) -> None:
    async def ingest() -> str:
        for _ in range(20):
            await asyncio.sleep(0.01)
        return "done"

    async def run() -> str:
        await opened(guard.desk)
        tiny.algos[0]["state"] = "canceled"
        return await guard.watch.look_while(ingest())

    assert asyncio.run(run()) == "done"
    assert len(tiny.live_algos(BTC)) == 1


def test_at_a_start_only_open_positions_outweigh_what_a_person_must_mend(tmp_path: Path) -> None:
    assert read_stakes(tmp_path / "journal.db") == Stakes(began=False, open=False)
    outage, champion = VenueUnreachableError("gone"), NoChampionError("none")
    waits = {
        stakes: (stakes.allow_waiting(outage), stakes.allow_waiting(champion))
        for stakes in (Stakes(False, False), Stakes(True, False), Stakes(True, True))
    }
    assert list(waits.values()) == [(False, False), (True, False), (True, True)]


@pytest.mark.parametrize("hours", [0, 1, 5])
def test_a_machine_that_slept_decides_on_the_newest_bar_alone(guard: Guard, hours: int) -> None:
    loop = TradingLoop(guard.parts, Refusing(guard, [NoChampionError("none")]).open)
    first = ceil_to(guard.parts.clock.now(), HOUR)
    closes = [loop._take_newest(first)]
    guard.tiny.now_ms = int((first + hours * HOUR).timestamp() * 1000) + 6_000
    closes.append(loop._take_newest(first))
    assert closes == [first, first + hours * HOUR]
    assert bool(guard.status.problems) is (hours > 0)
    if hours:
        assert "stood still" in guard.status.problems[0]


class FakeJob:
    """A job that is due at given instants; a start that fails leaves it due."""

    def __init__(self, name: str, *due: datetime, failure: Exception | None = None) -> None:
        self.name, self.times, self.failure = name, list(due), failure
        self.started: list[datetime] = []

    def due(self) -> datetime:
        return self.times[0]

    async def start(self, due: datetime) -> None:
        if self.failure is not None:
            raise self.failure
        self.started.append(self.times.pop(0))


def test_jobs_are_started_when_they_fall_due_and_none_makes_a_decision_late(guard: Guard) -> None:
    begun = guard.parts.clock.now()
    later, far = begun + timedelta(minutes=30), begun + timedelta(days=1)
    check, training = FakeJob("parity check", later, far), FakeJob("retraining", later, far)
    broken = FakeJob("broken", later, failure=OSError(24, "Too many open files"))
    scripted: Any = None
    parts = Parts(
        **{name: getattr(guard.parts, name) for name in GuardParts.__dataclass_fields__},
        data=scripted,
        champion=scripted,
        shadow=None,
        run_id="run",
        jobs=(broken, check, training),
    )
    loop = TradingLoop(guard.parts, Refusing(guard, [NoChampionError("none")]).open)
    decision = begun + timedelta(minutes=45)
    assert asyncio.run(loop._wait_for(decision, parts))
    assert (check.started, training.started) == ([later], [later])
    assert guard.parts.clock.now() - decision < timedelta(seconds=1)
    assert [text for text in guard.status.problems if "the broken was not started" in text]
