"""The end of an instrument (docs/okx-protocol.md, Changes and delistings).

Orders are withdrawn, positions settled at the mark.
"""

from __future__ import annotations

from decimal import Decimal

from paper_exchange.account.account import Account
from paper_exchange.account.ledger import DELIVERY
from paper_exchange.account.orders import Order

BY_THE_SYSTEM = "0"


def settle_instrument(account: Account, inst_id: str) -> None:
    """Withdraw all orders of an instrument, and close its position at the mark price of this instant."""
    withdraw_orders(account, inst_id)
    position = account.positions.get(inst_id)
    if position is None:
        return
    order = Order(
        ord_id=account.ids.next(),
        client_id="",
        inst_id=inst_id,
        side="sell" if position.size > 0 else "buy",
        kind="market",
        size=abs(position.size),
        price=None,
        reduce_only=True,
        created_ms=account.now_ms,
        category="delivery",
        leverage=account.lever(inst_id),
    )
    account.take(order)
    account.fill(order, account.mark(inst_id), taker=True, kind=DELIVERY)


def rescale_position(account: Account, inst_id: str, old: Decimal, new: Decimal) -> None:
    """Keep the coins of a position while its contract changes its value; resting orders are withdrawn."""
    withdraw_orders(account, inst_id)
    position = account.positions.get(inst_id)
    if position is None:
        return
    ratio = old / new
    position.size, position.largest = position.size * ratio, position.largest * ratio
    position.closed_size, position.closed_notional = position.closed_size * ratio, position.closed_notional * ratio
    position.ct_val = new


def withdraw_orders(account: Account, inst_id: str) -> None:
    """Cancel every resting and every algo order of an instrument."""
    for order in account.pending(inst_id):
        account.cancel(order, BY_THE_SYSTEM)
    for algo in account.live_algos(inst_id):
        account.cancel_algo(algo)
