"""Bills of the account: every change of its balances, from the list of the last week and the archive before it.

Kept for seven days in `account/bills` and for three months in `account/bills-archive` (docs/okx-protocol.md, Bills). A
range that begins earlier than a week ago is read from both, and a bill that is in both counts once.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from pairity.errors import VenueAnswerError
from pairity.timeline import HOUR, to_ms
from serving.execution import okx_rows as rows
from serving.execution.okx_connection import OkxConnection, Pages
from serving.execution.venue_records import BillKind, VenueBill

KEPT = timedelta(days=90)
"""How far back the archive reaches."""
_RECENT = timedelta(days=7) - HOUR
"""Age up to which a bill is surely in the list of the last week."""
_LIST, _ARCHIVE = "privateGetAccountBills", "privateGetAccountBillsArchive"
# A settlement is one bill per instrument, every hour at most, and there are some hundred instruments.
_PAGES, _PAGES_PER_HOUR = 10, 4
_KINDS = {
    "1": BillKind.TRANSFER,
    "2": BillKind.TRADE,
    "5": BillKind.LIQUIDATION,
    "7": BillKind.INTEREST,
    "8": BillKind.FUNDING,
    "9": BillKind.DELEVERAGING,
}


async def read_bills(
    connection: OkxConnection, since: datetime, until: datetime, kind: BillKind | None = None
) -> list[VenueBill]:
    """Return the bills of [since, until], oldest first; only those of one kind where it is given.

    Raises VenueAnswerError for a range that begins before the archive does: what came before it is not known, and is
    not taken for nothing.
    """
    now = await connection.server_time()
    if now - since > KEPT:
        raise VenueAnswerError(
            f"bills are asked for from {since:%Y-%m-%d %H:%M} UTC, and the venue keeps them for {KEPT.days} days",
            "take what is older from the statements of the venue's site",
        )
    wanted = {"begin": str(to_ms(since)), "end": str(to_ms(until))}
    if kind is not None:
        wanted["type"] = next(code for code, known in _KINDS.items() if known is kind)
    pages = Pages("billId", _PAGES + _PAGES_PER_HOUR * max(0, (until - since) // HOUR))
    found: dict[str, VenueBill] = {}
    for method in (_LIST, _ARCHIVE) if now - since > _RECENT else (_LIST,):
        for bill in await connection.read_pages(method, wanted, pages, bill_from_row):
            if found.setdefault(bill.bill_id, bill) != bill:
                raise VenueAnswerError(f"bill {bill.bill_id} differs between the list and the archive", "try again")
    inside = [bill for bill in found.values() if to_ms(since) <= to_ms(bill.at) <= to_ms(until)]
    return sorted(inside, key=lambda bill: (len(bill.bill_id), bill.bill_id))


async def read_newest_bill(connection: OkxConnection, currency: str) -> VenueBill | None:
    """Return the newest change of a currency's balance; None where even the archive has none."""
    wanted = {"ccy": currency, "limit": "1"}
    for method in (_LIST, _ARCHIVE):
        if found := await connection.read_all(method, wanted, bill_from_row):
            return found[0]
    return None


def bill_from_row(row: rows.Row) -> VenueBill:
    """Return the bill of a row. Transfers leave fee and result empty, which is none of either."""
    return VenueBill(
        bill_id=rows.text(row, "billId"),
        at=rows.instant(row, "ts"),
        kind=_KINDS.get(rows.text(row, "type"), BillKind.OTHER),
        code=f"{rows.text(row, 'type')}/{rows.optional_text(row, 'subType')}",
        instrument=rows.optional_text(row, "instId"),
        currency=rows.text(row, "ccy"),
        change=rows.number(row, "balChg"),
        balance=rows.number(row, "bal"),
        fee=rows.optional(row, "fee", rows.number) or Decimal(0),
        pnl=rows.optional(row, "pnl", rows.number) or Decimal(0),
        order_id=rows.optional_text(row, "ordId"),
        client_order_id=rows.optional_text(row, "clOrdId"),
        trade_id=rows.optional_text(row, "tradeId"),
        margin_mode=rows.optional_text(row, "mgnMode"),
    )
