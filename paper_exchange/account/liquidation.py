"""Forced closing: the whole account is one cross margin, watched on the mark price.

Equity must exceed Σ notional(mark)·(maintenance rate + taker rate) (docs/okx-protocol.md, Liquidation). When a bar
closes, the mark's adverse extreme of that bar counts too, at the price at which the margin ran out, or at the bar's
open where the mark gapped through it.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from pairity.universe import exact
from paper_exchange.account.account import Account
from paper_exchange.account.ledger import LIQUIDATION, ZERO
from paper_exchange.account.orders import Order
from paper_exchange.account.positions import Position, solve_liquidation_price
from paper_exchange.market.prices import round_to_tick

RISK, CLOSED_OUT = "3", "full_liquidation"


def compute_required_equity(account: Account) -> Decimal:
    """Return the equity at which liquidation begins: maintenance margin and the fee of closing, in USDT."""
    return sum((_compute_required(account, position) for position in account.positions.values()), ZERO)


def compute_margin_ratio(account: Account) -> Decimal | None:
    """Return equity over the equity at which liquidation begins: 1 is the end; None without positions."""
    required = compute_required_equity(account)
    return account.equity() / required if required else None


def find_liquidation_price(account: Account, inst_id: str) -> Decimal | None:
    """Return the mark price of one instrument that liquidates the account if all others stand still, unrounded.

    None without a position, and where no price above zero does it.
    """
    position = account.positions.get(inst_id)
    if position is None:
        return None
    own = position.unrealized(account.mark(inst_id))
    elsewhere = account.equity() - own - (compute_required_equity(account) - _compute_required(account, position))
    rate = account.market.instruments[inst_id].maintenance_rate
    return solve_liquidation_price(position, elsewhere, rate, account.taker)


def find_shown_price(account: Account, inst_id: str) -> Decimal | None:
    """Return the liquidation price on a tick, rounded against the holder; None where there is none."""
    price = find_liquidation_price(account, inst_id)
    return None if price is None else _round_against_holder(account, inst_id, price)


def liquidate_at_marks(account: Account) -> None:
    """Close everything at the present marks if margin has run out."""
    if account.positions and account.equity() <= compute_required_equity(account):
        _withdraw_orders(account)
        # A copy: closing removes positions from the mapping.
        for position in list(account.positions.values()):
            _close(account, position, account.mark(position.inst_id))


def liquidate_in_bar(account: Account, inst_id: str, open_ms: int) -> None:
    """Close a position whose liquidation price the mark's bar at `open_ms` reached.

    Positions in other instruments are left to `liquidate_at_marks`: their prices inside the bar are not known.
    """
    position, level = account.positions.get(inst_id), find_shown_price(account, inst_id)
    bar = account.market.bar_at(inst_id, open_ms, "mark")
    if position is None or level is None or bar is None or bar.open_ms != open_ms:
        return
    sign = 1 if position.size > 0 else -1
    worst, opened = exact(bar.low if sign > 0 else bar.high), exact(bar.open)
    if (worst - level) * sign > 0:
        return
    _withdraw_orders(account)
    gapped = (opened - level) * sign <= 0
    _close(account, position, opened if gapped else level)


def _compute_required(account: Account, position: Position) -> Decimal:
    rate = account.market.instruments[position.inst_id].maintenance_rate
    return position.notional(account.mark(position.inst_id)) * (rate + account.taker)


def _round_against_holder(account: Account, inst_id: str, price: Decimal) -> Decimal:
    tick = account.market.instruments[inst_id].tick_sz
    return round_to_tick(price, tick, ROUND_CEILING if account.size(inst_id) > 0 else ROUND_FLOOR)


def _withdraw_orders(account: Account) -> None:
    for order in account.pending():
        account.cancel(order, RISK)


def _close(account: Account, position: Position, price: Decimal) -> None:
    inst_id = position.inst_id
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
        category=CLOSED_OUT,
        leverage=account.lever(inst_id),
    )
    account.take(order)
    account.fill(order, price, taker=True, kind=LIQUIDATION)
