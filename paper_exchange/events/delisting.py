"""The end of an instrument (docs/okx-protocol.md, Changes and delistings).

Orders are withdrawn, positions settled at the mark.
"""

from __future__ import annotations

from decimal import Decimal

from paper_exchange.account.account import Account
from paper_exchange.account.filling import fill
from paper_exchange.account.ledger import DELIVERY
from paper_exchange.account.orders import Order
from paper_exchange.account.positions import Position

BY_THE_SYSTEM = "0"


def settle_instrument(account: Account, inst_id: str) -> None:
    """Withdraw all orders of an instrument, and close its positions at the mark price of this instant."""
    withdraw_orders(account, inst_id)
    for position in _list_positions(account, inst_id):
        order = Order(
            ord_id=account.ids.next(),
            client_id="",
            inst_id=inst_id,
            side="sell" if position.size > 0 else "buy",
            kind="market",
            size=abs(position.size),
            price=None,
            reduce_only=position.pos_side == "net",
            created_ms=account.now_ms,
            margin_mode=position.margin_mode,
            pos_side=position.pos_side,
            category="delivery",
            leverage=account.lever_of(position),
        )
        account.take(order)
        fill(account, order, order.size, account.mark(inst_id), taker=True, kind=DELIVERY)


def rescale_position(account: Account, inst_id: str, old: Decimal, new: Decimal) -> None:
    """Keep the coins of positions while their contract changes its value; resting orders are withdrawn."""
    withdraw_orders(account, inst_id)
    ratio = old / new
    for position in _list_positions(account, inst_id):
        position.size, position.largest = position.size * ratio, position.largest * ratio
        position.closed_size, position.closed_notional = position.closed_size * ratio, position.closed_notional * ratio
        position.ct_val = new


def withdraw_orders(account: Account, inst_id: str) -> None:
    """Cancel every resting and every algo order of an instrument."""
    for order in account.pending(inst_id):
        account.cancel(order, BY_THE_SYSTEM)
    for algo in account.live_algos(inst_id):
        account.cancel_algo(algo)


def _list_positions(account: Account, inst_id: str) -> list[Position]:
    """Return a copy of the list: closing removes positions from the account."""
    return [position for position in account.positions.values() if position.inst_id == inst_id]
