"""Margin of an order: whether the account can carry it (docs/okx-protocol.md, Margin)."""

from __future__ import annotations

from decimal import Decimal

from paper_exchange.account.account import Account
from paper_exchange.account.ledger import ZERO
from paper_exchange.account.orders import Order
from paper_exchange.account.positions import count_opening


def is_affordable(account: Account, order: Order, fill_price: Decimal | None) -> bool:
    """Whether free equity stays at or above zero when an order fills at `fill_price` now, or rests (None).

    An order that opens nothing is always affordable. A resting order with the same id counts as already replaced.
    """
    signed = order.left * order.sign
    if count_opening(account.size(order.inst_id), signed) == 0:
        return True
    if fill_price is None:
        return _compute_free_if_resting(account, order) >= 0
    return _compute_free_if_filled(account, order, signed, fill_price) >= 0


def _compute_free_if_resting(account: Account, order: Order) -> Decimal:
    margin = account.margin_for(order, account.size(order.inst_id))
    fee = margin * account.lever(order.inst_id) * account.taker  # margin · leverage is the notional
    return account.equity() - account.initial_margin() - _sum_frozen(account, order, ZERO) - margin - fee


def _compute_free_if_filled(account: Account, order: Order, signed: Decimal, price: Decimal) -> Decimal:
    """Return free equity after a fill.

    Equity moves by the distance from the mark and the fee, initial margin by the change of the position.
    """
    held = account.size(order.inst_id)
    mark, ct_val = account.mark(order.inst_id), account.market.instruments[order.inst_id].ct_val
    equity = account.equity() + signed * ct_val * (mark - price) - abs(signed) * ct_val * price * account.taker
    grown = (abs(held + signed) - abs(held)) * ct_val * mark / account.lever(order.inst_id)
    return equity - account.initial_margin() - grown - _sum_frozen(account, order, signed)


def _sum_frozen(account: Account, order: Order, signed: Decimal) -> Decimal:
    """Return the margin of the other resting orders once the position has changed by `signed` contracts.

    The change decides what the others open: an order that would have closed may open after it.
    """
    others = (other for other in account.pending() if other.ord_id != order.ord_id)
    change = {order.inst_id: signed}
    return sum((account.margin_for(o, account.size(o.inst_id) + change.get(o.inst_id, ZERO)) for o in others), ZERO)
