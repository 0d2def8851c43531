"""Measures of the account: from its balance and positions, the journal's marks and events, and bills of transfers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from pairity.margin import MarginMode
from pairity.timeline import DAY, HOUR, floor_to, to_ms
from pairity.universe import ContractSpec, inst_id, short_name
from serving.execution.venue import VenuePort
from serving.execution.venue_records import Balance, BillKind, VenueBill, VenuePosition
from serving.journal import EquityMark, IntentState, Journal
from serving.limits.records import AccountMeasures

_USDT = "USDT"
_TICK = timedelta(milliseconds=1)


async def mark_equity(
    venue: VenuePort, journal: Journal, balance: Balance, at: datetime, newest: VenueBill | None = None
) -> EquityMark:
    """Write the account's equity at `at` into the journal, and return the mark.

    What was paid in or out since the mark before is read from the venue's bills: a payment is neither gain nor loss.
    `newest` is the newest bill in USDT as it was read at `at` or later: where it is no younger than the mark before,
    nothing was paid since, and nothing more is read. What comes after `at` counts at the next mark.
    The peak begins anew where a person resumed trading since that mark: the fall to it has been seen. Raises VenueError
    where the bills cannot be read; nothing is written then.
    """
    last = journal.equity.last()
    if last is not None and at <= last.at:
        return last
    paid_in, peak = Decimal(0), balance.equity
    if last is not None and newest is not None and to_ms(newest.at) <= to_ms(last.at):
        paid_in = last.paid_in_usdt
    elif last is not None:
        # A bill of the very millisecond of the mark was in its equity.
        bills = await venue.bills(last.at + _TICK, at, BillKind.TRANSFER)
        paid_in = last.paid_in_usdt + sum((bill.change for bill in bills if bill.currency == _USDT), Decimal(0))
    if last is not None:
        resumed = journal.states.last_resumption()
        peak = balance.equity - paid_in
        if resumed is None or resumed.at <= last.at:
            peak = max(last.peak_usdt, peak)
    mark = EquityMark(at, balance.equity, paid_in, peak)
    journal.equity.record(mark)
    return mark


def measure_account(
    journal: Journal,
    mark: EquityMark,
    positions: Iterable[VenuePosition],
    contracts: Mapping[str, ContractSpec],
    margin_ratio: Decimal | None,
) -> AccountMeasures:
    """Return the measures of the account at its newest mark; `margin_ratio` is the account's, of cross margin.

    `positions` are all that the venue shows: what is not ours takes margin too. One without a contract in `contracts`
    (by short name) counts as if a contract were one coin, which is rather too much than too little.
    """
    rows = list(positions)
    today = journal.equity.first_since(floor_to(mark.at, DAY)) or mark
    return AccountMeasures(
        at=mark.at,
        equity=mark.equity_usdt,
        day_start=mark.equity_usdt + today.earned_usdt - mark.earned_usdt,
        peak=mark.equity_usdt + mark.peak_usdt - mark.earned_usdt,
        gross_notional=sum((_notional(there, contracts) for there in rows), Decimal(0)),
        orders_last_hour=journal.count_events(IntentState.SENT, mark.at - HOUR),
        rejects_last_hour=journal.count_events(IntentState.REJECTED, mark.at - HOUR),
        margin_ratio=_find_smallest_ratio(margin_ratio, journal, rows),
    )


def _find_smallest_ratio(
    margin_ratio: Decimal | None, journal: Journal, rows: Iterable[VenuePosition]
) -> Decimal | None:
    """Return the smallest margin ratio of what is liquidated by itself: the account, each isolated position of ours.

    An isolated position of somebody else loses its own margin only, which is not ours to watch.
    """
    isolated = {
        inst_id(leg.asset)
        for record in journal.open_positions()
        if record.position.margin_mode is MarginMode.ISOLATED
        for leg in record.position.legs
    }
    own = [row for row in rows if row.margin_mode == MarginMode.ISOLATED and row.instrument in isolated]
    ratios = [margin_ratio, *(row.margin_ratio for row in own)]
    return min((ratio for ratio in ratios if ratio is not None), default=None)


def _notional(there: VenuePosition, contracts: Mapping[str, ContractSpec]) -> Decimal:
    price = there.mark_price or there.average_price
    contract = contracts.get(short_name(there.instrument))
    return abs(there.contracts) * price if contract is None else contract.notional(abs(there.contracts), price)
