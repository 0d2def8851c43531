"""The account's cash, and a bill for every change of it (docs/okx-protocol.md, Bills)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import count
from typing import NamedTuple

from paper_exchange.account.positions import MarginMode, PositionSide
from paper_exchange.wire import Json, empty_fields, format_number, format_padded

ZERO = Decimal(0)
TRADE, DELIVERY, LIQUIDATION, MARGIN, FUNDING = "2", "3", "5", "6", "8"
PARTIAL_LIQUIDATION = "partial"
"""A liquidation that leaves a part of the position; its bills are of the type `LIQUIDATION`."""
_SUB_KINDS = {
    (TRADE, "net"): ("1", "2"),
    (TRADE, "long"): ("3", "5"),
    (TRADE, "short"): ("6", "4"),
    (DELIVERY, "net"): ("113", "112"),
    (DELIVERY, "long"): ("", "112"),
    (DELIVERY, "short"): ("113", ""),
    (PARTIAL_LIQUIDATION, "net"): ("102", "103"),
    (PARTIAL_LIQUIDATION, "long"): ("", "100"),
    (PARTIAL_LIQUIDATION, "short"): ("101", ""),
    (LIQUIDATION, "net"): ("106", "107"),
    (LIQUIDATION, "long"): ("", "104"),
    (LIQUIDATION, "short"): ("105", ""),
}
"""Sub-types of bills for what was bought and sold, by kind and side of the position."""
_EMPTY_BILL = empty_fields("interest from to notes fillFwdPx fillMarkVol fillPxUsd fillPxVol earnAmt earnApr")


def choose_sub_kind(kind: str, signed: Decimal, pos_side: PositionSide = "net") -> str:
    """Return the bill's sub-type for a trade or a liquidation that bought (signed > 0) or sold."""
    bought, sold = _SUB_KINDS[kind, pos_side]
    return bought if signed > 0 else sold


class Ids:
    """Identifiers: decimal strings of 18 digits, strictly increasing, the same for the same sequence of requests.

    One sequence serves orders, trades, bills, positions and algo orders: cursors of every list grow with time.
    """

    def __init__(self) -> None:
        self._numbers = count(100_000_000_000_000_001)

    def next(self) -> str:
        """Return the next identifier."""
        return str(next(self._numbers))


class FeeCurrency(NamedTuple):
    """A currency other than USDT in which fees are charged: its name, its price in USDT, and what the account has."""

    name: str
    usdt: Decimal
    balance: Decimal = Decimal(1_000)


@dataclass(frozen=True, slots=True)
class Bill:
    """One change of a balance in `ccy`: profit + fee, the funding payment, a fee, a penalty or moved margin.

    For isolated positions `margin_change` went from the cash to the position's margin, which is `margin` after it:
    `change` is profit + fee − margin_change. Index and mark price are those at a trade, None for other bills.
    """

    bill_id: str
    ts_ms: int
    kind: str
    sub_kind: str
    inst_id: str
    change: Decimal
    balance: Decimal
    size: Decimal
    price: Decimal
    pnl: Decimal
    fee: Decimal
    ord_id: str = ""
    client_id: str = ""
    trade_id: str = ""
    exec_type: str = ""
    tag: str = ""
    ccy: str = "USDT"
    margin_mode: MarginMode = "cross"
    pos_side: PositionSide = "net"
    margin: Decimal = ZERO
    margin_change: Decimal = ZERO
    index_px: Decimal | None = None
    mark_px: Decimal | None = None

    def row(self) -> dict[str, Json]:
        """Return the row of bills and bills-archive."""
        return {
            **_EMPTY_BILL,
            "billId": self.bill_id,
            "ts": str(self.ts_ms),
            "type": self.kind,
            "subType": self.sub_kind,
            "ccy": self.ccy,
            "bal": format_padded(self.balance),
            "balChg": format_padded(self.change),
            "posBal": format_number(self.margin),
            "posBalChg": format_number(self.margin_change),
            "sz": format_number(self.size),
            "px": format_number(self.price),
            "pnl": format_number(self.pnl),
            "fee": format_number(self.fee),
            "mgnMode": self.margin_mode,
            "instType": "SWAP",
            "instId": self.inst_id,
            "ordId": self.ord_id,
            "clOrdId": self.client_id,
            "tradeId": self.trade_id,
            "execType": self.exec_type,
            "tag": self.tag,
            "fillIdxPx": format_number(self.index_px),
            "fillMarkPx": format_number(self.mark_px),
            "fillTime": str(self.ts_ms),
        }


@dataclass(frozen=True, slots=True)
class Execution:
    """One trade of the account: its bill, its side, whether it took liquidity, the fee rate, and the fee as charged."""

    bill: Bill
    side: str
    taker: bool
    rate: Decimal
    fee: Decimal
    fee_ccy: str = "USDT"

    def row(self) -> dict[str, Json]:
        """Return the row of fills and fills-history."""
        bill = self.bill
        return {
            "instType": "SWAP",
            "instId": bill.inst_id,
            "tradeId": bill.trade_id,
            "ordId": bill.ord_id,
            "clOrdId": bill.client_id,
            "billId": bill.bill_id,
            "subType": bill.sub_kind,
            "tag": bill.tag,
            "fillPx": format_number(bill.price),
            "fillSz": format_number(bill.size),
            "fillIdxPx": format_number(bill.index_px),
            "fillMarkPx": format_number(bill.mark_px),
            "fillPnl": format_number(bill.pnl),
            "fillPxVol": "",
            "fillPxUsd": "",
            "fillMarkVol": "",
            "fillFwdPx": "",
            "side": self.side,
            "posSide": bill.pos_side,
            "execType": "T" if self.taker else "M",
            "fee": format_number(self.fee),
            "feeCcy": self.fee_ccy,
            "feeRate": "",
            "fillTime": str(bill.ts_ms),
            "ts": str(bill.ts_ms),
            "tradeQuoteCcy": "",
        }


@dataclass(slots=True)
class Ledger:
    """USDT cash and its history, oldest first; fees may be charged in another currency."""

    cash: Decimal
    bills: list[Bill] = field(default_factory=list)
    executions: list[Execution] = field(default_factory=list)
    touched_ms: int = 0
    fee_currency: FeeCurrency | None = None

    def book(self, bill: Bill) -> Bill:
        """Set the cash to the bill's balance and keep the bill; return it."""
        self.cash = bill.balance
        self.bills.append(bill)
        self.touched_ms = bill.ts_ms
        return bill

    def charge(self, fee: Decimal) -> tuple[Decimal, Decimal, str]:
        """Return a fee of USDT as it is charged: what the USDT cash pays, the amount, and the amount's currency.

        The other currency pays as long as it lasts; USDT pays after that.
        """
        other = self.fee_currency
        if other is None or other.balance + fee / other.usdt < 0:
            return fee, fee, "USDT"
        amount = round(fee / other.usdt, 12)
        self.fee_currency = other._replace(balance=other.balance + amount)
        return ZERO, amount, other.name

    def book_other(self, bill_id: str, bill: Bill, amount: Decimal) -> None:
        """Keep the bill of a fee that another currency paid, beside the bill of its trade."""
        assert self.fee_currency is not None
        name, _, balance = self.fee_currency
        self.bills.append(
            replace(bill, bill_id=bill_id, change=amount, balance=balance, fee=amount, pnl=ZERO, ccy=name)
        )
