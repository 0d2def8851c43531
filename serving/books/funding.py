"""Funding of a book's names: settlements read from the venue's bills, and journalled once each."""

from __future__ import annotations

from datetime import datetime, timedelta

from serving.execution.okx_bills import KEPT
from serving.execution.venue import VenuePort
from serving.execution.venue_records import BillKind
from serving.journal import Journal
from serving.journal.funding_pages import Settlement

_SETTLING = timedelta(minutes=1)
"""Time that the venue may take to book a settlement: what is younger is left for the next time."""
_AGAIN = timedelta(hours=1)
"""Time that is read once more: a bill that came late is journalled all the same."""
_AGAIN_DAILY = timedelta(days=7)
"""Time that is read once more on every new day (UTC): a venue in trouble may book a settlement days after it."""


async def collect_funding(venue: VenuePort, journal: Journal, now: datetime) -> list[str]:
    """Journal the settlements since the last time, of the instruments that the book ever traded; return problems.

    Nothing is asked before the book has traded. What the venue keeps no more is noted as a gap. Raises VenueError.
    """
    until, known = now - _SETTLING, journal.funding.read_until()
    since = journal.books.find_first_execution() if known is None else known - _AGAIN
    if since is None:
        return []
    gap, oldest = None, now - KEPT + _AGAIN
    if since < oldest:
        since, gap = oldest, (since, oldest)
    elif known is not None and until.date() != known.date():
        since = max(known - _AGAIN_DAILY, oldest)  # what was read before is no gap where the venue keeps it no more
    if until <= (known or since):
        return []
    bills = await venue.bills(since, until, BillKind.FUNDING)
    names = journal.books.list_instruments() if bills else set()
    own = [Settlement(one.bill_id, one.instrument, one.at, one.pnl) for one in bills if one.instrument in names]
    journal.funding.record(own, until, gap)
    if gap is None:
        return []
    begin, end = gap
    return [f"funding from {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC is not known: the venue keeps it no more"]
