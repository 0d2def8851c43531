"""A watch without its loop: journal, executor, supervisor and watch over the tiny exchange."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pairity.layout import Layout
from pairity.settings import Settings
from pairity.timeline import Clock, from_ms, to_ms
from pairity.trading_settings import ServeSettings
from serving.alerts.events import Events
from serving.control.queue import Request, RequestQueue
from serving.execution.executor import Executor
from serving.journal import Journal, TradingState
from serving.journal.event_records import Wish
from serving.parts import GuardParts
from serving.status import Status
from serving.supervisor import Supervisor
from serving.watch import Watch
from tests.serving.tiny_okx import TinyOkx
from tests.serving.trading import T0, Desk, desk_on


@dataclass
class Said:
    """Progress that keeps what is said."""

    lines: list[str] = field(default_factory=list)

    def stage(self, name: str, total: int) -> None: ...

    def advance(self, count: int = 1, note: str = "") -> None: ...

    def say(self, text: str) -> None:
        self.lines.append(text)


class MovingClock:
    """The venue's time; sleeping moves it, and lets others run."""

    def __init__(self, tiny: TinyOkx) -> None:
        self.tiny = tiny

    def now(self) -> datetime:
        return from_ms(self.tiny.now_ms)

    async def sleep_until(self, instant: datetime) -> None:
        await asyncio.sleep(0)
        self.tiny.now_ms = max(self.tiny.now_ms, to_ms(instant) + 1)


def make_guard_parts(
    settings: Settings, clock: Clock, executor: Executor, status: Status, said: Said, **others: Any
) -> GuardParts:
    """Return what guarding needs around an executor and its journal; `others` are further parts, by their names."""
    journal = executor.desk.journal
    return GuardParts(
        settings=settings,
        clock=clock,
        executor=executor,
        journal=journal,
        contracts=executor.contracts,  # type: ignore[arg-type]
        status=status,
        progress=said,
        supervisor=Supervisor(journal, status, clock.now, said.say),
        **{"events": Events(journal, clock.now), **others},
    )


class Guard:
    """One guarding process; `restarted` is the next one on the same journal."""

    def __init__(self, tiny: TinyOkx, home: Path, **options: Any) -> None:
        self.tiny, self.home, self.options = tiny, home, options
        self.desk: Desk = desk_on(tiny, home / "journal.db", **options)
        self.status, self.said = Status("paper", "tiny", {}), Said()
        clock = MovingClock(tiny)
        self.events = Events(self.desk.journal, clock.now)
        self.events.flush()
        settings = Settings(home=home, serve=ServeSettings(adopt_positions=options.get("adopt", False)))
        self.parts = make_guard_parts(settings, clock, self.desk.executor, self.status, self.said, events=self.events)
        self.supervisor = self.parts.supervisor
        self.watch = Watch(self.parts)

    def restarted(self) -> Guard:
        self.desk.journal.close()
        return Guard(self.tiny, self.home, **self.options)


def look(guard: Guard, seconds: float = 15) -> None:
    """Let venue time pass, and the watch look once."""
    guard.tiny.now_ms += int(seconds * 1000)
    asyncio.run(guard.watch.look())


def ask(guard: Guard, wish: Wish, **target: object) -> str:
    """Put a request of a person into the queue; return its name."""
    return RequestQueue(Layout(guard.home)).put(Request(wish=wish, at=T0, reason="a test", **target))  # type: ignore[arg-type]


def states(journal: Journal) -> list[TradingState]:
    return [record.state for record in journal.states.all()]
