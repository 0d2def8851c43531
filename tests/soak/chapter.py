"""One chapter of a soak: a new account and journal, and so many cycles of trading, mishaps, kills and checks."""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from pairity.layout import Layout
from pairity.timeline import from_ms
from serving.control.queue import Request, RequestQueue
from serving.journal.event_records import Wish
from tests.soak.acts import Acts
from tests.soak.decisions import Decider
from tests.soak.invariants import check_money, check_orders, check_state, is_well, list_differences
from tests.soak.life import Life
from tests.soak.venue import Venue
from venue.okx_client import READ_BACKOFF

_MOST_HEALING_LOOKS = 150
_HOURS = 110
"""Hours of the market: more than the cycles of a chapter take."""


@dataclass
class Outcome:
    """What a chapter did, and what was wrong (empty: nothing)."""

    seed: str
    story: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    worst_ms: int = 0


class Chapter:
    """A chapter; `seed` names everything that is drawn in it."""

    def __init__(self, seed: str, cycles: int, home: Path) -> None:
        self._draw = draw = random.Random(seed)
        self._cycles, self._home = cycles, home
        self.outcome = Outcome(seed)
        self._legs, self._most = draw.choice((1, 2)), draw.choice((1, 2, 3))
        self._unkind, self._people = draw.random() < 0.6, draw.random() < 0.5
        lag_ms = draw.choice((0, 400, 3_000)) if self._unkind else 0
        self._venue = Venue(draw.randrange(10**6), _HOURS, unkind=self._unkind, lag_ms=lag_ms)
        self._acts = Acts(draw, self._venue, people=self._people, kills=True)
        self._decider = Decider(draw, self._legs, self._most)
        self._life: Life | None = None
        self._tell(
            f"legs {self._legs}, positions {self._most}, unkind {self._unkind}, lag {lag_ms}, people {self._people}"
        )

    async def play(self) -> Outcome:
        """Play all cycles, or up to the first of them that leaves something wrong."""
        assert READ_BACKOFF.jitter is not None
        READ_BACKOFF.jitter.seed(self.outcome.seed)
        async with self._venue.serve():
            try:
                for cycle in range(self._cycles):
                    self._tell(f"--- cycle {cycle}")
                    await self._play_cycle()
                    self.outcome.counts["cycles"] += 1
                    if self.outcome.wrong:
                        break
            except Exception as error:  # noqa: BLE001 - whatever ends the process is what is looked for
                self.outcome.wrong.append(f"the process ended: {type(error).__name__}: {error}")
            finally:
                await self._end_life()
        if self.outcome.wrong:
            self.outcome.story += ["newest requests:", *self._venue.last]
        self.outcome.worst_ms = self._venue.meter.worst_ms
        return self.outcome

    async def _play_cycle(self) -> None:
        draw = self._draw
        for _ in range(draw.choice((0, 1, 1, 2))):
            self._act()
        if draw.random() < 0.9:
            life = self._live()
            allowed = life.supervisor.explain_refusal() is None
            record = self._decider.decide(self._venue, life.journal, life.clock.now(), allowed=allowed)
            opened = [entry.position_id for entry in record.decision.entries]
            self._tell(f"decision: exits {[e.position_id for e in record.decision.exits]}, entries {opened}")
            self.outcome.counts["entries"] += len(opened)
            self.outcome.counts["exits"] += len(record.decision.exits)
            await self._step(life.decide)
        for _ in range(draw.randint(0, 4)):
            if draw.random() < 0.3:
                self._act()
            await self._step(self._live().look)
        self._acts.end()
        await self._heal()
        if not self.outcome.wrong:
            self._jump()

    async def _heal(self) -> None:
        """Look until all is well, or too long; then check."""
        self._venue.spare()
        differences = {}
        for look in range(_MOST_HEALING_LOOKS):
            await self._step(self._live().look)
            life = self._live()
            self._lift_rivalry(life)
            differences = list_differences(self._venue, life)
            if look > 1 and is_well(life):
                break
        life = self._live()
        for name in differences:
            said = (*life.status.blocked, *life.supervisor.causes.values())
            if name not in self._acts.touched or not any(name in text for text in said):
                self.outcome.wrong.append(f"{name}: {differences[name]} contracts are not ours, and nobody says so")
            self._acts.undo_by_hand(name, differences[name])
        if differences:
            for _ in range(4):
                await self._step(life.look)
            differences = list_differences(self._venue, life)
        self._venue.meter.foreign.clear()
        for _ in range(6):  # what a person did to stops in a foreign instrument must be mended now
            await self._step(life.look)
            self._lift_rivalry(life)  # finished orders are read once a minute: some are seen late
        self.outcome.wrong += check_state(life, differs=bool(differences))
        self.outcome.wrong += check_orders(self._venue, life)
        self.outcome.wrong += await check_money(self._venue, life, alone=not self._acts.touched)
        if self._venue.meter.offence:
            self.outcome.wrong.append(self._venue.meter.offence)
        if self.outcome.wrong:
            self._tell(*life.said.lines[-12:])

    def _lift_rivalry(self, life: Life) -> None:
        """Let a person say that the other process is gone: otherwise its orders count for two hours."""
        if "second process" in life.supervisor.causes:
            now = from_ms(self._venue.clock.now_ms())
            RequestQueue(Layout(self._home)).put(Request(wish=Wish.RESUME, at=now, reason="the other process is gone"))

    def _jump(self) -> None:
        """Let the rest of an hour pass at once: everything rests protected, and nobody acts."""
        self._venue.meter.dead = True
        self._venue.move_to(self._venue.clock.now_ms() + self._draw.randint(60_000, 3_000_000))
        self._venue.meter.dead = False

    def _act(self) -> None:
        did = self._acts.draw_one()
        self.outcome.counts["acts"] += 1
        self._tell(did)

    async def _step(self, step: object) -> None:
        """Run a step of the process as a task that a kill may end; then the next life begins."""
        self._venue.meter.dead = False
        task = asyncio.ensure_future(step())  # type: ignore[operator]
        self._venue.victim = task
        try:
            await task
        except asyncio.CancelledError:
            if not task.cancelled():
                raise
            self._tell("killed")
            self.outcome.counts["kills"] += 1
            await self._end_life()
            self._venue.move_to(self._venue.clock.now_ms() + self._draw.choice((500, 20_000, 300_000)))
        self._venue.victim = None

    def _live(self) -> Life:
        if self._life is None:
            self._life = Life(self._venue, self._home)
            self.outcome.counts["lives"] += 1
        return self._life

    async def _end_life(self) -> None:
        self._venue.meter.dead = True
        if self._life is not None:
            await self._life.aclose()
        self._life = None

    def _tell(self, *lines: str) -> None:
        at = timedelta(milliseconds=self._venue.clock.now_ms() - self._venue.market.start_ms)
        self.outcome.story += [f"{at} {line}" for line in lines]


def play(seed: str, cycles: int) -> Outcome:
    """Play one chapter in a folder of its own, in memory where the machine has one, and remove that."""
    memory = Path("/dev/shm")
    home = Path(tempfile.mkdtemp(prefix="soak-", dir=memory if memory.is_dir() else None))
    home.chmod(0o700)
    try:
        return asyncio.run(Chapter(seed, cycles, home).play())
    finally:
        shutil.rmtree(home)
