"""A watch without its loop: journal, executor, supervisor and watch over the tiny exchange."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pairity.settings import Settings, UniverseSettings
from pairity.timeline import from_ms, to_ms
from pairity.trading_settings import ServeSettings
from serving.alerts.events import Events
from serving.parts import GuardParts
from serving.status import Status
from serving.supervisor import Supervisor
from serving.watch import Watch
from tests.serving.tiny_okx import TinyOkx
from tests.serving.trading import Desk, desk_on


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


class Guard:
    """One guarding process; `restarted` is the next one on the same journal."""

    def __init__(self, tiny: TinyOkx, home: Path, **options: Any) -> None:
        self.tiny, self.home, self.options = tiny, home, dict(options)
        self.assets: tuple[str, ...] = options.pop("assets", ("BTC", "ETH"))
        self.desk: Desk = desk_on(tiny, home / "journal.db", **options)
        self.status, self.said = Status("paper", "tiny", {}), Said()
        clock = MovingClock(tiny)
        self.events = Events(self.desk.journal, clock.now)
        self.events.flush()
        self.supervisor = Supervisor(self.desk.journal, self.status, clock.now, self.said.say)
        self.parts = GuardParts(
            settings=Settings(
                home=home,
                universe=UniverseSettings(assets=self.assets),
                serve=ServeSettings(adopt_positions=options.get("adopt", False)),
            ),
            clock=clock,
            executor=self.desk.executor,
            journal=self.desk.journal,
            contracts=self.desk.executor.contracts,  # type: ignore[arg-type]
            status=self.status,
            progress=self.said,
            supervisor=self.supervisor,
            events=self.events,
        )
        self.watch = Watch(self.parts)

    def restarted(self) -> Guard:
        self.desk.journal.close()
        return Guard(self.tiny, self.home, **self.options)
