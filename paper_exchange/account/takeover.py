"""The liquidation engine's part: how much of a position it takes over, at which price, and what that costs.

A kind market takes over whole positions and asks no penalty. An unkind one closes in steps along the position's tiers:
from the third tier on down to the tier two below, else all of it; and the maintenance margin of what is closed is lost
to the insurance fund, as far as there is any (docs/okx-protocol.md, Liquidation).
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from paper_exchange.account.account import Account
from paper_exchange.account.filling import fill
from paper_exchange.account.ledger import LIQUIDATION, PARTIAL_LIQUIDATION, ZERO, choose_sub_kind
from paper_exchange.account.orders import Order
from paper_exchange.account.position_bills import book_earned
from paper_exchange.account.positions import Position
from paper_exchange.market.prices import round_to_tick

TIERS_BACK = 2
_CATEGORIES = {LIQUIDATION: "full_liquidation", PARTIAL_LIQUIDATION: "partial_liquidation"}


def take_over(account: Account, position: Position, price: Decimal) -> None:
    """Close a position, or one step of it, at `price`, and charge the penalty."""
    contracts = _choose_step(account, position)
    kind = LIQUIDATION if contracts == abs(position.size) else PARTIAL_LIQUIDATION
    if position.isolated:
        price = _limit_loss(account, position, price)
    if account.unkind:
        _charge_penalty(account, position, contracts, price, kind)
    order = Order(
        ord_id=account.ids.next(),
        client_id="",
        inst_id=position.inst_id,
        side="sell" if position.size > 0 else "buy",
        kind="market",
        size=contracts,
        price=None,
        reduce_only=True,
        created_ms=account.now_ms,
        margin_mode=position.margin_mode,
        pos_side=position.pos_side,
        category=_CATEGORIES[kind],
        leverage=account.lever_of(position),
    )
    account.take(order)
    fill(account, order, contracts, price, taker=True, kind=kind)


def _choose_step(account: Account, position: Position) -> Decimal:
    """Return the contracts to close: all of them, or down to the end of the tier two below."""
    held = abs(position.size)
    instrument = account.market.instruments[position.inst_id]
    tier = instrument.place_in_tiers(held)
    if not account.unkind or tier < TIERS_BACK:
        return held
    return held - instrument.list_tiers()[tier - TIERS_BACK].max_sz


def _limit_loss(account: Account, position: Position, price: Decimal) -> Decimal:
    """Return a price at which an isolated position loses no more than its margin, fee included."""
    quantity = position.size * position.ct_val
    ruined = (position.avg_px * quantity - position.margin) / (quantity - abs(quantity) * account.taker)
    tick = account.market.instruments[position.inst_id].tick_sz
    if position.size > 0:
        return max(price, round_to_tick(ruined, tick, ROUND_CEILING))
    return min(price, round_to_tick(ruined, tick, ROUND_FLOOR))


def _charge_penalty(account: Account, position: Position, contracts: Decimal, price: Decimal, kind: str) -> None:
    """Book the maintenance margin of what is closed as lost, but no more than closing it leaves."""
    closed = contracts * position.ct_val * price
    mark = account.mark(position.inst_id)
    equity = account.cross_equity() - position.unrealized(mark) + position.unrealized(price)
    if position.isolated:
        equity = (position.margin + position.unrealized(price)) * contracts / abs(position.size)
    left = equity - closed * account.taker
    penalty = -min(closed * account.maintenance_rate(position), max(left, ZERO))
    if penalty == 0:
        return
    position.penalty += penalty
    sub_kind = choose_sub_kind(kind, -position.size, position.pos_side)
    book_earned(account, position, penalty, kind=LIQUIDATION, sub_kind=sub_kind, price=price)
