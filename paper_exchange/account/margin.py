"""Margin and tiers of an order: whether the account can carry it (docs/okx-protocol.md, Margin)."""

from __future__ import annotations

from decimal import Decimal

from paper_exchange.account.account import Account
from paper_exchange.account.ledger import ZERO
from paper_exchange.account.orders import AT_ONCE, Order
from paper_exchange.account.positions import count_opening

BEYOND_TIERS, BEYOND_LEVERAGE = "51105", "51004"


def is_affordable(account: Account, order: Order, filled: Decimal, price: Decimal) -> bool:
    """Whether free equity stays at or above zero when `filled` contracts fill at `price` now and the rest rests.

    An order that opens nothing is always affordable. A resting order with the same id counts as already replaced.
    """
    if count_opening(account.held(order.holding), order.left * order.sign) == 0:
        return True
    return _compute_free(account, order, filled, price) >= 0


def find_tier_breach(account: Account, order: Order) -> str | None:
    """Return the code of an order too large for the tiers, with position and pending orders of its side; else None."""
    held = account.held(order.holding)
    opening = count_opening(held, order.left * order.sign)
    instrument = account.market.instruments[order.inst_id]
    if opening == 0 or not instrument.tiers:
        return None
    pending = sum((o.left for o in list_rivals(account, order) if not o.closes), ZERO)
    total = opening + pending + (abs(held) if held * order.sign > 0 else ZERO)
    if total > instrument.tiers[-1].max_sz:
        return BEYOND_TIERS
    return BEYOND_LEVERAGE if account.lever_of(order) > instrument.find_tier(total).max_leverage else None


def list_rivals(account: Account, order: Order) -> list[Order]:
    """Return the other resting orders on the same position and side."""
    pending = account.pending(order.inst_id)
    return [o for o in pending if (o.holding, o.side) == (order.holding, order.side) and o.ord_id != order.ord_id]


def _compute_free(account: Account, order: Order, filled: Decimal, price: Decimal) -> Decimal:
    """Return free equity after the fill, with the margin and the fee of what rests taken off.

    A cross fill moves equity by the distance from the mark and the fee, and initial margin by the change of the
    position; an isolated one takes its margin and its fee out of the cash.
    """
    held, signed = account.held(order.holding), filled * order.sign
    ct_val, lever = account.market.instruments[order.inst_id].ct_val, account.lever_of(order)
    equity = account.cross_equity()
    if order.margin_mode == "isolated":
        spent = count_opening(held, signed) * ct_val * price / lever + filled * ct_val * price * account.taker
    else:
        mark = account.mark(order.inst_id)
        equity += signed * ct_val * (mark - price) - filled * ct_val * price * account.taker
        spent = (abs(held + signed) - abs(held)) * ct_val * mark / lever
    resting = _compute_resting(account, order, filled)
    return equity - account.initial_margin() - spent - _sum_frozen(account, order, signed) - resting


def _compute_resting(account: Account, order: Order, filled: Decimal) -> Decimal:
    """Return margin and fee of what is left of a resting order after the fill."""
    if filled == order.left or (filled and order.kind in AT_ONCE):
        return ZERO
    left = account.margin_for(order, account.held(order.holding), filled)
    return left + left * account.lever_of(order) * account.taker  # margin · leverage is the notional


def _sum_frozen(account: Account, order: Order, signed: Decimal) -> Decimal:
    """Return the margin of the other resting orders once the position has changed by `signed` contracts.

    The change decides what the others open: an order that would have closed may open after it.
    """
    others = (other for other in account.pending() if other.ord_id != order.ord_id)
    change = {order.holding: signed}
    return sum((account.margin_for(o, account.held(o.holding) + change.get(o.holding, ZERO)) for o in others), ZERO)
