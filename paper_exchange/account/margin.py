"""Whether the account can carry an order: what would be left after it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from paper_exchange.account.ledger import ZERO
from paper_exchange.account.orders import Order
from paper_exchange.account.positions import opening_part

if TYPE_CHECKING:
    from paper_exchange.account.account import Engine


def affordable(engine: Engine, order: Order, fill_price: Decimal | None) -> bool:
    """Whether free equity stays at or above zero when an order fills at `fill_price` now, or rests (None).

    An order that opens nothing is always affordable. An order of the same id that rests already counts as replaced.
    """
    signed = order.left * order.sign
    if opening_part(engine.size(order.inst_id), signed) == 0:
        return True
    if fill_price is None:
        return _left_resting(engine, order) >= 0
    return _left_filled(engine, order, signed, fill_price) >= 0


def _left_resting(engine: Engine, order: Order) -> Decimal:
    margin = engine.margin_for(order, engine.size(order.inst_id))
    fee = margin * engine.lever(order.inst_id) * engine.taker
    return engine.equity() - engine.initial_margin() - _frozen(engine, order, ZERO) - margin - fee


def _left_filled(engine: Engine, order: Order, signed: Decimal, price: Decimal) -> Decimal:
    """Equity moves by the distance from the mark and the fee; initial margin by the change of the position."""
    held = engine.size(order.inst_id)
    mark, ct_val = engine.mark(order.inst_id), engine.market.instruments[order.inst_id].ct_val
    equity = engine.equity() + signed * ct_val * (mark - price) - abs(signed) * ct_val * price * engine.taker
    grown = (abs(held + signed) - abs(held)) * ct_val * mark / engine.lever(order.inst_id)
    return equity - engine.initial_margin() - grown - _frozen(engine, order, signed)


def _frozen(engine: Engine, order: Order, signed: Decimal) -> Decimal:
    """Margin of the other resting orders once the position has changed by `signed` contracts."""
    others = (other for other in engine.pending() if other.ord_id != order.ord_id)
    change = {order.inst_id: signed}
    return sum((engine.margin_for(o, engine.size(o.inst_id) + change.get(o.inst_id, ZERO)) for o in others), ZERO)
