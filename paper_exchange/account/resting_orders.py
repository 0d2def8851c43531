"""What happens to orders that rest, when a script or a fault says so: fills in part or whole, and cancellations."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal

from paper_exchange.account import matching
from paper_exchange.account.account import Account
from paper_exchange.account.orders import Order


def fill_share(account: Account, order: Order, share: Decimal) -> None:
    """Fill a share of what is left of a resting order at its price, as maker, in whole lots rounded down."""
    lot = account.market.instruments[order.inst_id].lot_sz
    size = (order.left * share / lot).to_integral_value(ROUND_DOWN) * lot
    if order.live and order.price is not None and size:
        matching.fill_resting(account, order, size, order.price)


def fill_all(account: Account, inst_id: str, share: Decimal) -> None:
    """Fill a share of every order that rests in an instrument, wherever the market is."""
    for order in account.pending(inst_id):
        fill_share(account, order, share)


def cancel_all(account: Account, inst_id: str, source: str) -> None:
    """Cancel every order that rests in an instrument, as the venue does on its own."""
    for order in account.pending(inst_id):
        account.cancel(order, source)
