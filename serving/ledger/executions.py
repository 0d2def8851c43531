"""Executions of the journal against bills of trades: the same ones, with the same fee and result."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal

from serving.execution.venue_records import BillKind, VenueBill
from serving.journal import Fill
from serving.ledger.records import Difference, Finding

EXECUTED = frozenset({BillKind.TRADE, BillKind.LIQUIDATION, BillKind.DELEVERAGING})
"""Kinds of bills that are executions."""
_USDT = "USDT"
_Key = tuple[str, str, str]


def compare_executions(
    fills: Sequence[Fill], bills: Sequence[VenueBill], owns: Callable[[str], bool]
) -> tuple[int, list[Difference]]:
    """Return how many executions agree, and the differences of the others.

    `fills` and `bills` are those of one range of time; bills of other kinds are passed over. A fee that another
    currency paid has a bill of its own, beside the trade's. `owns` says of a client order id whether it is ours.
    """
    here = {(fill.instrument, fill.trade_id, fill.order_id): fill for fill in fills}
    there: defaultdict[_Key, list[VenueBill]] = defaultdict(list)
    for bill in bills:
        if bill.kind in EXECUTED:
            there[bill.instrument, bill.trade_id, bill.order_id].append(bill)
    agreed, differences = 0, list(_list_missing(here, there, owns))
    for key in here.keys() & there.keys():
        found = list(_compare(here[key], there[key]))
        differences += found
        agreed += not found
    return agreed, differences


def _list_missing(
    here: Mapping[_Key, Fill], there: Mapping[_Key, list[VenueBill]], owns: Callable[[str], bool]
) -> Iterator[Difference]:
    for key in there.keys() - here.keys():
        bill = there[key][0]
        finding = Finding.NOT_HERE if owns(bill.client_order_id or "") else Finding.FOREIGN
        amount = ", ".join(f"{item.change} {item.currency}" for item in there[key])
        name = bill.client_order_id or bill.order_id or bill.bill_id
        yield Difference.of_bill(finding, bill, amount, name)
    for key in here.keys() - there.keys():
        fill = here[key]
        name = fill.client_order_id or fill.order_id
        yield Difference(
            finding=Finding.NOT_THERE,
            at=fill.at,
            instrument=fill.instrument,
            name=name,
            here=f"trade {fill.trade_id}",
            there="",
        )


def _compare(fill: Fill, bills: Sequence[VenueBill]) -> Iterator[Difference]:
    name = fill.client_order_id or fill.order_id
    expected = {fill.charged.currency: fill.charged.amount} if fill.charged else {_USDT: fill.fee_usdt or Decimal(0)}
    charged = _sum_fees(bills)
    if charged != {currency: amount for currency, amount in expected.items() if amount}:
        here, there = _show(expected), _show(charged)
        yield Difference(
            finding=Finding.FEE,
            at=fill.at,
            instrument=fill.instrument,
            name=name,
            here=here,
            there=there,
        )
    earned = sum((bill.pnl for bill in bills), Decimal(0))
    if earned != fill.pnl_usdt:
        yield Difference(
            finding=Finding.RESULT,
            at=fill.at,
            instrument=fill.instrument,
            name=name,
            here=f"{fill.pnl_usdt} USDT",
            there=f"{earned} USDT",
        )


def _sum_fees(bills: Sequence[VenueBill]) -> dict[str, Decimal]:
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for bill in bills:
        sums[bill.currency] += bill.fee
    return {currency: amount for currency, amount in sums.items() if amount}


def _show(amounts: Mapping[str, Decimal]) -> str:
    return ", ".join(f"{amount} {currency}" for currency, amount in amounts.items()) or "none"
