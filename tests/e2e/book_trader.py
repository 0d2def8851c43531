"""A process that trades a book on data that are stored already: `python -m tests.e2e.book_trader CYCLES [KILL_AT]`.

It is `pairity serve`, but for what a replay stands in for: nothing is ingested, execution waits in virtual seconds, and
the journal survives a kill only. With KILL_AT the process kills itself right after the journal's commit of that number
since its decisions began; with a minus sign right before.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from pairity.settings import Settings
from pairity.timeline import Clock
from serving.journal import Journal
from serving.process import serve
from serving.replay.published_data import PublishedData
from serving.replay.stand_ins import StandIns, VirtualWaiting
from training.books.present import measure_book


class MortalJournal(Journal):
    """A journal that ends its process at one of its commits."""

    kill_at: int | None = None
    commits = 0

    @contextmanager
    def _begin(self) -> Iterator[Connection]:
        with super()._begin() as connection:
            yield connection
            if self.kill_at is not None and self.kill_at < 0:
                self._count(-self.kill_at)
        if self.kill_at is not None and self.kill_at > 0:
            self._count(self.kill_at)

    def _count(self, at: int) -> None:
        type(self).commits += 1
        if self.commits == at:
            os.kill(os.getpid(), signal.SIGKILL)


def open_journal(kill_at: int | None, path: Path) -> Journal:
    journal = MortalJournal.open(path, durable=False)
    journal.kill_at = kill_at
    return journal


class Quiet:
    """Progress that says lines on standard output."""

    def stage(self, name: str, total: int = 0) -> None:
        pass

    def advance(self, steps: int = 1, note: str = "") -> None:
        pass

    def say(self, line: str) -> None:
        print(line, flush=True)


def open_published(settings: Settings, clock: Clock) -> PublishedData:
    """Everything that is stored, as known at the clock."""
    return PublishedData(settings, clock, clock.now() - timedelta(days=1), clock.now() + timedelta(days=200))


def main() -> None:
    cycles, kill_at = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None
    stand_ins = StandIns(
        open_data=open_published,
        make_pace=VirtualWaiting().make_pace,
        open_journal=partial(open_journal, kill_at),
    )
    settings = Settings()
    progress = Quiet()
    job = serve(
        settings,
        live=False,
        cycles=cycles,
        progress=progress,
        on_ready=lambda _url: None,
        stand_ins=stand_ins,
        measure_book=measure_book,
    )
    report = asyncio.run(job)
    print(f"done: {report.cycles} cycles, {dict(report.actions)}", flush=True)


if __name__ == "__main__":
    main()
