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
from datetime import datetime
from functools import partial
from pathlib import Path

import polars as pl
from sqlalchemy import Connection

from ingestion.report import IngestReport
from pairity.settings import Settings
from serving.journal import Journal
from serving.process import serve
from serving.replay.published_data import report_nothing
from serving.replay.stand_ins import StandIns, VirtualWaiting
from training.books.present import read_present


class StoredData:
    """Data that are there: nothing is fetched or computed, and books read no online store."""

    async def run(self, since: datetime, until: datetime, *, live: bool) -> IngestReport:
        return report_nothing(since, until)

    def work_ahead(self, close: datetime) -> list[str]:
        return []

    def read_online(self, service_name: str, entities: object, *, at: datetime) -> pl.DataFrame:
        raise AssertionError("a book reads the stored market")


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


def main() -> None:
    cycles, kill_at = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None
    stand_ins = StandIns(
        open_data=lambda _settings, _clock: StoredData(),
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
        read_market=read_present,
    )
    report = asyncio.run(job)
    print(f"done: {report.cycles} cycles, {dict(report.actions)}", flush=True)


if __name__ == "__main__":
    main()
