"""Forced closing, watched on the mark price: cross positions stand together on the account, isolated ones alone.

Equity must exceed Σ notional(mark)·(maintenance rate + taker rate), at the rate of each position's tier
(docs/okx-protocol.md, Liquidation). When a bar closes, the mark's adverse extreme of that bar counts too, at the price
at which the margin ran out, or at the bar's open where the mark gapped through it. How much of a position is closed,
and what it costs, is in `takeover.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from pairity.universe import exact
from paper_exchange.account.account import Account
from paper_exchange.account.ledger import ZERO
from paper_exchange.account.positions import Position, solve_liquidation_price
from paper_exchange.account.takeover import take_over
from paper_exchange.market.prices import round_to_tick

RISK = "3"
_SHOWN_DIGITS = 17


def compute_required_equity(account: Account) -> Decimal:
    """Return the cross equity at which liquidation begins: maintenance margin and the fee of closing, in USDT."""
    return sum((_compute_required(account, position) for position in account.list_cross()), ZERO)


def compute_margin_ratio(account: Account) -> Decimal | None:
    """Return cross equity over the equity at which liquidation begins: 1 is the end; None without cross positions."""
    required = compute_required_equity(account)
    return account.cross_equity() / required if required else None


def compute_position_ratio(account: Account, position: Position) -> Decimal | None:
    """Return the margin ratio that a position shows: its own in isolated margin, else the account's."""
    if not position.isolated:
        return compute_margin_ratio(account)
    required = _compute_required(account, position)
    equity = position.margin + position.unrealized(account.mark(position.inst_id))
    return equity / required if required else None


def find_liquidation_price(account: Account, position: Position) -> Decimal | None:
    """Return the mark price of the instrument that liquidates a position if all others stand still, unrounded.

    None where no price above zero does it.
    """
    if position.isolated:
        equity = position.margin
    else:
        own = position.unrealized(account.mark(position.inst_id))
        others = compute_required_equity(account) - _compute_required(account, position)
        equity = account.cross_equity() - own - others
    return solve_liquidation_price(position, equity, account.maintenance_rate(position), account.taker)


def find_shown_price(account: Account, position: Position) -> Decimal | None:
    """Return the liquidation price as the venue shows it: to 17 digits, not on a tick; None where there is none."""
    price = find_liquidation_price(account, position)
    if price is None or position.size == 0:
        return None
    return round(price, max(_SHOWN_DIGITS - 1 - price.adjusted(), 0))


def liquidate_at_marks(account: Account) -> None:
    """Close what the present marks leave without margin."""
    if account.list_cross() and account.cross_equity() <= compute_required_equity(account):
        _withdraw_orders(account, account.list_cross())
        _close_cross(account)
    for position in account.list_isolated():
        ratio = compute_position_ratio(account, position)
        if ratio is not None and ratio <= 1:
            _withdraw_orders(account, [position])
            while position.size and (compute_position_ratio(account, position) or ZERO) <= 1:
                take_over(account, position, account.mark(position.inst_id))


def liquidate_in_bar(account: Account, inst_id: str, open_ms: int) -> None:
    """Close positions whose liquidation price the mark's bar at `open_ms` reached.

    Positions in other instruments are left to `liquidate_at_marks`: their prices inside the bar are not known.
    """
    bar = account.market.bar_at(inst_id, open_ms, "mark")
    if bar is None or bar.open_ms != open_ms:
        return
    for position in [p for p in account.positions.values() if p.inst_id == inst_id]:
        sign = 1 if position.size > 0 else -1
        worst, opened = exact(bar.low if sign > 0 else bar.high), exact(bar.open)
        # A step may leave a part whose own price the bar reached as well.
        while position.size and (level := _find_traded_price(account, position)) is not None:
            if (worst - level) * sign > 0:
                break
            _withdraw_orders(account, [position] if position.isolated else account.list_cross())
            gapped = (opened - level) * sign <= 0
            take_over(account, position, opened if gapped else level)


def _close_cross(account: Account) -> None:
    """Close cross positions at their marks: on an unkind market the costliest first, until the margin suffices."""
    while (positions := account.list_cross()) and (
        not account.unkind or account.cross_equity() <= compute_required_equity(account)
    ):
        position = positions[0]
        if account.unkind:
            position = max(positions, key=lambda p: (_compute_required(account, p), p.pos_id))
        take_over(account, position, account.mark(position.inst_id))


def _find_traded_price(account: Account, position: Position) -> Decimal | None:
    """Return the liquidation price on a tick: where the position would be traded."""
    price = find_liquidation_price(account, position)
    return None if price is None else _round_against_holder(account, position, price)


def _compute_required(account: Account, position: Position) -> Decimal:
    rate = account.maintenance_rate(position)
    return position.notional(account.mark(position.inst_id)) * (rate + account.taker)


def _round_against_holder(account: Account, position: Position, price: Decimal) -> Decimal:
    tick = account.market.instruments[position.inst_id].tick_sz
    return round_to_tick(price, tick, ROUND_CEILING if position.size > 0 else ROUND_FLOOR)


def _withdraw_orders(account: Account, positions: Sequence[Position]) -> None:
    """Cancel resting orders: of cross positions all that use the account's margin, of isolated ones their own."""
    holdings = {position.holding for position in positions}
    shared = any(not position.isolated for position in positions)
    for order in account.pending():
        if (shared and order.margin_mode == "cross") or order.holding in holdings:
            account.cancel(order, RISK)
