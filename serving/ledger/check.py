"""Comparison of the journal with the venue's bills of a range of time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from pairity.timeline import check_range, to_ms
from serving.execution.venue import VenuePort
from serving.execution.venue_records import VenueBill
from serving.journal import Journal
from serving.ledger.executions import compare_executions
from serving.ledger.funding import compare_funding
from serving.ledger.records import Difference, Finding, LedgerReport

_ROUNDED = Decimal("1e-12")
"""Most that a balance may be off what its bill says: the venue rounds both, each in its last digit."""
_SETTLING = timedelta(minutes=1)
"""Time that the venue may take to book what it executed: what is younger is left for the next comparison."""


async def check_ledger(venue: VenuePort, journal: Journal, since: datetime) -> LedgerReport:
    """Return what the journal and the venue's bills since then say differently; reads only.

    Fees and results are compared execution by execution, funding per closed position, all exactly. The newest minute
    is left out: bills may lag behind executions. Raises TimeRangeError where nothing lies between `since` and then, and
    VenueError where the bills cannot be read whole, or are kept no more; nothing is compared then.
    """
    until = await venue.server_time() - _SETTLING
    check_range(since, until)
    bills = await venue.bills(since, until)
    fills = [fill for fill in journal.fills() if to_ms(since) <= to_ms(fill.at) <= to_ms(until)]
    executions, of_executions = compare_executions(fills, bills, journal.owns)
    records = [*journal.closed_positions(), *journal.open_positions()]
    positions, of_funding = compare_funding(records, bills, since, until)
    differences = [*of_executions, *of_funding, *_list_gaps(bills)]
    return LedgerReport(
        since=since,
        until=until,
        executions=executions,
        positions=positions,
        changes=_sum_changes(bills),
        differences=tuple(sorted(differences, key=lambda item: (item.at, item.finding, item.name))),
    )


def _list_gaps(bills: Sequence[VenueBill]) -> Iterator[Difference]:
    """Yield where a balance does not follow from the bill before it: pages that came whole may still lack a row."""
    last: dict[str, VenueBill] = {}
    for bill in bills:
        before = last.get(bill.currency)
        if before is not None and abs(before.balance + bill.change - bill.balance) > _ROUNDED:
            there = f"{before.balance} {bill.change:+} is not {bill.balance} {bill.currency}"
            yield Difference.of_bill(Finding.GAP, bill, there)
        last[bill.currency] = bill


def _sum_changes(bills: Sequence[VenueBill]) -> tuple[tuple[str, str, Decimal], ...]:
    sums: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for bill in bills:
        sums[bill.currency, str(bill.kind)] += bill.change
    return tuple((currency, kind, amount) for (currency, kind), amount in sorted(sums.items()))
