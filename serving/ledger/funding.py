"""Funding of closed positions against the bills of their time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal

from pairity.timeline import to_ms
from pairity.universe import inst_id
from serving.execution.venue_records import BillKind, VenueBill
from serving.journal import PositionRecord
from serving.ledger.records import Difference, Finding


def compare_funding(
    positions: Sequence[PositionRecord], bills: Sequence[VenueBill], since: datetime, until: datetime
) -> tuple[int, list[Difference]]:
    """Return how many closed positions agree with the bills about their funding, and the differences.

    `bills` are all those of [since, until]. Compared are positions that lie in it whole; the funding of the others is
    theirs all the same. What was settled on an instrument while none of ours was open on it is not ours.
    """
    payments = [bill for bill in bills if bill.kind is BillKind.FUNDING]
    agreed, differences = 0, []
    for record in positions:
        if record.close is not None and since <= record.position.opened_at and record.close.closed_at <= until:
            found = _compare(record, payments)
            agreed += found is None
            differences += [] if found is None else [found]
    return agreed, differences + list(_list_foreign(positions, payments))


def _compare(record: PositionRecord, payments: Sequence[VenueBill]) -> Difference | None:
    assert record.close is not None
    paid = sum((bill.pnl for bill in payments if _is_of(record, bill)), Decimal(0))
    known = record.close.funding_usdt
    if known == paid:
        return None
    names = "+".join(inst_id(leg.asset) for leg in record.position.legs)
    finding = Finding.UNKNOWN if known is None else Finding.FUNDING
    here = "" if known is None else f"{known} USDT"
    return Difference(
        finding=finding,
        at=record.close.closed_at,
        instrument=names,
        name=record.position.position_id,
        here=here,
        there=f"{paid} USDT",
    )


def _list_foreign(positions: Sequence[PositionRecord], payments: Sequence[VenueBill]) -> Iterator[Difference]:
    for bill in payments:
        if not any(_is_of(record, bill) for record in positions):
            yield Difference.of_bill(Finding.FOREIGN, bill, f"{bill.change} {bill.currency}")


def _is_of(record: PositionRecord, bill: VenueBill) -> bool:
    """Return whether a position was open on the bill's instrument and in its margin mode at its time.

    The venue's times are milliseconds.
    """
    if all(inst_id(leg.asset) != bill.instrument for leg in record.position.legs):
        return False
    if bill.margin_mode == record.position.margin_mode.other:
        return False
    ended = record.close is not None and to_ms(bill.at) > to_ms(record.close.closed_at)
    return to_ms(bill.at) >= to_ms(record.position.opened_at) and not ended
