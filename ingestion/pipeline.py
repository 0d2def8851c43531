"""The whole way once: plan → collect → validate → lake → transform → validate → publish → online."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ingestion.report import IngestReport
from ingestion.session import IngestSession
from pairity.progress import Progress
from pairity.settings import Settings
from pairity.timeline import Clock


async def ingest(
    settings: Settings,
    since: datetime,
    until: datetime,
    *,
    clock: Clock,
    instruments: Sequence[str] | None = None,
    live: bool = False,
    recheck: bool = False,
    progress: Progress | None = None,
) -> IngestReport:
    """One run of an `IngestSession` of its own (see `IngestSession.run`); a process that runs often keeps the session.

    `instruments` are short names, by default the whole universe.
    """
    async with IngestSession(settings, clock, progress=progress) as session:
        return await session.run(since, until, instruments=instruments, live=live, recheck=recheck)
