"""Bills of a position besides those of its trades: funding, penalties, and margin that is moved."""

from __future__ import annotations

from decimal import Decimal

from paper_exchange.account.account import Account
from paper_exchange.account.ledger import ZERO, Bill
from paper_exchange.account.positions import Position


def book_on_position(
    account: Account,
    position: Position,
    *,
    kind: str,
    sub_kind: str,
    change: Decimal,
    moved: Decimal,
    pnl: Decimal = ZERO,
    size: Decimal = ZERO,
    price: Decimal = ZERO,
) -> None:
    """Book `change` on the cash and `moved` on the margin of a position, with the bill of both (USDT).

    `pnl` is what the position earned by it, `size` (contracts) and `price` what the bill says it was computed on.
    """
    position.margin += moved
    account.ledger.book(
        Bill(
            bill_id=account.ids.next(),
            ts_ms=account.now_ms,
            kind=kind,
            sub_kind=sub_kind,
            inst_id=position.inst_id,
            change=change,
            balance=account.ledger.cash + change,
            size=size,
            price=price,
            pnl=pnl,
            fee=ZERO,
            margin_mode=position.margin_mode,
            pos_side=position.pos_side,
            margin=position.margin,
            margin_change=moved,
        )
    )


def book_earned(
    account: Account,
    position: Position,
    earned: Decimal,
    *,
    kind: str,
    sub_kind: str,
    size: Decimal = ZERO,
    price: Decimal,
) -> None:
    """Book what a position earned (paid, where below zero): an isolated one pays out of its own margin.

    Source: docs/okx-protocol.md, Funding bills.
    """
    change, moved = (ZERO, earned) if position.isolated else (earned, ZERO)
    book_on_position(
        account,
        position,
        kind=kind,
        sub_kind=sub_kind,
        change=change,
        moved=moved,
        pnl=earned,
        size=size,
        price=price,
    )
