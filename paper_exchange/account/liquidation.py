"""Forced closing: the whole account is one cross margin, watched on the mark price.

Equity must exceed Σ notional(mark)·(maintenance rate + taker rate) (OKX-V5 section 9). When a bar closes, the mark's
adverse extreme of that bar counts too, at the price at which the margin ran out, or at the bar's open where the mark
gapped through it.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING

from pairity.universe import exact
from paper_exchange.account.ledger import LIQUIDATION, ZERO
from paper_exchange.account.orders import Order
from paper_exchange.account.positions import Position, liquidation_price
from paper_exchange.market.prices import to_tick

if TYPE_CHECKING:
    from paper_exchange.account.account import Engine

RISK, CLOSED_OUT = "3", "full_liquidation"


def required(engine: Engine) -> Decimal:
    """The equity at which liquidation begins: maintenance margin and the fee of closing."""
    return sum((_required(engine, position) for position in engine.positions.values()), ZERO)


def price_of(engine: Engine, inst_id: str) -> Decimal | None:
    """Mark price of one instrument at which the account is liquidated if all others stand still, unrounded.

    None without a position, and where no price above zero does it.
    """
    position = engine.positions.get(inst_id)
    if position is None:
        return None
    own = position.unrealized(engine.mark(inst_id))
    elsewhere = engine.equity() - own - (required(engine) - _required(engine, position))
    rate = engine.market.instruments[inst_id].maintenance_rate
    return liquidation_price(position, elsewhere, rate, engine.taker)


def shown_price(engine: Engine, inst_id: str) -> Decimal | None:
    """`price_of` on a tick, rounded against the holder."""
    price = price_of(engine, inst_id)
    return None if price is None else _against_holder(engine, inst_id, price)


def at_marks(engine: Engine) -> None:
    """Close everything at the present marks if margin has run out."""
    if engine.positions and engine.equity() <= required(engine):
        _withdraw_orders(engine)
        for position in list(engine.positions.values()):
            _close(engine, position, engine.mark(position.inst_id))


def in_bar(engine: Engine, inst_id: str, open_ms: int) -> None:
    """Close a position whose liquidation price the mark's bar at `open_ms` reached; `at_marks` sees to the others."""
    position, level = engine.positions.get(inst_id), shown_price(engine, inst_id)
    bar = engine.market.bar_at(inst_id, open_ms, "mark")
    if position is None or level is None or bar is None or bar.open_ms != open_ms:
        return
    sign = 1 if position.size > 0 else -1
    worst, opened = exact(bar.low if sign > 0 else bar.high), exact(bar.open)
    if (worst - level) * sign > 0:
        return
    _withdraw_orders(engine)
    gapped = (opened - level) * sign <= 0
    _close(engine, position, opened if gapped else level)


def _required(engine: Engine, position: Position) -> Decimal:
    rate = engine.market.instruments[position.inst_id].maintenance_rate
    return position.notional(engine.mark(position.inst_id)) * (rate + engine.taker)


def _against_holder(engine: Engine, inst_id: str, price: Decimal) -> Decimal:
    tick = engine.market.instruments[inst_id].tick_sz
    return to_tick(price, tick, ROUND_CEILING if engine.size(inst_id) > 0 else ROUND_FLOOR)


def _withdraw_orders(engine: Engine) -> None:
    for order in engine.pending():
        engine.cancel(order, RISK)


def _close(engine: Engine, position: Position, price: Decimal) -> None:
    inst_id = position.inst_id
    order = Order(
        engine.ids.next(), "", inst_id, "sell" if position.size > 0 else "buy", "market", abs(position.size), None,
        True, engine.now_ms, category=CLOSED_OUT, leverage=engine.lever(inst_id),
    )  # fmt: skip
    engine.take(order)
    engine.fill(order, price, taker=True, kind=LIQUIDATION)
