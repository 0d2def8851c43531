"""The comparison of journal and bills as a command makes it: its own connection, and the journal opened for reading."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import datetime

from pairity.layout import Layout
from pairity.settings import Settings
from serving.execution.okx import OkxVenue
from serving.journal import Journal
from serving.last_checks import keep_outcome
from serving.ledger.check import check_ledger
from serving.ledger.records import LedgerReport
from serving.risk import Mode, choose_mode
from venue.okx_client import aclose, make_client


async def read_ledger(settings: Settings, find_start: Callable[[datetime], datetime], *, live: bool) -> LedgerReport:
    """Connect to the venue of the settings and compare, as `check_ledger` does; `live` asks for the real-money account.

    `find_start` gets the venue's time and returns from when on. The outcome is kept for the status of the trading
    process. Raises JournalError without a journal, LiveSwitchError without the environment's consent, CredentialsError,
    and VenueError where the venue cannot be read.
    """
    with closing(Journal.read(Layout.of(settings).journal_place)) as journal:
        client = make_client(settings, signed=True, live=choose_mode(settings, live=live) is Mode.LIVE)
        try:
            venue = OkxVenue(client, retries=settings.exchange.max_retries)
            report = await check_ledger(venue, journal, find_start(await venue.server_time()))
            keep_outcome(Layout.of(settings), "ledger", report.executions + report.positions, len(report.differences))
            return report
        finally:
            await aclose(client)
